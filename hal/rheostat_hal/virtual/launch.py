"""Starts a virtual bench as a process of its own and tells where its instruments are. Light to import."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from rheostat_hal import platform
from rheostat_hal.errors import BusUnavailable

START_TIMEOUT = 60.0  # s: without compiled kernels in the cache the first start takes several seconds
STOP_TIMEOUT = 10.0  # s


@dataclass(slots=True)
class VirtualBench:
    """A running virtual bench: its process, and the VISA resources of its instruments. Also a context manager."""

    process: subprocess.Popen[bytes]
    analyser: str
    switch: str
    wgfmu: str = ""

    @property
    def resources(self) -> dict[str, str]:
        """Where its instruments answer, by their names in the bench."""
        named = {"analyser": self.analyser, "switch": self.switch, "wgfmu": self.wgfmu}
        return {name: resource for name, resource in named.items() if resource}

    def let_pass(self, seconds: float) -> float:
        """Let the bench's time go on (in real time it goes by itself: only 0). Gives what its clock says then, s.

        One at a time, from any thread; waits for the answer. Raises BusUnavailable when the process has ended.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(f"pass {seconds!r}\n".encode())
            self.process.stdin.flush()
            answer = self.process.stdout.readline().decode().split()
        except (OSError, ValueError) as error:
            raise BusUnavailable(f"the virtual bench has ended: {error}") from error
        if len(answer) != 2 or answer[0] != "time":
            raise BusUnavailable(f"the virtual bench does not tell the time: {' '.join(answer) or 'it has ended'}")
        return float(answer[1])

    def close(self) -> None:
        """End it; the die's state is kept first. Harmless when it has ended already."""
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        try:
            self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def __enter__(self) -> VirtualBench:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def launch(
    bench_path: str | Path | None,
    *,
    state: str | Path | None = None,
    real_time: bool = False,
    seed: int | None = None,
    hold: float | None = None,
    faults: str | Path | None = None,
) -> VirtualBench:
    """Start `python -m rheostat_hal.virtual` and wait for its resources. It ends with this process.

    bench_path: None or "" for the embedded bench. state: file that keeps the die over restarts. hold: s that XE data
    wait for a query. faults: file of what is to go wrong (see `rheostat_hal.virtual.faults`). Raises BusUnavailable,
    saying why, when it does not start.
    """
    command = [sys.executable, "-m", "rheostat_hal.virtual", "--until-eof"]
    options = {"--bench": bench_path or None, "--state": state, "--seed": seed, "--hold": hold, "--faults": faults}
    for option, value in options.items():
        if value is not None:
            command += [option, str(value)]
    if real_time:
        command.append("--real-time")
    # Ctrl-C is for the parent, which makes the instruments safe before they go
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **platform.apart())
    try:
        names = _resources(process)
    except BaseException:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        raise
    return VirtualBench(process, **names)


def _resources(process: subprocess.Popen[bytes]) -> dict[str, str]:
    assert process.stdout is not None
    overdue = threading.Event()

    def give_up() -> None:
        overdue.set()
        process.kill()  # whose end is the end of its output

    too_long = threading.Timer(START_TIMEOUT, give_up)
    too_long.start()
    said: list[str] = []
    for line in iter(process.stdout.readline, b""):
        said.append(line.decode("utf-8", "replace").strip())
        if said[-1] == "ready":
            too_long.cancel()
            return dict(each.split(" ", 1) for each in said[:-1])
    too_long.cancel()
    if overdue.is_set():
        raise BusUnavailable(f"the virtual bench says nothing for {START_TIMEOUT:g} s")
    reason = " ".join(said).removeprefix("error ") or f"it ended with status {process.wait()}, see its log"
    raise BusUnavailable(f"the virtual bench does not start: {reason}")
