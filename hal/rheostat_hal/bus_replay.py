"""Dialogues with instruments as text: recorded from real buses, played back against drivers.

One line each: `> sent`, `< answered`, `! silence` (a read that timed out), `! lost` (the connection broke),
`! cleared`, `! aborted` (by another thread). In a dialogue of several instruments the name of one comes first, and the
lines stand in the order in which they happened: `analyser > *IDN?`. Blank lines and lines that begin with # are
comments.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from rheostat_hal.bus import Bus
from rheostat_hal.errors import BusAborted, BusError, BusTimeout

_STEP = re.compile(r"(?:(\w+) )?([><!])(?: (.*))?", re.ASCII)
ABORTED = "! aborted"


def steps(text: str) -> Iterator[tuple[str, str]]:
    """(instrument, step) of every line; the instrument is "" where none is named. Raises ValueError for other lines."""
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.lstrip().removesuffix("\r")
        if not bare.strip() or bare.startswith("#"):
            continue
        match = _STEP.fullmatch(bare)
        if match is None:
            raise ValueError(f"line {number} is no part of a dialogue: {line!r}")
        yield match[1] or "", f"{match[2]} {match[3] or ''}"


class RecordingBus:
    """Passes everything on to `bus` and tells `note` each line of the dialogue, under the instrument's name."""

    def __init__(self, bus: Bus, note: Callable[[str], None], name: str = "") -> None:
        self._bus = bus
        self._note = note
        self._prefix = f"{name} " if name else ""
        self._aborted = False
        self._order = threading.Lock()  # an abort stands in the dialogue where it took effect

    @property
    def resource(self) -> str:
        return self._bus.resource

    @property
    def writes(self) -> int:
        return self._bus.writes

    @property
    def reads(self) -> int:
        return self._bus.reads

    def write(self, line: str) -> None:
        with self._order:
            self._say(f"> {line}")
            try:
                self._bus.write(line)
            except BusError:
                self._say("! lost")
                raise

    def read(self, timeout: float) -> str:
        try:
            line = self._bus.read(timeout)
        except BusAborted:  # noted already
            raise
        except BusTimeout:
            self._happened("! silence")
            raise
        except BusError:
            self._happened("! lost")
            raise
        self._happened(f"< {line}")
        return line

    def query(self, line: str, timeout: float) -> str:
        self.write(line)
        return self.read(timeout)

    def clear(self) -> None:
        with self._order:
            self._aborted = False
            self._say("! cleared")
        try:
            self._bus.clear()
        except BusError:
            self._happened("! lost")
            raise

    def abort(self) -> None:
        with self._order:
            if not self._aborted:
                self._say(ABORTED)
            self._aborted = True
        self._bus.abort()

    def close(self) -> None:
        self._bus.close()

    def _happened(self, step: str) -> None:
        with self._order:
            self._say(step)

    def _say(self, step: str) -> None:
        if self._aborted:  # also for what came between the abort and its effect: it is not in the dialogue
            raise BusAborted(f"{self.resource}: aborted")
        self._note(self._prefix + step)


class Dialogue:
    """The lines that are still to come. `interrupt` is called where another thread aborted, in its place."""

    def __init__(self, lines: str | Iterable[tuple[str, str]], interrupt: Callable[[], None] | None = None) -> None:
        self._steps = deque(steps(lines) if isinstance(lines, str) else lines)
        self.interrupt = interrupt

    def bus(self, name: str = "") -> ReplayBus:
        """The bus to one of the instruments."""
        return ReplayBus(self, name)

    def take(self, name: str, doing: str) -> str:
        """The next line, which must be of this instrument."""
        if not self._steps:
            raise AssertionError(f"{_named(name, doing)!r} after the end of the dialogue")
        if self._steps[0][0] != name:
            raise AssertionError(f"{_named(name, doing)!r}, but the dialogue goes on with {_named(*self._steps[0])!r}")
        return self._steps.popleft()[1]

    def comes(self, name: str, step: str) -> bool:
        """Whether this is the next line."""
        return bool(self._steps) and self._steps[0] == (name, step)

    def pass_aborts(self) -> None:
        """Lets happen the abort that comes next, if one does."""
        if self._steps and self._steps[0][1] == ABORTED:
            if self.interrupt is None:
                raise AssertionError("the dialogue goes on with an abort, and nobody has said what is to be called")
            self.interrupt()

    def left(self, name: str) -> list[str]:
        return [_named(of, step) for of, step in self._steps if of == name]


class ReplayBus:
    """Plays an instrument's part of a dialogue. What departs from it, or is left of it at `close`, fails.

    dialogue: text, or a Dialogue that several instruments have together. Raises AssertionError.
    """

    def __init__(self, dialogue: str | Dialogue, name: str = "") -> None:
        self.dialogue = Dialogue(dialogue) if isinstance(dialogue, str) else dialogue
        self.resource = name or "REPLAY"
        self.writes = 0
        self.reads = 0
        self._name = name
        self._aborted = False

    def write(self, line: str) -> None:
        expected = self._take(f"> {line}")
        if expected != f"> {line}":
            raise AssertionError(f"sent     > {line}\nexpected {expected}")
        self._lost()
        self.writes += 1

    def read(self, timeout: float) -> str:
        self._lost()
        step = self._take("a read")
        if step == "! silence":
            raise BusTimeout(f"{self.resource}: no answer within {timeout:.3g} s")
        if not step.startswith("<"):
            raise AssertionError(f"read, but the dialogue goes on with {step!r}")
        self.reads += 1
        return step[2:]

    def query(self, line: str, timeout: float) -> str:
        self.write(line)
        return self.read(timeout)

    def clear(self) -> None:
        self._aborted = False
        step = self.dialogue.take(self._name, "! cleared")
        if step != "! cleared":
            raise AssertionError(f"cleared, but the dialogue goes on with {step!r}")
        self._lost()

    def abort(self) -> None:
        if not self._aborted:
            step = self.dialogue.take(self._name, ABORTED)
            if step != ABORTED:
                raise AssertionError(f"aborted, but the dialogue goes on with {step!r}")
        self._aborted = True

    def close(self) -> None:
        left = self.dialogue.left(self._name)
        if left:
            raise AssertionError(
                f"never happened: {'; '.join(left[:3])}{f' and {len(left) - 3} more' * (len(left) > 3)}"
            )

    def _take(self, doing: str) -> str:
        if not self._aborted:
            self.dialogue.pass_aborts()
        if self._aborted:
            raise BusAborted(f"{self.resource}: aborted")
        return self.dialogue.take(self._name, doing)

    def _lost(self) -> None:
        """Breaks the connection where it was lost."""
        if self.dialogue.comes(self._name, "! lost"):
            self.dialogue.take(self._name, "! lost")
            raise BusError(f"{self.resource}: connection lost")


def _named(name: str, step: str) -> str:
    return f"{name} {step}" if name else step
