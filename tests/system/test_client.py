"""The client against `rheostatd` on its virtual bench: nothing replaced, every byte over real sockets."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import rheostat
from rheostat import errors, export
from rheostat.client import Rig
from rheostat.local import DAEMON_FILE, LocalDaemon
from rheostat.wire import JobState, Outcome

pytestmark = pytest.mark.timeout(180)

LONG = np.array([750.0, 870.0] * 300)  # to and fro through the window: minutes of work


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDaemon]:
    with LocalDaemon(tmp_path_factory.mktemp("rig")) as running:
        running.ready()
        yield running


@pytest.fixture(scope="module")
def calibrated(daemon: LocalDaemon) -> Iterator[Rig]:
    """A rig with a feedforward table of A1 and the gains of A2 and A3."""
    with rheostat.connect(daemon.ready()) as rig:
        options = {"voltages": [0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 7.0], "max_train": 60}
        planned = rig.plan_calibration("A1", ["A2", "A3"], **options)
        result = rig.calibrate("A1", ["A2", "A3"], **options).result(60)
        assert 0 < result.job.rig_time <= planned.rig_time
        assert result.potentiation.shape == (len(result.voltages), len(result.resistances))
        table = rig.table()
        assert np.array_equal(table.potentiation, result.potentiation)
        assert set(table.info.gains) == {"A1", "A2", "A3"}
        yield rig


@pytest.fixture
def rig(calibrated: Rig) -> Iterator[Rig]:
    """The same, with nothing left over from the test before."""
    yield calibrated
    for job in calibrated.jobs(states=("queued", "running", "paused")):
        calibrated.job(job.job_id).cancel()
        calibrated.job(job.job_id).wait(30)
    calibrated.resume()


def test_targets_are_verified_by_the_readings_in_the_journal_and_keep_their_shape(rig: Rig) -> None:
    targets = np.array([[800.0, 790.5, 801.5], [799.0, 791.5, 800.5]])
    job = rig.program(targets, ["A1", "A2", "A3"], order="sweep", traces=["A2"], label="shapes")
    result = job.result(60)
    assert result.verified.all(), result
    assert result.targets.tolist() == targets.tolist()
    assert result.device.tolist() == [["A1", "A2", "A3"]] * 2
    assert np.abs(result.error).max() <= result.provenance["tolerance_ohm"] == pytest.approx(140 / 511 / 2)
    for name in ("achieved", "uncertainty", "pulses", "reads", "energy", "rig_time", "wall_time"):
        assert getattr(result, name).shape == (2, 3), name
    trace = job.trace("A2")
    assert np.array_equal(trace.voltage, result.traces["A2"].voltage, equal_nan=True)
    assert np.isfinite(trace.voltage).sum() == result.pulses[:, 1].sum()
    assert set(trace.target.tolist()) == {-1, 1, 4}  # -1: the reading that decides where the sweep begins
    last = trace.resistance[trace.target == 1][-1]
    assert abs(last - 790.5) < 0.3
    assert rig.status().instruments[0].model == "B1500A"


def test_whoever_fetches_a_result_gets_the_same_shape(rig: Rig, daemon: LocalDaemon) -> None:
    ours = rig.program([[800.0], [801.0]], "A1", traces=["A1"]).result(60)
    with rheostat.connect(daemon.ready()) as other:
        theirs = other.job(ours.job.job_id).result()
    assert np.array_equal(theirs.achieved, ours.achieved)
    assert theirs.shape == (2, 1)
    assert list(theirs.traces) == ["A1"]


def test_a_torch_tensor_and_siemens_are_taken(rig: Rig) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: tensors are not tested")
    result = rig.program(torch.full((1, 2), 1250.0, requires_grad=True), ["A1", "A2"], unit="uS").result(60)
    assert result.targets.tolist() == [[800.0, 800.0]]
    assert result.achieved_in("uS") == pytest.approx(np.full((1, 2), 1250.0), rel=3e-4)


def test_weights_come_back_as_weights(rig: Rig) -> None:
    weights = np.array([[-0.2, 0.1], [0.0, 0.15]])
    mapping = rheostat.Mapping(weight_range=1.0)
    result = rig.program(weights, ["A1", "A2"], mapping=mapping, order="sweep").result(60)
    assert result.verified.all()
    assert np.abs(result.weights - weights).max() < 2 / 511


def test_events_come_once_each_in_order_and_end_with_the_job(rig: Rig) -> None:
    job = rig.program([803.0, 797.0], ["A1", "A2"])
    events = list(job.follow())
    assert next(event.name for event in events if event.name.startswith("job.")) == "job.queued"
    assert events[-1].name == "job.finished"
    assert all(a.sequence < b.sequence for a, b in itertools.pairwise(events))
    assert sum(event.data["pulses"] for event in events if event.name == "pulses.applied") == job.progress().pulses
    assert [event.name for event in job.follow(after=events[0].sequence - 1)] == [event.name for event in events]


def test_the_same_job_sent_twice_runs_once_and_another_under_its_id_is_refused(rig: Rig) -> None:
    first = rig.read("A1", 2, job_id="twice")
    again = rig.read("A1", 2, job_id="twice")
    assert np.array_equal(first.result(30).readings, again.result(30).readings)
    with pytest.raises(errors.Conflict, match="'twice'"):
        rig.read("A2", 2, job_id="twice")
    assert [job.job_id for job in rig.jobs(1000)].count("twice") == 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"targets": [800.0], "devices": "A9"}, errors.UnknownDevice, "A9"),
        ({"targets": [900.0], "devices": "A1"}, errors.BadTargets, "740 to 880"),
        ({"targets": [0.8], "devices": "A1", "unit": "S"}, errors.BadTargets, "1.25 ohm"),
        ({"targets": [800.0, float("nan")], "devices": "A1"}, errors.InputError, r"targets\[1\] is nan"),
        ({"targets": [float("inf")], "devices": "A1"}, errors.InputError, r"targets\[0\] is inf"),
        ({"targets": [800.0], "devices": ["A1", "A2"]}, errors.InputError, "2 devices named for 1 target"),
        ({"targets": [0.8], "devices": "A1", "unit": "kohmm"}, errors.UnitError, "did you mean kohm"),
        ({"targets": [800.0], "devices": "A1", "scheme": "fpp"}, errors.UnknownScheme, "did you mean 'ffp'"),
        ({"targets": [800.0], "devices": "A1", "parameters": {"x": 1.0}}, errors.BadParameter, "possible: "),
        ({"targets": [800.0], "devices": "A1", "table": "old"}, errors.UnknownTable, "old"),
    ],
)
def test_what_is_refused_says_what_is_possible_and_leaves_no_job(
    rig: Rig, arguments: dict[str, object], error: type[Exception], message: str
) -> None:
    before = rig.jobs(1000)
    with pytest.raises(error, match=message):
        rig.program(**arguments)  # type: ignore[arg-type]
    assert rig.jobs(1000) == before


def test_a_running_job_pauses_goes_on_and_is_cancelled_with_what_it_has(rig: Rig) -> None:
    job = rig.program(LONG, "A1")
    events = job.follow()
    next(event for event in events if event.name == "pulses.applied")
    job.pause()
    next(event for event in events if event.name == "job.paused")
    assert job.progress().state is JobState.PAUSED
    assert rig.read("A2").progress().state is not JobState.DONE or job.progress().pulses == job.progress().pulses
    job.resume()
    next(event for event in events if event.name == "pulses.applied")
    with pytest.raises(errors.WaitTimeout):
        job.wait(0.05)
    job.cancel()
    assert job.wait(30).state is JobState.CANCELLED
    with pytest.raises(errors.JobCancelled):
        job.result()
    partial = job.result(partial=True)
    assert partial.shape == LONG.shape
    assert partial.outcome[-1] == Outcome.CANCELLED
    assert partial.pulses.sum() > 0


def test_a_job_of_higher_priority_goes_first(rig: Rig) -> None:
    rig.pause()
    low = rig.read("A1", priority=0)
    high = rig.read("A1", priority=5)
    rig.resume()
    assert high.wait(30).started < low.wait(30).started


def test_an_emergency_stop_needs_no_queue_and_latches_until_recovered(rig: Rig) -> None:
    job = rig.program(LONG, "A1")
    next(event for event in job.follow() if event.name == "pulses.applied")
    rig.estop("a test")
    assert job.wait(30).state is JobState.FAILED
    assert rig.status().state == "latched"
    with pytest.raises(errors.RigLatched, match="a test"):
        rig.read("A1")
    rig.recover()
    assert rig.read("A1").result(30).resistance[0] == pytest.approx(810, abs=75)


def test_initialise_reaches_the_end_of_the_window(rig: Rig) -> None:
    result = rig.initialise("B1", "LRS").result(60)
    assert result.verified.all()
    assert abs(result.achieved[0] - 740) < 5


def test_exported_results_are_the_results(rig: Rig, tmp_path: Path) -> None:
    result = rig.program([[802.0, 798.0]], ["A1", "A2"], traces=["A1"]).result(60)
    for name in ("run.h5", "run.npz"):
        loaded = export.load(export.save(result, tmp_path / name))
        assert loaded.provenance == json.loads(json.dumps(result.provenance))
        for field, array in result.arrays.items():
            np.testing.assert_array_equal(loaded.arrays[field], array)
        np.testing.assert_array_equal(loaded.traces["A1"].resistance, result.traces["A1"].resistance)


def test_many_threads_and_tasks_work_on_one_daemon(rig: Rig, daemon: LocalDaemon) -> None:
    read: list[float] = []
    threads = [
        threading.Thread(target=lambda: read.append(float(rig.read("A1", 3).result(60).resistance[0])))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()

    async def main() -> list[float]:
        async with await rheostat.aio.connect(daemon.ready()) as twin:
            jobs = [await twin.read("A1", 3) for _ in range(4)]
            events = [event.name async for event in jobs[-1].follow()]
            assert events[-1] == "job.finished"
            return [float((await job.result(60)).resistance[0]) for job in jobs]

    read += asyncio.run(main())
    for thread in threads:
        thread.join(60)
    assert len(read) == 8
    assert max(read) - min(read) < 2.5  # the same device: contacts of eight closures scatter by 0.32 ohm rms


def test_the_command_does_the_same(rig: Rig, daemon: LocalDaemon, tmp_path: Path) -> None:
    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "rheostat", "--address", daemon.ready(), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
            check=False,
        )

    said = command("program", "801", "799", "--devices", "A1,A2", "--out", "run.h5")
    assert said.returncode == 0, said.stderr
    assert "2 verified" in said.stdout
    assert export.load(tmp_path / "run.h5").verified.all()
    missed = command("program", "760", "--devices", "A1", "--max-pulses", "2", "--wait")
    assert missed.returncode == 1
    assert "1 not converged" in missed.stdout
    said = command("program", "800", "--devices", "A1", "--dry-run", "--json")
    assert json.loads(said.stdout)["total"] == 1
    for arguments in (["status"], ["devices"], ["tables"], ["jobs", "--state", "done"], ["read", "A1", "A2"]):
        plain, machine = command(*arguments), command(*arguments, "--json")
        assert (plain.returncode, machine.returncode) == (0, 0), plain.stderr + machine.stderr
        assert json.loads(machine.stdout)
    said = command("watch", "--json", rig.read("A1").id)
    assert json.loads(said.stdout.splitlines()[-1])["name"] == "job.finished"
    assert command("estop", "from", "the", "shell").returncode == 0
    assert command("read", "A1").returncode == 1
    assert command("recover").returncode == 0
    assert command("read", "A1").returncode == 0


def test_a_daemon_that_dies_is_told_and_a_new_one_knows_the_job(tmp_path: Path) -> None:
    with LocalDaemon(tmp_path) as first:
        rig = rheostat.connect(first.ready(), reconnect=0.5)
        job = rig.read("A1", 10_000)
        next(event for event in job.follow() if event.name == "job.started")
        os.kill(json.loads((tmp_path / DAEMON_FILE).read_text())["pid"], signal.SIGKILL)
        with pytest.raises(errors.DaemonUnavailable, match=f"waiting for job {job.id}"):
            job.result()
        rig.close()
    with _after_a_death(tmp_path) as second, rheostat.connect(second.ready()) as rig:
        found = rig.job(job.id)
        with pytest.raises(errors.JobInterrupted):
            found.result(30)
        assert rig.read("A1").result(30).resistance.size == 1


def _after_a_death(data: Path) -> LocalDaemon:
    """A daemon on the data folder of a dead one, whose executor may still be making the rig safe."""
    for _ in range(40):
        daemon = LocalDaemon(data)
        try:
            daemon.ready()
        except errors.DaemonUnavailable as refused:
            daemon.stop()
            if "makes the rig safe" not in str(refused):
                raise
            time.sleep(0.25)
        else:
            return daemon
    raise AssertionError("the executor of the dead daemon never ended")
