"""How long until one can work: the daemon ready, the command's help on the screen."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rheostat.local import LocalDaemon
from tests.benchmarks.daemon import connected
from tests.benchmarks.rows import Goal, Row, interleaved, medians

PYTHON = sys.executable
LIBRARIES = "numpy, zmq, numba, pyvisa"


def ready() -> float:
    """s from starting `rheostatd` until it answers that it is idle: instruments opened, identified and safe."""
    with tempfile.TemporaryDirectory(prefix="rheostat-bench-") as folder:
        begin = time.perf_counter()
        with LocalDaemon(Path(folder)) as process, connected(process):
            return time.perf_counter() - begin


def command(*words: str) -> float:
    begin = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def measure(rounds: int = 7) -> list[Row]:
    ready()  # compiles what no earlier run has left in the cache
    imports = [PYTHON, "-c", f"import {LIBRARIES}"]
    first, reference = medians(interleaved(rounds, [ready, lambda: command(*imports)]))
    ours = [str(Path(PYTHON).parent / "rheostat"), "--help"]
    helped, bare = medians(interleaved(3 * rounds, [lambda: command(*ours), lambda: command(PYTHON, "-c", "")]))
    return [
        Row("rheostatd until ready", first, "s", f"python: import {LIBRARIES}", reference, Goal(2, "value")),
        Row("rheostat --help", helped, "s", "python: nothing", bare, Goal(0.3, "value")),
    ]
