"""A daemon of its own for a benchmark: on a free port, with a data folder that is thrown away."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import rheostat
from rheostat.local import LocalDaemon

COMPILING = 180.0  # s until ready, when every kernel has to be compiled first


@contextlib.contextmanager
def daemon(variables: Mapping[str, str] | None = None) -> Iterator[rheostat.Rig]:
    """A client of a `rheostatd` on its embedded virtual bench, idle."""
    with (
        tempfile.TemporaryDirectory(prefix="rheostat-bench-") as folder,
        LocalDaemon(Path(folder), variables=variables) as process,
        connected(process) as rig,
    ):
        yield rig


@contextlib.contextmanager
def connected(process: LocalDaemon) -> Iterator[rheostat.Rig]:
    with rheostat.connect(process.ready(COMPILING), wait=10.0) as rig:
        while rig.status().state != "idle":
            time.sleep(0.005)
        yield rig
