"""`python -m rheostat_hal.virtual`: the virtual bench as a process of its own.

Prints where each of its instruments answers, one a line, then `ready`, and serves until a signal to end or, with
--until-eof, the end of its standard input. There a line `pass SECONDS` lets the bench's time go on by so much (0: not
at all); the answer is `time SECONDS`, what the bench's clock then says. When it cannot start it prints one line
`error ...` and exits with 2. Logs go to stderr.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import structlog

from rheostat_hal import bench, platform
from rheostat_hal.errors import HalError
from rheostat_hal.virtual import faults
from rheostat_hal.virtual.flex.server import HOLD
from rheostat_hal.virtual.parts import VirtualInstruments


def main(arguments: list[str] | None = None) -> int:
    given = _arguments(arguments)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    stop = threading.Event()
    for number in platform.END_SIGNALS:
        signal.signal(number, lambda *_: stop.set())
    try:
        chosen = bench.load(given.bench)
        instruments = VirtualInstruments(
            chosen,
            seed=given.seed,
            real_time=given.real_time or (chosen.virtual is not None and chosen.virtual.real_time),
            state=given.state,
            modules=given.modules.split(",") if given.modules else None,
            flex_port=given.flex_port,
            tsp_port=given.tsp_port,
            wgfmu_port=given.wgfmu_port,
            hold=given.hold,
            faults=faults.load(given.faults, chosen) if given.faults else (),
        )
    except (HalError, OSError) as error:
        print(f"error {' '.join(str(error).split())}", flush=True)
        return 2
    try:
        for name, resource in instruments.resources.items():
            print(name, resource)
        print("ready", flush=True)
    except BrokenPipeError:
        stop.set()  # who started it is gone
    if given.until_eof:
        threading.Thread(target=_watch_stdin, args=(stop, instruments), name="stdin", daemon=True).start()
    while not stop.wait(3600.0):
        pass
    instruments.close()
    return 0


def _watch_stdin(stop: threading.Event, instruments: VirtualInstruments) -> None:
    """Not through sys.stdin: a thread inside its buffer at exit is fatal to the interpreter."""
    rest = b""
    while data := os.read(0, 4096):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            print(_answer(line.decode("utf-8", "replace").split(), instruments), flush=True)
    stop.set()


def _answer(words: list[str], instruments: VirtualInstruments) -> str:
    match words:
        case ["pass", given]:
            try:
                seconds = float(given)
            except ValueError:
                seconds = math.nan
            if 0.0 <= seconds < math.inf:
                return f"time {instruments.world.let_pass(seconds)!r}"
    return f"error {' '.join(words)!r} is not understood: pass SECONDS"


def _arguments(arguments: list[str] | None) -> Any:
    parser = argparse.ArgumentParser(
        prog="python -m rheostat_hal.virtual",
        description="Serve a virtual B1500A and 3706A, wired to a die of memristors, on loopback sockets.",
        epilog="example: python -m rheostat_hal.virtual --flex-port 5555 --tsp-port 5025 --real-time",
    )
    parser.add_argument("--bench", type=Path, help="bench.toml; default: the embedded bench of 24 devices")
    parser.add_argument("--flex-port", type=int, default=0, help="port of the B1500A (default: any free one)")
    parser.add_argument("--tsp-port", type=int, default=0, help="port of the 3706A (default: any free one)")
    parser.add_argument("--wgfmu-port", type=int, default=0, help="port of the B1530As (default: any free one)")
    parser.add_argument("--real-time", action="store_true", help="waits and pulses take the time they say")
    parser.add_argument("--seed", type=int, help="of the die and all noise; default: the bench file's")
    parser.add_argument("--state", type=Path, help="keep the die's state in this file over restarts")
    parser.add_argument(
        "--modules", help="models in slots 1.., 0 for none, for example B1517A,B1517A,B1530A (default: what is wired)"
    )
    parser.add_argument(
        "--hold", type=float, default=HOLD, help="s that XE data wait for a query to pass (default: %(default)s)"
    )
    parser.add_argument(
        "--faults", type=Path, metavar="FILE", help="what is to go wrong, and when (see virtual/faults.py)"
    )
    parser.add_argument("--until-eof", action="store_true", help="end when standard input does")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    # not sys.exit: daemon threads inside C code must not meet a finalised interpreter
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
