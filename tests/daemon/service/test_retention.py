"""Retention: readings at given times, with the rig free between them, over restarts and crashes; real processes."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from rheostat import wire

State = wire.JobState
CROSSBAR = str(Path(__file__).parents[3] / "deploy" / "benches" / "xhameni2025-virtual.toml")
FAR = (0.0, 3600.0)


@pytest.fixture
def rheostatd(tmp_path: Path, daemon_process: Any) -> Iterator[Callable[..., Any]]:
    """Starts the command on this test's data folder."""
    started = []

    def start(*arguments: str) -> Any:
        data = tmp_path / "data"
        command = [sys.executable, "-m", "rheostatd", "--data", str(data), "--port", "0", *arguments]
        started.append(daemon_process(command, data))
        return started[-1]

    yield start
    for daemon in started:
        if daemon.process.poll() is None:
            daemon.stop()


def submit(daemon: Any, job_id: str, times: tuple[float, ...], devices: Any = ("A1", "A2"), **fields: Any) -> wire.Job:
    job: wire.Job = daemon.call(wire.Submit(job_id=job_id, spec=wire.Retention(devices=devices, times=times, **fields)))
    assert isinstance(job, wire.Job), job
    return job


def result(daemon: Any, job_id: str) -> wire.Arrays:
    reply = daemon.call(wire.GetResult(job_id=job_id))
    assert isinstance(reply, wire.Result), reply
    arrays: wire.Arrays = daemon.call.arrays
    return arrays


def test_on_virtual_time_a_month_passes_at_once_and_the_devices_drift(rheostatd: Any) -> None:
    daemon = rheostatd("--config", CROSSBAR)
    pulses = {"voltage": np.full(20, 0.9), "width": np.full(20, 2e-7)}
    daemon.call(wire.Submit(job_id="write", spec=wire.Train(devices=("X11",))), pulses)
    assert daemon.call.wait("write").state is State.DONE
    times = (0.0, 1.0, 10.0, 1e2, 1e3, 1e4, 1e5, 2.6e6)
    began = time.monotonic()
    assert submit(daemon, "r", times, ("X11",), readings=16).total == len(times)
    job = daemon.call.wait("r", timeout=30.0)
    assert time.monotonic() - began < 20.0
    assert (job.state, job.done, job.pulses, job.reads, job.due) == (State.DONE, len(times), 0, 16 * len(times), None)
    arrays = result(daemon, "r")
    assert set(arrays) == {"times", "elapsed", "resistance", "error"}
    np.testing.assert_array_equal(arrays["times"], times)
    np.testing.assert_allclose(arrays["elapsed"][0], times, atol=0.05)
    lost = 1.0 - arrays["resistance"][0, 0] / arrays["resistance"][0, -1]
    assert 0.015 < lost < 0.035  # of the conductance, in a month; contacts are made anew for every reading
    assert np.all(arrays["error"] > 0.0)
    names = [event.name for event in daemon.call(wire.ReplayEvents(after=0)).events if event.job_id == "r"]
    assert names.count("job.waiting") == len(times) - 1


def test_on_virtual_time_other_jobs_come_first_and_due_times_in_their_order(rheostatd: Any) -> None:
    daemon = rheostatd()
    daemon.call(wire.Pause())
    submit(daemon, "late", (0.0, 1e6))
    submit(daemon, "soon", (0.0, 1e3))
    daemon.call(wire.Submit(job_id="read", spec=wire.Read(devices=("A1",))))
    daemon.call(wire.Resume())
    jobs = {name: daemon.call.wait(name, timeout=30.0) for name in ("late", "soon", "read")}
    assert {job.state for job in jobs.values()} == {State.DONE}
    assert jobs["read"].finished < jobs["soon"].finished < jobs["late"].finished
    for name, due in (("late", 1e6), ("soon", 1e3)):
        np.testing.assert_allclose(result(daemon, name)["elapsed"][:, 1], due, atol=1.0)


def test_a_job_that_waits_leaves_the_rig_to_others_and_can_be_paused_resumed_and_cancelled(rheostatd: Any) -> None:
    daemon = rheostatd("--real-time")
    submit(daemon, "r", FAR)
    job = daemon.call.wait("r", State.WAITING)
    assert (job.state, job.done) == (State.WAITING, 2)
    assert job.due == pytest.approx(time.time() + 3600.0, abs=30.0)
    assert daemon.call(wire.GetStatus()).state == "idle"
    daemon.call(wire.Submit(job_id="read", spec=wire.Read(devices=("A1",))))
    assert daemon.call.wait("read").state is State.DONE
    assert daemon.call(wire.GetResult(job_id="r")).code == "request.not_ready"
    paused = daemon.call(wire.Pause(job_id="r"))
    assert (paused.state, paused.due) == (State.PAUSED, job.due)
    assert daemon.call(wire.Resume(job_id="r")).state is State.WAITING
    assert daemon.call(wire.ListJobs(states=(State.WAITING,))).jobs[0].job_id == "r"
    cancelled = daemon.call(wire.Cancel(job_id="r"))
    assert (cancelled.state, cancelled.error_code, cancelled.due) == (State.CANCELLED, "job.cancelled", None)
    arrays = result(daemon, "r")
    assert set(arrays) == {"times", "elapsed", "resistance", "error"}
    assert np.isfinite(arrays["resistance"][:, 0]).all()
    assert np.isnan(arrays["resistance"][:, 1]).all()


def test_it_goes_on_when_it_is_due_and_reads_late_what_came_due_while_no_daemon_ran(rheostatd: Any) -> None:
    first = rheostatd("--real-time")
    submit(first, "r", (0.0, 1.0, 3.0), ("A1",))
    assert first.call.wait("r", State.WAITING).done == 1
    job = first.call(wire.GetJob(job_id="r"))
    while job.done < 2:
        time.sleep(0.05)
        job = first.call(wire.GetJob(job_id="r"))
    first.call.wait("r", State.WAITING)
    assert first.stop() == 0
    time.sleep(3.0)
    second = rheostatd("--real-time")
    done = second.call.wait("r", timeout=20.0)
    assert (done.state, done.done, done.reads, done.started) == (State.DONE, 3, 12, job.started)
    elapsed = result(second, "r")["elapsed"][0]
    assert elapsed[0] == 0.0
    assert elapsed[1] == pytest.approx(1.0, abs=0.9)
    assert elapsed[2] > 4.0  # and says so


@pytest.mark.parametrize("killed", ["executor", "service", "stopped"])
def test_a_slice_that_was_cut_off_is_done_again(rheostatd: Any, killed: str) -> None:
    daemon = rheostatd("--real-time")
    submit(daemon, "r", (0.0, 0.5), ("A1",), readings=40)
    daemon.call.wait("r", State.WAITING)
    daemon.call.wait("r", State.RUNNING)  # 40 readings take seconds
    if killed == "executor":
        os.kill(daemon.executor_pid(), signal.SIGKILL)
    elif killed == "service":
        executor = psutil.Process(daemon.executor_pid())
        daemon.process.kill()
        daemon.process.wait()
        executor.wait(20)  # it holds the data folder until it has made the rig safe
    else:
        assert daemon.stop() == 0
    if killed != "executor":
        daemon = rheostatd("--real-time")
    done = daemon.call.wait("r", timeout=40.0)
    assert (done.state, done.done, done.error) == (State.DONE, 2, None)
    arrays = result(daemon, "r")
    assert np.isfinite(arrays["resistance"]).all()
    assert arrays["elapsed"][0, 1] > 0.5


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"times": ()}, "request.bad_parameter"),
        ({"times": (1.0, 2.0)}, "request.bad_parameter"),
        ({"times": (0.0, 2.0, 2.0)}, "request.bad_parameter"),
        ({"times": (0.0, float("inf"))}, "request.bad_parameter"),
        ({"times": (0.0,), "readings": 0}, "request.bad_parameter"),
        ({"times": (0.0,), "devices": ("B9",)}, "request.unknown_device"),
    ],
)
def test_times_that_make_no_sense_are_refused(daemon: Any, fields: dict[str, Any], code: str) -> None:
    spec = wire.Retention(**{"devices": ("A1",), **fields})
    assert daemon.call(wire.Submit(job_id="r", spec=spec)).code == code
