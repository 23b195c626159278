"""A calibration that takes its trains from an earlier job: what it brings along, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rheostat import wire
from rheostat.wire import JobState, Outcome
from rheostat_hal import bench
from rheostatd.errors import BadParameter, NotReady, UnknownDevice, UnknownJob
from rheostatd.journal.jobs import Ended, JobJournal
from rheostatd.service import trains

SPEC = wire.IdenticalPulses(devices=("A1", "A2"), voltages=(1.0, 2.0, 4.0), pulses=12, repetitions=2, width=0.8)
DONE = JobState.DONE


class Journal:
    """A job journal with one job in it."""

    def __init__(
        self, folder: Path, spec: wire.Spec = SPEC, state: JobState = DONE, told: Any = (), **changes: Any
    ) -> None:
        self.journal = JobJournal(folder)
        kind = str(spec.__struct_config__.tag)
        job = wire.Job(job_id="pulses", kind=kind, state=state)
        self.journal.add(job, spec, {}, b"")
        resistance = np.linspace(860.0, 760.0, 13) + np.zeros((2, 2, 3, 2, 13))
        resistance[1] += 1.0
        arrays = {
            "voltages": np.array(SPEC.voltages),
            "resistance": resistance,
            "stroke": np.full((2, 2, 3, 2), 30.0),
            "energy": np.zeros((2, 2, 3, 2)),
            "outcome": np.full((2, 2, 3, 2), Outcome.VERIFIED, np.uint8),
            **changes,
        }
        if state.final:
            self.journal.finish(job, Ended(("A1", "A2"), dict(told), self.journal.arrays.write_all(arrays)))

    def find(self, job_id: str) -> wire.Job:
        job = self.journal.find(job_id)
        if job is None:
            raise UnknownJob(job_id)
        return job

    def resolve(self, device: str = "A2", of: str = "pulses") -> tuple[wire.Calibrate, wire.Arrays]:
        spec = wire.Calibrate(device=device, trains=of, others=("A3",))
        return trains.resolve(spec, self.find, self.journal, bench.load())


def test_the_trains_of_one_device_go_along_with_their_voltages_and_width(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    spec, arrays = journal.resolve()
    assert (spec.voltages, spec.width, spec.max_train, spec.trains) == ((1.0, 2.0, 4.0), 0.8, 12, "pulses")
    assert spec.others == ("A3",)
    assert set(arrays) == trains.ARRAYS
    assert arrays["train_resistance"].shape == (2, 3, 2, 13)
    assert np.all(arrays["train_resistance"][..., 0] == 861.0)


def test_a_train_that_is_not_complete_is_left_out(tmp_path: Path) -> None:
    outcome = np.full((2, 2, 3, 2), Outcome.VERIFIED, np.uint8)
    outcome[1, 0, 2] = Outcome.LIMIT
    _, arrays = Journal(tmp_path, outcome=outcome).resolve()
    assert np.isnan(arrays["train_resistance"][0, 2]).all()
    assert np.isfinite(arrays["train_resistance"][0, :2]).all()


def test_an_unknown_job_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownJob):
        Journal(tmp_path).resolve(of="puls")


def test_a_job_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="of the kind read; it takes one of identical_pulses"):
        Journal(tmp_path, wire.Read(devices=("A1", "A2"))).resolve()


def test_a_device_that_was_not_measured_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownDevice, match="did not measure 'A7'"):
        Journal(tmp_path).resolve("A7")


def test_a_job_that_still_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="is running"):
        Journal(tmp_path, state=JobState.RUNNING).resolve()


@pytest.mark.parametrize(("side", "direction"), [(0, "potentiation"), (1, "depression")])
def test_a_direction_without_complete_trains_is_refused(tmp_path: Path, side: int, direction: str) -> None:
    outcome = np.full((2, 2, 3, 2), Outcome.VERIFIED, np.uint8)
    outcome[1, side, 1:] = Outcome.CANCELLED
    with pytest.raises(BadParameter, match=f"complete trains of A2 in {direction} at 1 voltages"):
        Journal(tmp_path, outcome=outcome).resolve()


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ({"windows_ohm": {"tio2x-4t": [740.0, 870.0]}}, "tio2x-4t was"),
        ({"windows_ohm": {"hfs2-2t": [255.0, 400.0]}}, "hfs2-2t was"),
        ({"seed": 7}, "seed was 7, now it is 2025"),
        ({"bench": "another"}, "bench was another"),
    ],
)
def test_trains_of_another_bench_are_refused(tmp_path: Path, told: Any, name: str) -> None:
    with pytest.raises(BadParameter, match=f"on another bench.*{name}"):
        Journal(tmp_path, told=told).resolve()


def test_a_daemon_refuses_trains_that_do_not_exist_before_anything_runs(daemon: Any) -> None:
    daemon.call(wire.Submit(job_id="r", spec=wire.Read(devices=("A1",))))
    daemon.call.wait("r")
    for of, code in (("nothing", "request.unknown_job"), ("r", "request.bad_parameter")):
        refused = daemon.call(wire.Submit(job_id="c", spec=wire.Calibrate(device="A1", trains=of)))
        assert refused.code == code
    assert daemon.call(wire.GetJob(job_id="c")).code == "request.unknown_job"


def test_a_client_cannot_bring_trains_of_its_own(daemon: Any) -> None:
    arrays = {"train_voltages": np.array([1.0, 2.0])}
    for spec in (wire.Calibrate(device="A1"), wire.Calibrate(device="A1", trains="x")):
        assert daemon.call(wire.Submit(job_id="c", spec=spec), arrays).code == "request.bad_targets"
