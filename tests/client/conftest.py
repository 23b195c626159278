"""A daemon's front without a daemon: real sockets speaking `rheostat.wire`, for what a real daemon does not do on
demand: die, keep silent, answer late or wrongly. What a daemon does is tested on the real one (tests/system)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
import zmq

from rheostat import wire
from tests.client.synthetic import arrays_of, reply_of

WINDOW = (740.0, 880.0)
NAMES = tuple(f"{card}{place}" for card in "ABCDEF" for place in "1234")


class StandIn:
    """Answers requests in a thread. `silent`: requests still to be swallowed; `seen`: what came, in order.

    Jobs end after `takes` s: each target is achieved 0.01 ohm too high, the last one of several is not verified; or
    they failed before they did anything, with the words of `fails`. `due`: meanwhile they wait for that moment.
    """

    def __init__(self, port: int = 0, takes: float = 0.0, fails: str | None = None, due: float | None = None) -> None:
        self.silent = 0
        self.fails = fails
        self.takes = takes
        self.due = due
        self.seen: list[wire.Request] = []
        self.garbage = False
        self.pid = 4242
        self.rng = np.random.default_rng(2025)
        self.tables: tuple[wire.TableInfo, ...] = ()
        self.jobs: dict[str, tuple[wire.Submit, wire.Arrays, float]] = {}
        self.cancelled: set[str] = set()
        self.events: list[wire.Event] = []
        self.kept_from = 0  # events before this number are gone
        self._context = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.setsockopt(zmq.LINGER, 0)
        self.port = self._router.bind_to_random_port("tcp://127.0.0.1") if port == 0 else port
        if port:
            self._router.bind(f"tcp://127.0.0.1:{port}")
        self.address = f"tcp://127.0.0.1:{self.port}"
        self._pub = self._context.socket(zmq.PUB)
        self._pub.setsockopt(zmq.LINGER, 0)
        self._pub_port = self._pub.bind_to_random_port("tcp://127.0.0.1")
        self._stop = threading.Event()
        self._waiting: list[tuple[bytes, int, str, float]] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)
        self._router.close(0)
        self._pub.close(0)
        self._context.term()

    def publish(self, name: str, job_id: str | None, *, lost: bool = False, **data: Any) -> None:
        """`lost`: only kept, not sent, as if the subscriber had missed it."""
        event = wire.Event(sequence=len(self.events) + 1, time=time.time(), name=name, job_id=job_id, data=data)
        self.events.append(event)
        if not lost:
            self._pub.send_multipart([name.encode(), wire.pack_event(event)])

    def _serve(self) -> None:
        while not self._stop.is_set():
            if self._router.poll(5):
                identity, *frames = self._router.recv_multipart()
                header = wire.unpack_header(frames[0])
                request = wire.unpack_request(header)
                self.seen.append(request)
                if self.silent > 0:
                    self.silent -= 1
                    continue
                if self.garbage:
                    self._router.send_multipart([identity, b"not msgpack at all"])
                    continue
                if isinstance(request, wire.Wait) and not self._job(request.job_id).state.final:
                    end = time.monotonic() + request.timeout
                    self._waiting.append((identity, header.number, request.job_id, end))
                    continue
                reply, arrays = self._answer(request, wire.unpack_arrays(header, frames[1:]))
                self._router.send_multipart([identity, *wire.pack(reply, header.number, arrays)])
            for wait in list(self._waiting):
                identity, number, job_id, end = wait
                job = self._job(job_id)
                if job.state.final or time.monotonic() > end:
                    self._waiting.remove(wait)
                    self._router.send_multipart([identity, *wire.pack(job, number)])

    def _answer(self, request: wire.Request, arrays: wire.Arrays) -> tuple[Any, wire.Arrays]:
        match request:
            case wire.GetStatus():
                return self._status(), {}
            case wire.ListDevices():
                listed = (wire.Device(name=n, kind="tio2x-4t", channels={"T1": "1101"}, window=WINDOW) for n in NAMES)
                return wire.DeviceList(devices=tuple(listed)), {}
            case wire.Submit(dry_run=True) | wire.Again(dry_run=True):
                total = len(arrays.get("targets", ())) or 7
                return wire.Plan(total=total, pulses=10, rig_time=8.0, energy=0.1, risks=()), {}
            case wire.Again(job_id=job_id, of=of) if of in self.jobs:
                earlier, given, _ = self.jobs[of]
                again = wire.Submit(job_id=job_id, spec=earlier.spec)
                self.jobs.setdefault(job_id, (again, given, time.monotonic()))
                return self._job(job_id), {}
            case wire.ListTables():
                return wire.TableList(tables=self.tables), {}
            case wire.Submit(job_id=job_id):
                self.jobs.setdefault(job_id, (request, arrays, time.monotonic()))
                return self._job(job_id), {}
            case wire.ListJobs():
                return wire.JobList(jobs=tuple(self._job(job_id) for job_id in self.jobs)), {}
            case wire.GetJob(job_id=job_id) | wire.GetResult(job_id=job_id) | wire.Wait(job_id=job_id) if (
                job_id not in self.jobs
            ):
                return wire.Failure(code="request.unknown_job", message=f"no job {job_id!r}"), {}
            case wire.GetJob(job_id=job_id) | wire.Wait(job_id=job_id):
                return self._job(job_id), {}
            case wire.GetResult(job_id=job_id):
                return self._result(job_id)
            case wire.ReplayEvents(after=after):
                kept = tuple(e for e in self.events if e.sequence > max(after, self.kept_from))
                return wire.Events(events=kept, complete=after >= self.kept_from), {}
            case wire.Cancel(job_id=job_id):
                self.cancelled.add(job_id)
                return self._job(job_id), {}
            case wire.EmergencyStop():
                return wire.Failure(code="rig.unsafe", message="0 V could not be confirmed on T2"), {}
        return wire.Ok(), {}

    def _status(self) -> wire.Status:
        return wire.Status(
            version="0.1.0",
            bench="stand-in",
            virtual=True,
            state="idle",
            latch=None,
            running=None,
            queued=0,
            sequence=len(self.events),
            uptime=1.0,
            pid=self.pid,
            executor_pid=None,
            data="/nowhere",
            events=f"tcp://127.0.0.1:{self._pub_port}",
            estop=self.address,
        )

    def _job(self, job_id: str) -> wire.Job:
        submit, arrays, since = self.jobs[job_id]
        meanwhile = wire.JobState.RUNNING if self.due is None else wire.JobState.WAITING
        state = meanwhile if time.monotonic() - since < self.takes else wire.JobState.DONE
        if job_id in self.cancelled:
            state = wire.JobState.CANCELLED
        if self.fails and state.final:
            return wire.Job(job_id=job_id, kind="program", state=wire.JobState.FAILED, total=1, error=self.fails)
        total = len(arrays.get("targets", submit.spec.devices if hasattr(submit.spec, "devices") else ()))
        kind = str(msgspec.to_builtins(submit.spec)["op"])
        done = total if state.final else 0
        outcomes = {"verified": done - (done > 1), **({"not_converged": 1} if done > 1 else {})}
        if kind != "program":
            outcomes = {{"train": "applied", "check_table": "fits"}.get(kind, "verified"): done}
        due = self.due if state is wire.JobState.WAITING else None
        return wire.Job(job_id=job_id, kind=kind, state=state, total=total, done=done, outcomes=outcomes, due=due)

    def _result(self, job_id: str) -> tuple[Any, wire.Arrays]:
        submit, given, _ = self.jobs[job_id]
        if self.fails:
            return wire.Result(job=self._job(job_id), devices=("A1",), provenance={}), {}
        if not isinstance(submit.spec, wire.Program):
            told = reply_of(submit.spec)
            return msgspec.structs.replace(told, job=self._job(job_id)), arrays_of(submit.spec, self.rng)
        n = len(given["targets"])
        outcome = np.full(n, wire.Outcome.VERIFIED, dtype=np.uint8)
        if n > 1:
            outcome[-1] = wire.Outcome.NOT_CONVERGED
        arrays = {
            **given,
            "achieved": given["targets"] + 0.01,
            "uncertainty": np.full(n, 0.005),
            "outcome": outcome,
            "pulses": np.arange(n, dtype=np.int32),
            "reads": np.full(n, 4, dtype=np.int32),
            "energy": np.full(n, 0.19),
            "rig_time": np.full(n, 1.5),
            "wall_time": np.full(n, 0.01),
        }
        return wire.Result(job=self._job(job_id), devices=submit.spec.devices, provenance={"seed": 2025}), arrays


@pytest.fixture
def stand_in() -> Iterator[Callable[..., StandIn]]:
    started: list[StandIn] = []

    def start(**options: Any) -> StandIn:
        started.append(StandIn(**options))
        return started[-1]

    yield start
    for one in started:
        if one._thread.is_alive():
            one.close()
