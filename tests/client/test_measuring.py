"""The measuring jobs as they are sent, planned and repeated; what they do is the daemon's."""

from __future__ import annotations

import time

import msgspec
import numpy as np
import pytest

import rheostat
from rheostat import errors, export, specs, wire
from tests.client.synthetic import SPECS, result_of

KINDS = [kind for kind in SPECS if kind != "calibrate"]


def _sent(daemon) -> wire.Spec:
    (submitted, _, _) = list(daemon.jobs.values())[-1]
    return submitted.spec


def test_a_loop_goes_up_down_and_back_in_equal_steps() -> None:
    assert specs.loop(6.0, 3).tolist() == [0, 2, 4, 6, 4, 2, 0, -2, -4, -6, -4, -2]


def test_loops_are_sent_with_their_voltages(stand_in) -> None:
    daemon = stand_in()
    with rheostat.connect(daemon.address) as rig:
        result = rig.iv_loops("A1", loops=2, dwell=4.0).result()
        assert _sent(daemon) == wire.IvLoops(devices=("A1",), voltages=tuple(specs.loop()), loops=2, dwell=4.0)
        assert max(_sent(daemon).voltages) == 6.0
        rig.iv_loops(["A1"], voltages=[0.0, 1.0, -1.0], width=0.5)
        assert _sent(daemon) == wire.IvLoops(devices=("A1",), voltages=(0.0, 1.0, -1.0), width=0.5)
    assert result.resistance.shape == (1, 2, 24)


def test_identical_pulses_are_those_of_the_paper_unless_others_are_asked_for(stand_in) -> None:
    daemon = stand_in()
    with rheostat.connect(daemon.address) as rig:
        rig.identical_pulses("A1")
        assert _sent(daemon) == wire.IdenticalPulses(devices=("A1",))
        result = rig.identical_pulses(["A1", "B2"], [2, 0.5], 10, 3, width=0.8, wait=True).result()
    assert result.voltages.tolist() == [0.5, 2.0]
    assert result.resistance.shape == (2, 2, 2, 3, 11)
    assert len(result.trains("B2")) == 12


def test_the_first_reading_of_a_retention_need_not_be_named(stand_in) -> None:
    daemon = stand_in()
    with rheostat.connect(daemon.address) as rig:
        rig.retention("A1", [60, 3600])
        without = _sent(daemon)
        rig.retention("A1", [0, 60, 3600])
    assert without == _sent(daemon) == wire.Retention(devices=("A1",), times=(0.0, 60.0, 3600.0))


def test_without_names_all_devices_are_measured(stand_in) -> None:
    daemon = stand_in()
    with rheostat.connect(daemon.address) as rig:
        rig.staircase(cycles=1, table="t-1")
        assert len(_sent(daemon).devices) == 24
        rig.check_table()
    assert len(_sent(daemon).devices) == 24


@pytest.mark.parametrize(
    ("kind", "arguments", "options", "message"),
    [
        ("iv_loops", ["A1", 6.0], {"voltages": [1.0]}, "either its voltages or an amplitude and steps"),
        ("iv_loops", ["A1"], {"voltages": [0.0, 0.0]}, "a loop of 0 V alone writes nothing"),
        ("iv_loops", ["A1"], {"voltages": [[1.0, 2.0]]}, "voltages of shape .* flat list"),
        ("iv_loops", ["A1", -6.0], {}, "amplitude must be a positive number"),
        ("iv_loops", ["A1"], {"steps": 0}, "steps must be a whole number"),
        ("iv_loops", ["A1"], {"loops": float("nan")}, "loops must be a whole number"),
        ("iv_loops", ["A1"], {"dwell": "long"}, "dwell must be a positive number"),
        ("iv_loops", [["A1", "A1"]], {}, "device 'A1' is named twice"),
        ("identical_pulses", ["A1", [1.0, -1.0]], {}, "voltages must be positive, got -1"),
        ("identical_pulses", ["A1", [1.0, 1.0]], {}, "voltages: 1 stands there twice"),
        ("identical_pulses", ["A1", []], {}, "voltages: none given"),
        ("identical_pulses", ["A1"], {"repetitions": 1.5}, "repetitions must be a whole number"),
        ("staircase", ["A1"], {"cycles": True}, "cycles must be a whole number"),
        ("retention", ["A1", [60.0, 60.0]], {}, "times must be positive and rise"),
        ("retention", ["A1", [-60.0]], {}, "times must be positive and rise"),
        ("retention", ["A1", [0.0, np.inf]], {}, "times must be finite"),
        ("check_table", ["A1"], {"pulses": 1}, "one in either direction at the least"),
        ("calibrate", ["A1"], {"trains": "j", "width": 0.5}, "width: with trains of an earlier job"),
        ("calibrate", ["A1"], {"trains": 7}, "named by its id, its Job or its Result, not by int"),
        ("repeat", [None], {}, "named by its id, its Job or its Result, not by NoneType"),
    ],
)
def test_what_cannot_be_is_refused_before_it_is_sent(stand_in, kind, arguments, options, message) -> None:
    daemon = stand_in()
    with rheostat.connect(daemon.address) as rig, pytest.raises(errors.InputError, match=message):
        getattr(rig, kind)(*arguments, **options)
    assert not any(isinstance(request, wire.Submit | wire.Again) for request in daemon.seen)


def test_every_kind_of_job_has_a_plan_and_nothing_is_done(stand_in) -> None:
    daemon = stand_in()
    asked = {
        "program": ([800.0] * 7, "A1"),
        "initialise": ("A1", "HRS"),
        "train": ("A1", [1.0], 0.1),
        "retention": ("A1", [60.0]),
        "calibrate": ("A1",),
    }
    with rheostat.connect(daemon.address) as rig:
        names = {name for name in dir(rig.plans) if not name.startswith("_")}
        for name in names - {"repeat"}:
            assert getattr(rig.plans, name)(*asked.get(name, ("A1",))).total == 7, name
        assert rig.plan([800.0] * 7, "A1") == rig.plan_calibration("A1")
        assert rig.jobs() == ()
        job = rig.staircase("A1")
        assert rig.plans.repeat(job, label="once more").total == 7
        assert len(rig.jobs()) == 1
    dry = [request for request in daemon.seen if isinstance(request, wire.Submit | wire.Again) and request.dry_run]
    assert len(dry) == len(names) + 2
    assert {request.spec.__class__.__name__.lower() for request in dry if isinstance(request, wire.Submit)} == {
        name.replace("_", "") for name in names - {"repeat"}
    }


def test_a_calibration_takes_the_trains_of_an_earlier_job(stand_in) -> None:
    daemon = stand_in()
    with rheostat.connect(daemon.address) as rig:
        job = rig.identical_pulses("A1")
        for trains in (job, job.id, job.id[:12], "last", job.result()):
            planned = rig.plans.calibrate("A1", trains=trains)
            assert planned.total == 7
            assert daemon.seen[-1].spec.trains == job.id
        other = rig.staircase("A1")
        with pytest.raises(errors.InputError, match=f"trains: job {other.id} is a staircase job, not identical_pulses"):
            rig.calibrate("A1", trains=other)


def test_a_job_is_repeated_by_its_id_or_as_it_is(stand_in) -> None:
    daemon = stand_in()
    with rheostat.connect(daemon.address) as rig:
        job = rig.identical_pulses("A1", [1.0, 2.0], repetitions=1)
        for source in (job, job.id, "last"):
            again = rig.repeat(source, priority=3, label="again", job_id="mine")
            assert (again.id, daemon.seen[-1]) == (
                "mine",
                wire.Again(job_id="mine", of=job.id, priority=3, label="again"),
            )
            del daemon.jobs["mine"]
        job.cancel()
        more = rig.repeat(job, unfinished=True)
        assert daemon.seen[-1] == wire.Again(job_id=more.id, of=job.id, unfinished=True)
        assert more.result().voltages.tolist() == [1.0, 2.0]


def test_only_jobs_in_stages_that_have_ended_can_be_finished_by_another(stand_in) -> None:
    daemon = stand_in(takes=60)
    with rheostat.connect(daemon.address) as rig:
        running = rig.staircase("A1")
        with pytest.raises(errors.InputError, match=f"job {running.id} is running: what it leaves unfinished"):
            rig.repeat(running, unfinished=True)
        other = rig.program([800.0], "A1", tolerance=0.2)
        with pytest.raises(errors.InputError, match="a program job cannot be finished by another one; possible: iv"):
            rig.repeat(other, unfinished=True)


@pytest.mark.parametrize("kind", list(SPECS))
def test_a_saved_result_is_repeated_by_its_provenance(stand_in, tmp_path, kind: str) -> None:
    daemon = stand_in()
    saved = export.load(export.save(result_of(kind), tmp_path / "run.h5"))
    with rheostat.connect(daemon.address) as rig:
        rig.repeat(saved)
    assert _sent(daemon) == SPECS[kind]


@pytest.mark.parametrize("kind", ["staircase", "check_table"])
def test_a_table_that_was_left_open_is_the_one_that_was_used(stand_in, kind: str) -> None:
    daemon = stand_in()
    with rheostat.connect(daemon.address) as rig:
        rig.repeat(result_of(kind, table="t-7"))
        assert _sent(daemon).table == "t-7"
        asked = wire.Staircase(devices=("A1",), table="t-5")
        rig.repeat(result_of("staircase", spec=asked, table="t-7"))
    assert _sent(daemon) == asked


def test_a_saved_program_is_repeated_with_its_targets_shape_and_bands(stand_in, tmp_path) -> None:
    daemon = stand_in()
    with rheostat.connect(daemon.address) as rig:
        result = rig.program([[1250.0, 1200.0]], ["A1", "B2"], unit="uS", tolerance=[[0.2, 0.3]]).result()
        spec = {name: value for name, value in msgspec.to_builtins(_sent(daemon)).items() if name != "op"}
        result.provenance.update(kind="program", spec=spec, table="t-3")
        saved = export.load(export.save(result, tmp_path / "run.npz"))
        again = rig.repeat(saved).result()
    (_, first, _), (second, arrays, _) = daemon.jobs.values()
    assert second.spec.table == "t-3"
    assert second.spec.tolerance == 0.2
    assert arrays.keys() == first.keys() == {"targets", "device", "tolerance"}
    assert all(np.array_equal(arrays[name], first[name]) for name in first)
    assert (again.targets.shape, again.unit) == ((1, 2), "uS")


def test_a_saved_train_is_repeated_with_its_pulses(stand_in, tmp_path) -> None:
    daemon = stand_in()
    spec = wire.Train(devices=("S1",), cycles=3)
    told = {"kind": "train", "spec": {"devices": ["S1"], "cycles": 3}}
    arrays = {"voltage": np.array([0.7, -0.7]), "width": np.full(2, 2e-7), "resistance": np.ones((1, 3, 2))}
    arrays |= {"energy": np.ones((1, 3, 2)), "pulses": np.array([6], np.int32)}
    job = wire.Job(job_id="j-1", kind="train", state=wire.JobState.DONE)
    result = rheostat.results.build(wire.Result(job=job, devices=("S1",), provenance=told), arrays)
    with rheostat.connect(daemon.address) as rig:
        rig.repeat(export.load(export.save(result, tmp_path / "run.h5")))
    (submitted, sent, _), *_ = daemon.jobs.values()
    assert submitted.spec == spec
    assert {name: array.tolist() for name, array in sent.items()} == {"voltage": [0.7, -0.7], "width": [2e-7, 2e-7]}


@pytest.mark.parametrize("provenance", [{}, {"spec": {"devices": 3}}, {"spec": {"devices": ["A1"], "colour": 1}}])
def test_a_result_that_does_not_tell_what_was_asked_is_not_repeated(stand_in, provenance) -> None:
    result = result_of("staircase")
    result.provenance.clear()
    result.provenance.update(provenance)
    with rheostat.connect(stand_in().address) as rig, pytest.raises(errors.InputError, match="job j-1"):
        rig.repeat(result)


def test_waiting_for_a_job_that_waits_goes_on_and_tells_until_when(stand_in) -> None:
    due = time.time() + 7200.0
    daemon = stand_in(takes=60.0, due=due)
    with rheostat.connect(daemon.address) as rig:
        job = rig.retention("A1", [7200.0])
        assert job.progress().due == due
        moment = rheostat.units.time_of_day(due)
        with pytest.raises(errors.WaitTimeout, match=f"is waiting after 0.1 s .*; it goes on at {moment}"):
            job.wait(0.1)
        daemon.takes = 0.3
        assert job.wait(5.0).state is wire.JobState.DONE
