"""Golden dialogues: the files beside this one, joined into sessions, and performed on instruments."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from pathlib import Path

from rheostat_hal.bus import Bus
from rheostat_hal.bus_replay import steps
from rheostat_hal.errors import BusTimeout

HERE = Path(__file__).parent
NEAR = 0.25  # two measurements of the same agree within a quarter,
ZERO = {"V": 5e-3, "I": 1e-6}  # or are both as good as nothing
_DATUM = re.compile(r"([NTCVXFGS][A-J])([VI])([+-]\d+\.\d+E[+-]\d+)", re.ASCII)
_SERIAL = re.compile(r"([^,;\t]+,[^,;\t]*[A-Za-z][^,;\t]*),[^,;\t]+,[^,;\t]+", re.ASCII)  # then serial number, firmware


def text(*names: str) -> str:
    """Golden dialogues one after another."""
    return "\n".join((HERE / f"{name}.txt").read_text() for name in names)


def part(name: str, instrument: str) -> str:
    """What one instrument has to do with a golden dialogue, without its name."""
    return "".join(f"{step}\n" for of, step in steps(text(name)) if of == instrument)


def perform(dialogue: str, buses: Mapping[str, Bus], *, patience: float = 5.0, silence: float = 0.1) -> None:
    """Says to instruments what the dialogue says, and compares what they answer. Nothing may be left at the end.

    The replies to one line may come in another order: they come from two buffers. Raises AssertionError.
    """
    for (name, is_reply), group in itertools.groupby(steps(dialogue), lambda step: (step[0], step[1][0] == "<")):
        bus, lines = buses[name], [step for _, step in group]
        if is_reply:
            answered(bus, [line[2:] for line in lines], patience)
            continue
        for step in lines:
            if step.startswith(">"):
                bus.write(step[2:])
            elif step == "! silence":
                is_silent(bus, silence)
            elif step == "! cleared":
                bus.clear()
            else:
                assert step == "! aborted", step
                bus.abort()
    for bus in buses.values():
        is_silent(bus, silence)


def answered(bus: Bus, expected: list[str], patience: float) -> None:
    left = list(expected)
    while left:
        got = bus.read(patience)
        match = next((reply for reply in left if agree(reply, got)), None)
        assert match is not None, f"{bus.resource} answers {got!r} in place of one of {left}"
        left.remove(match)


def is_silent(bus: Bus, seconds: float) -> None:
    try:
        got = bus.read(seconds)
    except BusTimeout:
        return
    raise AssertionError(f"{bus.resource} says {got!r} where the dialogue is silent")


def agree(expected: str, got: str) -> bool:
    """Whether two replies say the same: of measurements status, channel and kind, and about the value; of identities
    and cards maker and model; of everything else every character."""
    ours, theirs = expected.split(","), got.split(",")
    if all(map(_DATUM.fullmatch, ours)):
        return len(ours) == len(theirs) and all(map(_same_datum, ours, theirs))
    return _SERIAL.sub(r"\1", expected) == _SERIAL.sub(r"\1", got)


def _same_datum(expected: str, got: str) -> bool:
    ours, theirs = _DATUM.fullmatch(expected), _DATUM.fullmatch(got)
    if ours is None or theirs is None or ours[1] != theirs[1] or ours[2] != theirs[2]:
        return False
    return math.isclose(float(ours[3]), float(theirs[3]), rel_tol=NEAR, abs_tol=ZERO[ours[2]])
