"""A daemon of one's own for a characterisation, on a bench file or on a profile's standard virtual bench."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import rheostat
from rheostat.errors import InputError
from rheostat.local import LocalDaemon

PLACES = ("deploy/benches", "benches", ".")  # below the source tree and the working folder


def of(file: str | None, standard: str | None) -> Path | None:
    """The bench file to start a daemon on; None: use the running one. Raises InputError."""
    if file is not None and standard is not None:
        raise InputError("--bench and --virtual: one of them")
    if file is not None:
        if not Path(file).is_file():
            raise InputError(f"there is no bench file {file}")
        return Path(file)
    if standard is None:
        return None
    if not standard:
        raise InputError("this profile names no virtual bench: name a bench file with --bench")
    source = Path(rheostat.__file__).resolve().parents[2]
    looked = [root / place / standard for root in (source, Path.cwd()) for place in PLACES]
    for path in looked:
        if path.is_file():
            return path
    raise InputError(f"there is no {standard} in {source / PLACES[0]} nor here: name it with --bench")


@contextmanager
def daemon(data: Path, file: Path, say: Callable[[str], None]) -> Iterator[str]:
    """The address of a daemon of our own, which is stopped in the end; its journal stays in `data`."""
    data.mkdir(parents=True, exist_ok=True)
    started = LocalDaemon(data, file)
    try:
        yield started.ready(120.0)
    finally:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C does not keep it from ending safely
        try:
            safe = started.stop()
        finally:
            signal.signal(signal.SIGINT, before)
        if not safe:
            say(f"rheostatd did not confirm a safe end. The end of its log:\n{started.tail()}")
