"""The measuring jobs through the whole stack: sent, shown, saved, repeated, finished by another job."""

from __future__ import annotations

import numpy as np
import pytest

import rheostat
from rheostat import errors, export, wire
from rheostat.local import LocalDaemon

VOLTAGES = [0.3, 0.5, 0.8, 1.5, 3.0, 6.0]


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with LocalDaemon(tmp_path_factory.mktemp("data")) as daemon, rheostat.connect(daemon.ready(timeout=180.0)) as rig:
        yield rig


@pytest.fixture(scope="module")
def trains(rig):
    return rig.identical_pulses("A1", VOLTAGES, pulses=100, repetitions=2, width=0.8).result()


@pytest.fixture(scope="module")
def table(rig):
    rig.calibrate("A1", others=["B2"], wait=True)
    return rig.table()


def test_loops_come_out_as_planned_and_again_from_a_file(rig, tmp_path) -> None:
    asked = {"loops": 2, "dwell": 4.0, "width": 1.0}
    planned = rig.plans.iv_loops("A1", **asked)
    ours = rig.iv_loops("A1", **asked).result()
    assert (planned.total, ours.job.total) == (2, 2)
    assert planned.pulses == ours.job.pulses == 2 * 22 * 4
    assert planned.rig_time == pytest.approx(ours.job.rig_time, rel=0.1)
    assert ours.whole.all()
    assert np.isfinite(ours.current).all()
    again = rig.repeat(export.load(export.save(ours, tmp_path / "loops.h5"))).result()
    assert again.provenance["spec"] == ours.provenance["spec"]
    assert again.voltage.tolist() == ours.voltage.tolist()


def test_trains_start_at_the_ends_of_the_window(trains) -> None:
    assert trains.whole.all()
    assert trains.resistance[0, 0, ..., 0] == pytest.approx(880.0, abs=1.5)
    assert trains.resistance[0, 1, ..., 0] == pytest.approx(740.0, abs=1.5)
    assert (trains.range[0, :, -1] > trains.range[0, :, 0]).all()


def test_a_table_is_fitted_to_trains_that_are_there_already(rig, trains) -> None:
    ours = rig.calibrate("A1", trains=trains).result()
    assert ours.job.pulses == 0
    assert ours.voltages[0] == VOLTAGES[0]
    assert ours.voltages[-1] == VOLTAGES[-1]
    assert np.isfinite(ours.potentiation_error).all()
    assert (ours.potentiation >= 0).all()


def test_sweeps_go_through_the_window_and_repeat_with_the_same_table(rig, table, tmp_path) -> None:
    ours = rig.staircase(["A1", "B2"], cycles=2).result()
    assert ours.whole.all()
    assert ours.provenance["table"] == table.info.version
    for device in ours.devices:
        assert (ours.finals(device, 1) < 740.5).all()
        assert (ours.finals(device, -1) > 879.5).all()
        assert [sweep.resistances[0] for sweep in ours.sweeps(device, 1)] == pytest.approx([880.0] * 2, abs=2.0)
    saved = export.load(export.save(ours, tmp_path / "sweeps.npz"))
    again = rig.repeat(saved).result()
    assert again.provenance["spec"]["table"] == table.info.version
    assert rig.repeat("last", wait=True).result().provenance["spec"]["table"] == table.info.version


def test_what_a_cancelled_job_left_is_done_by_another(rig) -> None:
    job = rig.identical_pulses("A1", VOLTAGES, pulses=100, repetitions=3)
    for event in job.follow():
        if event.data.get("done", 0) >= 2:
            job.cancel()
            break
    ended = job.wait(30.0)
    assert ended.state is wire.JobState.CANCELLED
    before = job.result(partial=True)
    planned = rig.plans.repeat(job, unfinished=True)
    assert planned.total < before.whole.size
    after = rig.repeat(job, unfinished=True).result()
    assert after.whole.all()
    assert np.array_equal(after.resistance[before.whole], before.resistance[before.whole])
    with pytest.raises(errors.RequestRefused, match="nothing of it is unfinished"):
        rig.repeat(after, unfinished=True)


def test_a_table_fits_the_device_that_it_was_measured_on(rig, table) -> None:
    ours = rig.check_table(["A1", "B2"]).result()
    assert ours.table == table.info.version
    assert ours.checked.all()
    assert ours.fits.all(), ours.headline()
    assert ours.job.pulses <= 2 * 24


def test_other_jobs_run_while_one_waits(rig) -> None:
    job = rig.retention(["A1", "B2"], [60.0, 3600.0])
    assert rig.read("C3").result().readings.shape == (1, 1)
    ours = job.result()
    assert ours.read.all()
    assert ours.elapsed == pytest.approx(np.array([[0.0, 60.0, 3600.0]] * 2), abs=5.0)
    assert ours.job.due is None
