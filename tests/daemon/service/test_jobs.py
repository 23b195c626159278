"""Jobs from request to result, over real sockets, with a scripted executor."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import zmq

from rheostat import wire

State = wire.JobState


def test_a_program_job_is_journalled_run_and_answered_with_its_arrays(daemon: Any, program: Any) -> None:
    job = daemon.call(*program("one"))
    assert (job.state, job.kind, job.total) == (State.QUEUED, "program", 2)
    done = daemon.call.wait("one")
    assert (done.state, done.done, done.pulses, done.outcomes) == (State.DONE, 2, 7, {"VERIFIED": 2})
    result = daemon.call(wire.GetResult(job_id="one"))
    assert result.devices == ("A1", "A2")
    assert result.provenance == {"scheme": "ffp"}
    np.testing.assert_array_equal(daemon.call.arrays["targets"], [800.0, 790.0])
    np.testing.assert_array_equal(daemon.call.arrays["achieved"], [801.0, 801.0])
    assert daemon.call(wire.GetJob(job_id="one")) == done
    (state,) = sqlite3.connect(daemon.data / "jobs.db").execute("select state from jobs").fetchone()
    assert state == "done"


def test_the_same_job_sent_again_gets_the_same_answer_and_runs_once(daemon: Any, program: Any) -> None:
    daemon.call(*program("one"))
    done = daemon.call.wait("one")
    assert daemon.call(*program("one")) == done
    assert len(daemon.call(wire.ListJobs()).jobs) == 1


@pytest.mark.parametrize(
    "other", [{"targets": (800.0, 791.0)}, {"priority": 1}, {"tolerance": 0.2}, {"devices": ("A1", "A3")}]
)
def test_another_job_under_the_same_id_is_a_conflict(daemon: Any, program: Any, other: dict[str, Any]) -> None:
    daemon.call(*program("one"))
    refused = daemon.call(*program("one", **other))
    assert isinstance(refused, wire.Failure)
    assert refused.code == "request.conflict"
    assert "'one'" in refused.message
    assert len(daemon.call(wire.ListJobs()).jobs) == 1


def test_jobs_run_by_priority_and_then_in_order_of_arrival(daemon: Any, program: Any) -> None:
    daemon.call(wire.Pause())
    assert daemon.call(wire.GetStatus()).state == "paused"
    for name, priority in (("low", -1), ("first", 0), ("second", 0), ("urgent", 5)):
        daemon.call(*program(name, priority=priority))
    assert daemon.call(wire.GetStatus()).queued == 4
    daemon.call(wire.Resume())
    jobs = [daemon.call.wait(name) for name in ("low", "first", "second", "urgent")]
    assert [job.job_id for job in sorted(jobs, key=lambda job: job.started)] == ["urgent", "first", "second", "low"]


def test_a_waiting_job_can_be_paused_resumed_and_cancelled(daemon: Any, program: Any) -> None:
    daemon.behave("hang")
    daemon.call(*program("runs"))
    daemon.call(*program("waits"))
    assert daemon.call(wire.Pause(job_id="waits")).state is State.PAUSED
    assert daemon.call(wire.Resume(job_id="waits")).state is State.QUEUED
    cancelled = daemon.call(wire.Cancel(job_id="waits"))
    assert (cancelled.state, cancelled.error_code) == (State.CANCELLED, "job.cancelled")
    refused = daemon.call(wire.GetResult(job_id="waits"))
    assert (refused.code, "before it did anything" in refused.message) == ("request.not_ready", True)
    assert daemon.call(wire.GetJob(job_id="runs")).state is State.RUNNING


def test_the_running_job_pauses_goes_on_and_is_cancelled(daemon: Any, program: Any) -> None:
    daemon.behave("hang")
    daemon.call(*program("one"))
    daemon.call(wire.Pause(job_id="one"))
    assert daemon.call.wait("one", State.PAUSED).state is State.PAUSED
    assert daemon.call(wire.GetStatus()).state == "paused"
    daemon.call(wire.Resume(job_id="one"))
    assert daemon.call.wait("one", State.RUNNING).state is State.RUNNING
    refused = daemon.call(wire.GetResult(job_id="one"))
    assert refused.code == "request.not_ready"
    daemon.call(wire.Cancel(job_id="one"))
    assert daemon.call.wait("one").state is State.CANCELLED
    assert isinstance(daemon.call(wire.GetResult(job_id="one")), wire.Result)
    assert daemon.call(wire.Cancel(job_id="one")).state is State.CANCELLED


def test_a_wait_is_answered_when_the_state_comes_and_meanwhile_others_are(daemon: Any, program: Any) -> None:
    daemon.behave("slow")
    daemon.call(*program("one"))
    waiting = daemon.call.send(wire.Wait(job_id="one", timeout=10.0))
    assert isinstance(daemon.call(wire.GetStatus()), wire.Status)
    number, job, _ = daemon.call.receive()
    assert (number, job.state) == (waiting, State.DONE)


def test_a_wait_ends_at_its_timeout_with_the_job_as_it_is(daemon: Any, program: Any) -> None:
    daemon.behave("hang")
    daemon.call(*program("one"))
    began = time.monotonic()
    assert daemon.call.wait("one", timeout=0.2).state is State.RUNNING
    assert 0.15 < time.monotonic() - began < 5.0


def test_a_failed_job_latches_the_rig_until_it_is_recovered(daemon: Any, program: Any) -> None:
    daemon.behave("fail")
    daemon.call(*program("one"))
    failed = daemon.call.wait("one")
    assert (failed.state, failed.error_code) == (State.FAILED, "bus.timeout")
    status = daemon.call(wire.GetStatus())
    assert (status.state, status.latch) == ("latched", "bus.timeout: the analyser does not answer")
    refused = daemon.call(*program("two"))
    assert (refused.code, "does not answer" in refused.message) == ("rig.latched", True)
    assert daemon.call(wire.Recover()) == wire.Ok()
    daemon.behave("")
    daemon.call(*program("two"))
    assert daemon.call.wait("two").state is State.DONE


def test_a_latch_is_kept_over_a_restart_of_the_daemon(serve: Callable[..., Any], program: Any) -> None:
    first = serve()
    first.behave("fail")
    first.call(*program("one"))
    first.call.wait("one")
    first.stop()
    second = serve()
    assert second.call(wire.GetStatus()).state == "latched"


def test_traces_and_dry_runs_are_answered_by_the_executor(daemon: Any, program: Any) -> None:
    submit, arrays = program("one")
    plan = daemon.call(wire.Submit(job_id="one", spec=submit.spec, dry_run=True), arrays)
    assert (plan.pulses, plan.rig_time) == (20, 16.0)
    assert daemon.call(wire.GetJob(job_id="one")).code == "request.unknown_job"
    daemon.call(submit, arrays)
    daemon.call.wait("one")
    assert daemon.call(wire.GetTrace(job_id="one", device="A1")) == wire.Trace(job_id="one", device="A1")
    np.testing.assert_array_equal(daemon.call.arrays["voltage"], [np.nan, 1.5])


def test_events_are_numbered_published_and_can_be_replayed(daemon: Any, program: Any) -> None:
    listener = zmq.Context.instance().socket(zmq.SUB)
    listener.connect(daemon.call(wire.GetStatus()).events)
    listener.subscribe(b"")
    assert not listener.poll(100)
    before = daemon.call(wire.GetStatus()).sequence
    daemon.call(*program("one"))
    daemon.call.wait("one")
    after = daemon.call(wire.GetStatus()).sequence
    heard = []
    while not heard or heard[-1].sequence < after:
        assert listener.poll(5000), "an event did not come"
        topic, packed = listener.recv_multipart()
        heard.append(wire.unpack_event(packed))
        assert topic.decode() == heard[-1].name
    listener.close()
    assert [event.sequence for event in heard] == list(range(before + 1, after + 1))
    names = [event.name for event in heard]
    assert names == ["job.queued", "job.started", "device.started", "job.progress", "job.finished"]
    assert heard[-1].data["outcomes"] == {"VERIFIED": 2}
    replayed = daemon.call(wire.ReplayEvents(after=before))
    assert replayed.complete
    assert replayed.events == tuple(heard)


def test_a_replay_says_when_events_are_gone(serve: Callable[..., Any], program: Any) -> None:
    daemon = serve("--event-ring", "3")
    daemon.call(*program("one"))
    daemon.call.wait("one")
    replayed = daemon.call(wire.ReplayEvents(after=0))
    assert (len(replayed.events), replayed.complete) == (3, False)
    last = replayed.events[-1].sequence
    assert daemon.call(wire.ReplayEvents(after=last)) == wire.Events(events=(), complete=True)


def test_a_full_queue_refuses_more(serve: Callable[..., Any], program: Any) -> None:
    daemon = serve("--queue-limit", "2")
    daemon.call(wire.Pause())
    daemon.call(*program("one"))
    daemon.call(*program("two"))
    assert daemon.call(*program("three")).code == "queue.full"
