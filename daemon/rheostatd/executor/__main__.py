"""`python -m rheostatd.executor --control ENDPOINT`: the process that alone opens the instruments, and dies safe.

The service starts it, with a pipe as its stdin: when that ends, the service is dead, and the executor stops the line
that runs, makes the rig safe and exits. A signal to end does the same.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType

import structlog

from rheostat_hal import platform
from rheostatd.executor.control import Control
from rheostatd.executor.estop import Guard
from rheostatd.log import configure

FAILED = 1
log = structlog.get_logger()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m rheostatd.executor", description=__doc__)
    parser.add_argument("--control", required=True, metavar="ENDPOINT", help="the service's PAIR socket")
    options = parser.parse_args(arguments)
    configure()
    guard = Guard()
    guard.start()
    for number in platform.END_SIGNALS:
        signal.signal(number, _ender(guard))
    threading.Thread(target=_watch_stdin, args=(guard,), name="stdin", daemon=True).start()
    control = Control(options.control)
    control.watch(guard.wake_run)
    try:
        return _live(control, guard)
    finally:
        control.close()
        guard.close()


def _live(control: Control, guard: Guard) -> int:
    # Imported while the service still starts the virtual bench: compiled schemes and drivers take a second.
    from rheostat_hal.errors import HalError
    from rheostatd import messages
    from rheostatd.errors import DaemonError
    from rheostatd.executor.loop import failed, opened, serve

    while (taken := control.take()) is None:
        control.wait(None)
        if guard.ending is not None:
            return 0
    command, _ = taken
    if isinstance(command, messages.Shutdown):
        return 0
    if not isinstance(command, messages.Open):
        log.error("command.unexpected", command=type(command).__name__.lower(), expected="open")
        return FAILED
    try:
        with opened(control, guard, command) as station:
            serve(station, command.unfinished)
    except (HalError, DaemonError) as error:
        failed(control, error)
        return FAILED
    return 0


def _ender(guard: Guard) -> Callable[[int, FrameType | None], None]:
    def end(number: int, frame: FrameType | None) -> None:
        guard.end(f"signal {signal.Signals(number).name}")

    return end


def _watch_stdin(guard: Guard) -> None:
    try:
        while os.read(0, 4096):  # not sys.stdin: its lock would still be held when the interpreter ends
            pass
    except OSError as error:  # no stdin at all counts as its end
        log.warning("stdin.closed", error=str(error))
    guard.end("its pipe to the service was closed")


if __name__ == "__main__":
    sys.exit(main())
