"""Jobs made again: the spec and the arrays of an earlier one, or only what it has not finished."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from rheostat import wire
from rheostatd import messages
from rheostatd.journal.jobs import JobJournal
from rheostatd.service.again import earlier

State, Outcome = wire.JobState, wire.Outcome
TRAINS = wire.IdenticalPulses(devices=("A1",), voltages=(1.0, 3.0, 5.0), pulses=60, repetitions=3)


# ---- what the service makes of it ----------------------------------------------------------------------------------


def test_a_job_is_made_again_with_its_spec_and_arrays_under_a_new_id(daemon: Any, program: Any) -> None:
    submit, arrays = program("one", targets=(801.0, 799.0), shape=(2, 1))
    daemon.call(submit, arrays)
    daemon.call.wait("one")
    again = wire.Again(job_id="two", of="one", priority=3, label="once more")
    job = daemon.call(again)
    assert (job.job_id, job.kind, job.total, job.priority, job.label) == ("two", "program", 2, 3, "once more")
    assert daemon.call.wait("two").state is State.DONE
    assert daemon.call(again).state is State.DONE  # sent again: the same answer, and nothing runs twice
    daemon.call(wire.GetResult(job_id="two"))
    np.testing.assert_array_equal(daemon.call.arrays["targets"], arrays["targets"])
    assert len(daemon.call(wire.ListJobs()).jobs) == 2


def test_other_content_under_an_id_that_was_used_is_refused(daemon: Any, program: Any) -> None:
    call = daemon.call
    for job_id in ("one", "two"):
        call(*program(job_id))
        call.wait(job_id)
    call(wire.Again(job_id="again", of="one"))
    assert call(wire.Again(job_id="again", of="two")).code == "request.conflict"
    assert call(wire.Again(job_id="again", of="one", unfinished=True)).code == "request.conflict"
    assert call(wire.Again(job_id="again", of="one", label="x")).code == "request.conflict"
    assert call(*program("again")).code == "request.conflict"
    assert call(wire.Again(job_id="one", of="one")).code == "request.conflict"


def test_a_dry_run_is_a_plan_and_leaves_no_job(daemon: Any, program: Any) -> None:
    daemon.call(*program("one"))
    daemon.call.wait("one")
    assert isinstance(daemon.call(wire.Again(job_id="two", of="one", dry_run=True)), wire.Plan)
    assert daemon.call(wire.GetJob(job_id="two")).code == "request.unknown_job"


def test_what_cannot_be_made_again_is_said(daemon: Any, program: Any) -> None:
    call = daemon.call
    call(*program("one"))
    call.wait("one")
    failure = call(wire.Again(job_id="x", of="noe"))
    assert (failure.code, "did you mean 'one'?" in failure.message) == ("request.unknown_job", True)
    failure = call(wire.Again(job_id="x", of="one", unfinished=True))
    assert (failure.code, "job one is a program" in failure.message) == ("request.invalid", True)
    call(wire.Submit(job_id="trains", spec=TRAINS))
    call.wait("trains")
    failure = call(wire.Again(job_id="x", of="trains", unfinished=True))
    assert (failure.code, failure.message) == ("request.invalid", "job trains is done: nothing of it is unfinished")
    daemon.behave("hang")
    call(wire.Submit(job_id="runs", spec=TRAINS))
    call.wait("runs", State.RUNNING)
    for unfinished in (False, True):
        failure = call(wire.Again(job_id="x", of="runs", unfinished=unfinished))
        assert (failure.code, "job runs is running" in failure.message) == ("request.not_ready", True)
    assert call(wire.Again(job_id="x y", of="one")).code == "request.invalid"
    assert call(wire.GetJob(job_id="x")).code == "request.unknown_job"


def test_jobs_of_a_journal_from_before_can_be_made_again(tmp_path: Path) -> None:
    journal = JobJournal(tmp_path)
    job = wire.Job(job_id="old", kind="identical_pulses", state=State.INTERRUPTED)
    journal.add(job, TRAINS, {}, b"digest")
    journal.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "jobs.db")) as connection:  # as it was written then
        connection.execute("alter table jobs drop column origin")
        connection.execute("pragma user_version = 1")
    journal = JobJournal(tmp_path)
    submit, arrays, origin = earlier(wire.Again(job_id="new", of="old", unfinished=True, label="x"), journal)
    journal.close()
    assert submit == wire.Submit(job_id="new", spec=TRAINS, label="x")
    assert (arrays, origin) == ({}, messages.Origin(continues=("old",)))


# ---- through every layer -------------------------------------------------------------------------------------------


@pytest.fixture
def rheostatd(tmp_path: Any, daemon_process: Any) -> Iterator[Callable[..., Any]]:
    """Starts the command on this test's data folder."""
    started = []

    def start(*arguments: str, folder: str = "data") -> Any:
        data = tmp_path / folder
        command = [sys.executable, "-m", "rheostatd", "--data", str(data), "--port", "0", *arguments]
        started.append(daemon_process(command, data))
        return started[-1]

    yield start
    for daemon in started:
        if daemon.process.poll() is None:
            daemon.stop()


def in_the_middle(daemon: Any, job_id: str, least: int) -> wire.Job:
    end = time.monotonic() + 60.0
    while (job := daemon.call(wire.GetJob(job_id=job_id))).done < least:
        assert not job.state.final, job
        assert time.monotonic() < end, job
        time.sleep(0.01)
    return job


def result(daemon: Any, job_id: str) -> tuple[wire.Result, wire.Arrays]:
    found = daemon.call(wire.GetResult(job_id=job_id))
    return found, daemon.call.arrays


@pytest.mark.timeout(240)
def test_what_a_killed_daemon_left_unfinished_is_done_by_the_next_one(rheostatd: Any) -> None:
    """Twice over: the daemon, then only its executor; three jobs share the stages of one measurement."""
    first = rheostatd()
    first.call(wire.Submit(job_id="one", spec=TRAINS, label="trains"))
    in_the_middle(first, "one", 3)
    children = psutil.Process(first.process.pid).children()
    first.process.kill()
    first.process.wait()
    psutil.wait_procs(children, timeout=20)

    second = rheostatd()
    one = second.call.wait("one", timeout=60.0)
    assert (one.state, one.total) == (State.INTERRUPTED, 18)
    assert 3 <= one.done < 18
    _, before = result(second, "one")
    complete = before["outcome"] == Outcome.VERIFIED
    assert complete.sum() == one.done
    broken = int((before["outcome"] == Outcome.INTERRUPTED).sum())
    assert broken <= 1
    plan = second.call(wire.Again(job_id="two", of="one", unfinished=True, dry_run=True))
    whole = second.call(wire.Again(job_id="two", of="one", dry_run=True))
    assert plan.total == 18 - one.done
    assert 0 < plan.pulses < whole.pulses
    assert 0.0 < plan.energy < whole.energy
    assert second.call(wire.Again(job_id="two", of="one", unfinished=True)).total == 18
    in_the_middle(second, "two", one.done + 2)
    os.kill(second.executor_pid(), signal.SIGKILL)
    two = second.call.wait("two", timeout=60.0)
    assert two.state is State.INTERRUPTED
    assert one.done + 2 <= two.done < 18

    second.call(wire.Again(job_id="three", of="two", unfinished=True))
    three = second.call.wait("three", timeout=120.0)
    assert (three.state, three.done, three.outcomes) == (State.DONE, 18, {"verified": 18})
    told, after = result(second, "three")
    assert told.provenance["continues"] == ["two", "one"]
    assert "repeats" not in told.provenance
    assert (after["outcome"] == Outcome.VERIFIED).all()
    assert np.isfinite(after["resistance"]).all()
    _, middle = result(second, "two")
    for name in ("resistance", "stroke", "energy"):
        np.testing.assert_array_equal(after[name][complete], before[name][complete])
        done = middle["outcome"] == Outcome.VERIFIED
        np.testing.assert_array_equal(after[name][done], middle[name][done])
    assert one.pulses + two.pulses + three.pulses > 18 * 60
    assert three.pulses < 18 * 60 + 18 * 70 - one.pulses  # its own only
    failure = second.call(wire.Again(job_id="four", of="three", unfinished=True))
    assert "is done" in failure.message


@pytest.mark.timeout(240)
def test_an_open_table_is_repeated_with_the_one_that_was_used(rheostatd: Any) -> None:
    daemon = rheostatd()
    for number in (1, 2):  # the second table is newer than the job that is repeated
        spec = wire.Calibrate(device="A1", voltages=(1.0, 2.0, 4.0, 7.0), max_train=40)
        daemon.call(wire.Submit(job_id=f"calibration-{number}", spec=spec))
        assert daemon.call.wait(f"calibration-{number}", timeout=120.0).state is State.DONE
        if number == 1:
            daemon.call(wire.Submit(job_id="one", spec=wire.Staircase(devices=("A1",), cycles=1)))
            assert daemon.call.wait("one", timeout=60.0).state is State.DONE
    used = result(daemon, "one")[0].provenance["table"]
    newest = daemon.call(wire.ListTables()).tables[0].version
    assert used != newest
    daemon.call(wire.Again(job_id="two", of="one"))
    assert daemon.call.wait("two", timeout=60.0).state is State.DONE
    told = result(daemon, "two")[0].provenance
    assert (told["table"], told["spec"]["table"], told["repeats"]) == (used, used, "one")


@pytest.mark.timeout(240)
def test_a_job_made_again_on_a_fresh_bench_of_the_same_seed_is_the_same_to_the_bit(
    rheostatd: Any, tmp_path: Any
) -> None:
    """The die's own file is removed: the bench begins as it did for the first job."""
    first = rheostatd()
    spec = wire.IvLoops(devices=("A1", "B2"), voltages=(0.0, 3.0, 0.0, -3.0), loops=2, dwell=4.0)
    first.call(wire.Submit(job_id="one", spec=spec))
    assert first.call.wait("one", timeout=60.0).state is State.DONE
    _, before = result(first, "one")
    first.stop()
    (tmp_path / "data" / "die.state").unlink()
    second = rheostatd()
    second.call(wire.Again(job_id="two", of="one"))
    assert second.call.wait("two", timeout=60.0).state is State.DONE
    told, after = result(second, "two")
    assert told.provenance["repeats"] == "one"
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array)


@pytest.mark.timeout(240)
def test_trains_become_a_table_that_fits_and_programs_devices_and_can_be_made_again(rheostatd: Any) -> None:
    """From trains up to 6 V only: the device is left at HRS, and the check that follows has to use up that stroke."""
    daemon, devices = rheostatd(), ("A1", "A2", "B1")
    spec = wire.IdenticalPulses(devices=devices[:2], voltages=(0.5, 1.0, 2.0, 4.0, 6.0), repetitions=2, width=0.8)
    daemon.call(wire.Submit(job_id="trains", spec=spec))
    assert daemon.call.wait("trains", timeout=120.0).state is State.DONE
    calibrate = wire.Calibrate(device="A1", trains="trains", others=devices[1:])
    for request in (wire.Submit(job_id="one", spec=calibrate), wire.Again(job_id="two", of="one")):
        daemon.call(request)
        job = daemon.call.wait(request.job_id, timeout=60.0)
        assert (job.state, job.done) == (State.DONE, 3), job
        assert job.pulses <= 2 * calibrate.gain_pulses
    tables = daemon.call(wire.ListTables()).tables
    assert [set(table.gains) for table in tables] == [set(devices)] * 2
    assert all(0.8 < gain < 1.25 for table in tables for gains in table.gains.values() for gain in gains)
    daemon.call(wire.Submit(job_id="check", spec=wire.CheckTable(devices=devices)))
    assert daemon.call.wait("check", timeout=60.0).outcomes == {"fits": 3}
    targets = {"targets": np.linspace(750.0, 870.0, 9), "device": np.arange(9, dtype=np.int32) % 3}
    program = wire.Program(devices=devices, tolerance=0.137, order="sweep")
    daemon.call(wire.Submit(job_id="program", spec=program), targets)
    assert daemon.call.wait("program", timeout=60.0).outcomes == {"verified": 9}
