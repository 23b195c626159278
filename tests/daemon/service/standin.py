"""A small scripted executor, for what the real one cannot be made to do on demand: crash now, hang, refuse to start.

It speaks rheostatd.messages over the private socket like the real one. What a job does is written in
<data>/behave.txt: "crash", "hang" (until cancelled), "fail", "slow" (0.5 s); anything else succeeds at once.
STANDIN_FAIL makes it refuse to start. It writes <data>/safe.txt when it leaves by the door.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import zmq

from rheostat import wire
from rheostatd import messages

NAMES = ("A1", "A2", "A3")


class StandIn:
    def __init__(self, endpoint: str) -> None:
        self.socket = zmq.Context.instance().socket(zmq.PAIR)
        self.socket.connect(endpoint)
        self.gone = threading.Event()
        self.job: tuple[messages.Run, wire.Arrays] | None = None
        self.paused = False
        self.due = 0.0

    def send(self, report: messages.Report, arrays: wire.Arrays | None = None) -> None:
        self.socket.send_multipart(messages.pack(report, arrays))

    def live(self) -> int:
        while not self.gone.is_set():
            if self.socket.poll(20):
                command, arrays = messages.unpack_command(self.socket.recv_multipart())
                if isinstance(command, messages.Shutdown):
                    break
                self.handle(command, arrays)
            elif self.job is not None and not self.paused and time.monotonic() > self.due:
                self.finish(wire.JobState.DONE)
        (self.data / "safe.txt").write_text("safe")
        return 0

    def handle(self, command: messages.Command, arrays: wire.Arrays) -> None:
        if isinstance(command, messages.Open):
            self.open(command)
        elif isinstance(command, messages.Run):
            self.run(command, arrays)
        elif isinstance(command, messages.Cancel):
            self.finish(wire.JobState.CANCELLED)
        elif isinstance(command, messages.Pause | messages.Resume):
            self.paused = isinstance(command, messages.Pause)
            name = "job.paused" if self.paused else "job.resumed"
            self.send(messages.Happened(name, command.job_id))
        elif isinstance(command, messages.Dry):
            self.send(messages.Planned(command.number, wire.Plan(total=1, pulses=20, rig_time=16.0, energy=None)))
        elif isinstance(command, messages.FetchTrace):
            self.send(messages.Fetched(command.number, None), {"voltage": np.array([np.nan, 1.5])})
        elif isinstance(command, messages.Recover):
            self.send(messages.Recovered(command.number))

    def open(self, command: messages.Open) -> None:
        if os.environ.get("STANDIN_FAIL"):
            self.send(messages.Failed("bus.unavailable", "nothing answers at GPIB0::17::INSTR"))
            time.sleep(0.1)
            os._exit(1)
        self.data = Path(command.data)
        for job_id in command.unfinished:
            if (self.data / f"{job_id}.begun").exists():
                totals = messages.Progress(job_id, 2, 1, 5, 6, 0.1, 4.0, {"VERIFIED": 1, "INTERRUPTED": 1})
                self.send(
                    messages.Finished(
                        job_id, wire.JobState.INTERRUPTED, {}, (), "job.interrupted", "died", None, totals
                    ),
                    {"achieved": np.array([800.0, np.nan])},
                )
        devices = tuple(
            wire.Device(name=name, kind="tio2x-4t", channels={"T1": "1101"}, window=(740.0, 880.0)) for name in NAMES
        )
        schemes = {"ffp": ("max_step", "min_step"), "incremental": ("start_voltage",)}
        self.send(messages.Ready((), devices, (), "tcp://127.0.0.1:1", schemes=schemes))

    def run(self, command: messages.Run, arrays: wire.Arrays) -> None:
        self.job = (command, arrays)
        mark = self.data / "behave.txt"
        what = mark.read_text() if mark.exists() else ""
        (self.data / f"{command.job_id}.begun").touch()
        self.send(messages.Happened("device.started", command.job_id, {"device": "A1"}))
        if what == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        self.due = time.monotonic() + {"hang": 3600.0, "slow": 0.5}.get(what, 0.0)
        if what == "fail":
            self.send(messages.Latched("bus.timeout", "the analyser does not answer"))
            self.finish(wire.JobState.FAILED, "bus.timeout", "the analyser does not answer")

    def finish(self, state: wire.JobState, code: str | None = None, error: str | None = None) -> None:
        if self.job is None:
            return
        (run, arrays), self.job = self.job, None
        n = len(arrays.get("targets", ()))
        totals = messages.Progress(run.job_id, n, n, 7, 9, 0.5, 5.6, {"VERIFIED": n}, "A1", 801.0)
        self.send(totals)
        found = {**arrays, "achieved": np.full(n, 801.0)}
        self.send(messages.Finished(run.job_id, state, {"scheme": "ffp"}, (), code, error, None, totals), found)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--control", required=True)
    standin = StandIn(parser.parse_args().control)

    def watch() -> None:
        while os.read(0, 4096):
            continue
        standin.gone.set()

    threading.Thread(target=watch, daemon=True).start()
    return standin.live()


if __name__ == "__main__":
    sys.exit(main())
