"""`rheostatd --record FILE`: what is said between the daemon and its instruments, written down as it happens.

The form is that of `rheostat_hal.bus_replay`, which plays it back. Every start of the executor adds a header and goes
on in the same file.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog

from rheostat import __version__
from rheostat_hal.bench import Bench
from rheostat_hal.values import InstrumentIdentity
from rheostatd.errors import ConfigError

log = structlog.get_logger()


def claim(path: Path) -> None:
    """Makes the file, empty. Raises ConfigError when it cannot be written, or holds something already."""
    try:
        with path.open("ab") as file:
            taken = file.tell() > 0
    except OSError as error:
        raise ConfigError(f"--record: {path} cannot be written: {error.strerror or error}") from error
    if taken:
        raise ConfigError(f"--record: {path} exists and is left as it is: name another file")


class Recording:
    """Takes the lines of a dialogue, from any thread; each is in the file when the call returns.

    A disk that is full ends the recording, and nothing else: whoever speaks with an instrument may be making it safe.
    """

    def __init__(self, path: Path, bench: Bench, clock: Callable[[], float] = time.time) -> None:
        """Raises ConfigError. `clock`: s since 1970, for the times in comments."""
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._stamped = 0
        try:
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise ConfigError(f"--record: {path} cannot be written: {error.strerror or error}") from error
        self._failed = False
        self.comment(f"dialogue of rheostat {__version__} with the bench {bench.name}")
        self.comment(f"analyser: {bench.analyser.resource}")
        self.comment(f"switch: {bench.switch.resource}")

    def __call__(self, line: str) -> None:
        with self._lock:
            now = int(self._clock())
            if now != self._stamped:
                self._stamped = now
                self._write(f"# {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(now))} UTC")
            self._write(line)

    def comment(self, text: str) -> None:
        with self._lock:
            self._write(f"# {text}")

    def identified(self, identities: Iterable[InstrumentIdentity]) -> None:
        """Who answered."""
        for one in identities:
            modules = "; ".join(f"slot {slot} {model}" for slot, model in one.modules)
            self.comment(
                f"{one.name}: {one.vendor} {one.model}, serial {one.serial}, firmware {one.firmware}; {modules}"
            )

    def close(self) -> None:
        with self._lock:
            self._failed = True  # nothing comes after this
            self._file.close()

    def _write(self, line: str) -> None:
        if self._failed:
            return
        try:
            self._file.write(f"{line}\n".encode())
        except OSError as error:
            self._failed = True
            log.error("recording.failed", file=str(self._path), reason=error.strerror, note="it ends before this line")
