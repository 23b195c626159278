"""Jobs in stages, through the executor's process on virtual instruments."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

from rheostat import curves, wire
from rheostat.wire import JobState, Outcome
from rheostat_hal import bench
from rheostat_hal.virtual.faults import DeviceFault
from rheostat_hal.virtual.parts import VirtualInstruments
from rheostatd import messages
from rheostatd.executor.calibration import fit
from rheostatd.executor.taken_trains import taken_trains
from rheostatd.journal.pulses import PulseRecord
from tests.daemon.executor.test_stopping import emergency

pytestmark = pytest.mark.timeout(120)
DEVICES = ("A1", "A2")
LOOP = (0.0, 2.0, 5.0, 2.0, 0.0, -2.0, -5.0, -2.0)
LOOPS = wire.IvLoops(devices=DEVICES, voltages=LOOP, loops=60, dwell=5.0, width=2.0)  # a second: it can be stopped
TRAINS = wire.IdenticalPulses(devices=DEVICES, voltages=(1.0, 4.0), pulses=20, repetitions=2)
SWEEPS = wire.Staircase(devices=DEVICES, cycles=2)
KINDS = pytest.mark.parametrize("spec", [LOOPS, TRAINS, SWEEPS], ids=lambda spec: type(spec).__name__)
BROKEN_OFF = (Outcome.CANCELLED, Outcome.INTERRUPTED)


def coarse(kit: Any) -> wire.FeedforwardTable:
    """The rates of the device, and steps so long that sweeps are short."""
    table = kit.table_of(DEVICES)
    return wire.FeedforwardTable.from_arrays(msgspec.structs.replace(table.info, step=(1.0, 1.0)), table.arrays())


def add_table(kit: Any) -> None:
    record = kit.record()
    record.save_table(coarse(kit))


@pytest.fixture
def executor(kit: Any) -> Any:
    add_table(kit)
    return kit.executor()


@pytest.fixture
def spoiled(kit: Any) -> Iterator[Callable[[DeviceFault], Any]]:
    """An executor on instruments one of whose devices has a fault."""
    started: list[VirtualInstruments] = []

    def start(fault: DeviceFault) -> Any:
        add_table(kit)
        started.append(VirtualInstruments(bench.load(None), seed=7, faults=[fault]))
        executor = kit.process()
        executor.open("", started[-1].flex.resource, started[-1].tsp.resource)
        return executor

    yield start
    for instruments in started:
        instruments.close()


class Recorded:
    """What of a station a record alone can be: it is asked in this thread."""

    def __init__(self, record: PulseRecord) -> None:
        self.ledger: Any = self
        self.record = record

    def ask(self, question: Callable[..., Any], *values: Any) -> Any:
        return question(self.record, *values)


def rebuilt(kit: Any, *job_ids: str) -> list[tuple[messages.Finished, wire.Arrays]]:
    """What another executor makes of the record alone."""
    again = kit.executor(unfinished=job_ids)
    found = [(r, a) for r, a in again.reports if isinstance(r, messages.Finished)]
    again.close()
    return found


def same(found: wire.Arrays, expected: wire.Arrays) -> None:
    assert set(found) == set(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


# ---- what is measured ------------------------------------------------------------------------------------------------


def test_a_loop_is_read_after_each_dwell_and_0_v_is_a_reading_only(executor: Any, kit: Any) -> None:
    executor.run("up", wire.Initialise(devices=LOOPS.devices, state="HRS"))
    executor.finished("up")
    executor.run("iv", msgspec.structs.replace(LOOPS, loops=3))
    finished, result = executor.finished("iv")
    assert (finished.state, finished.totals.outcomes) == (JobState.DONE, {"verified": 6})
    assert (finished.totals.done, finished.totals.total) == (6, 6)
    assert result["voltage"].tolist() == list(LOOP)
    assert result["resistance"].shape == result["current"].shape == result["energy"].shape == (2, 3, 8)
    written = np.array(LOOP) != 0.0
    assert finished.totals.pulses == 2 * 3 * 3 * written.sum()  # 5 s are three pulses of 5/3 s
    assert np.isfinite(result["resistance"]).all()
    assert (np.sign(result["current"]) == np.sign(LOOP)).all()
    assert (result["energy"][..., ~written] == 0.0).all()
    assert result["energy"].sum() == pytest.approx(finished.totals.energy)
    assert np.all(result["resistance"][..., 2] < result["resistance"][..., 0])
    assert np.all(result["resistance"][..., 6] > result["resistance"][..., 4])
    # nothing moves within a pulse but the device: V I t of the last of three is about a third of the dwell's energy
    third = result["current"] * np.array(LOOP) * 5.0 / 3.0
    np.testing.assert_allclose(third[..., written], result["energy"][..., written] / 3.0, rtol=0.1)
    events = kit.record().events("iv", "A2")
    assert set(events["target"].tolist()) == {-4, 3, 4, 5}
    np.testing.assert_allclose(events["width"][np.isfinite(events["voltage"])], 5.0 / 3.0, atol=1e-3)


def test_trains_begin_at_the_end_of_the_window_that_their_direction_leaves(executor: Any, kit: Any) -> None:
    executor.run("id", TRAINS)
    finished, result = executor.finished("id")
    assert (finished.state, finished.totals.outcomes) == (JobState.DONE, {"verified": 16})
    assert result["voltages"].tolist() == [1.0, 4.0]
    resistance = result["resistance"]
    assert resistance.shape == (2, 2, 2, 2, 21)
    assert result["stroke"].shape == result["energy"].shape == result["outcome"].shape == (2, 2, 2, 2)
    np.testing.assert_allclose(resistance[:, 0, ..., 0], 880.0, atol=0.7)
    np.testing.assert_allclose(resistance[:, 1, ..., 0], 740.0, atol=0.7)
    assert np.all(resistance[:, 0, 1, :, -1] < 860.0)  # 4 V move it farther than 1 V
    assert np.all(resistance[:, 0, 0, :, -1] > 860.0)
    assert np.all(resistance[:, 1, 1, :, -1] > resistance[:, 1, 0, :, -1])
    assert finished.totals.energy > result["energy"].sum() > 0.0  # the initialisations are not in it
    events = kit.record().events("id", "A1")
    for stage, stroke in enumerate(result["stroke"][0].ravel().tolist()):
        train = events[events["target"] == stage]
        assert np.sign(train["voltage"]).tolist() == [1.0 if stage < 4 else -1.0] * 20
        way = events[events["target"] == -1 - stage]
        assert stroke == abs(way["resistance"][-1] - way["resistance"][0])
        assert way["reads"][-1] == 3
        assert resistance[0].reshape(8, 21)[stage].tolist() == [way["resistance"][-1], *train["resistance"]]


def test_before_each_pulse_of_a_sweep_vw_comes_from_the_table_by_the_reading(executor: Any, kit: Any) -> None:
    executor.run("st", SWEEPS)
    finished, result = executor.finished("st")
    assert (finished.state, finished.totals.outcomes) == (JobState.DONE, {"verified": 8})
    assert finished.provenance["table"] == "paper"
    assert finished.provenance["calibration"]["noise"] == 0.03
    counts, final = result["counts"], result["final"]
    assert counts.shape == final.shape == result["outcome"].shape == (2, 2, 2)
    assert len(result["resistance"]) == len(result["voltage"]) == len(result["energy"]) == counts.sum()
    assert np.all(final[..., 0] <= 740.0)
    assert np.all(final[..., 1] >= 880.0)
    assert np.all((counts > 100) & (counts < 600))
    table, begun = coarse(kit), 0
    for count, direction in zip(counts.ravel().tolist(), [1, -1] * 4, strict=True):
        readings = result["resistance"][begun : begun + count]
        asked = curves.choose_voltage(table, readings, table.info.step[0 if direction > 0 else 1], direction)
        np.testing.assert_allclose(result["voltage"][begun : begun + count], direction * asked, atol=1e-3)
        assert abs(readings[0] - (880.0 if direction > 0 else 740.0)) < 1.0
        begun += count
    assert finished.totals.pulses > counts.sum()  # the devices were brought to HRS first
    assert finished.totals.pulses - counts.sum() < 300


def test_a_sweep_never_exceeds_the_largest_voltage_of_the_bench(kit: Any) -> None:
    add_table(kit)
    path = kit.folder / "bench.toml"
    path.write_text(kit.embedded().replace("max_voltage_v = 7.0", "max_voltage_v = 4.0"))
    executor = kit.executor(str(path))
    executor.run("st", wire.Staircase(devices=("A1",), cycles=1, max_pulses=400))
    finished, result = executor.finished("st")
    assert finished.state is JobState.DONE
    assert np.abs(result["voltage"]).max() == pytest.approx(4.0)
    assert result["outcome"][0, 0, 0] in (Outcome.NOT_CONVERGED, Outcome.SATURATED)
    assert result["counts"][0, 0, 0] <= 400


# ---- stages that fail ------------------------------------------------------------------------------------------------


def test_a_device_that_no_longer_moves_is_left_and_the_others_go_on(spoiled: Any) -> None:
    executor = spoiled(DeviceFault(what="sticks", device="A1", pulse=70))
    executor.run("st", SWEEPS)
    finished, result = executor.finished("st")
    assert finished.state is JobState.DONE
    assert finished.totals.outcomes == {"stuck": 4, "verified": 4}
    assert result["outcome"].tolist() == [[[3, 3], [3, 3]], [[1, 1], [1, 1]]]
    assert 0 < result["counts"][0, 0, 0] < 110
    assert result["counts"][0].ravel()[1:].tolist() == [0, 0, 0]
    failed = executor.happened("device.failed")
    assert [(event.data["device"], event.data["outcomes"]) for event in failed] == [("A1", {"stuck": 4})]


@KINDS
def test_a_device_that_opens_ends_with_this_and_nothing_more_is_written_on_it(spoiled: Any, spec: Any) -> None:
    executor = spoiled(DeviceFault(what="opens", device="A1", pulse=5))
    executor.run("j", spec)
    finished, result = executor.finished("j")
    assert finished.state is JobState.DONE
    each = finished.totals.total // 2
    assert finished.totals.outcomes == {"open": each, "verified": each}
    if "outcome" in result:
        assert (result["outcome"][0] == Outcome.OPEN).all()
    why = executor.happened("device.failed")[0].data["why"]
    assert why in ("no read current", "initialisation to 880 ohm ended at inf ohm")


@KINDS
def test_no_stage_passes_a_limit_of_the_bench(kit: Any, spec: Any) -> None:
    add_table(kit)
    path = kit.folder / "bench.toml"
    path.write_text(kit.embedded().replace("max_pulses_per_device = 100000", "max_pulses_per_device = 30"))
    virtual = kit.bench()
    listener = kit.listener(virtual.analyser)
    executor = kit.process()
    executor.open(str(path), listener.resource, virtual.switch)
    executor.run("j", spec)
    finished, _ = executor.finished("j")
    assert finished.state is JobState.DONE
    assert finished.totals.outcomes["limit"] >= 2
    assert listener.pulses() == finished.totals.pulses == 60


WRONG: list[tuple[wire.Spec, str, str]] = [
    (wire.IvLoops(devices=("Z9",), voltages=(1.0,)), "request.unknown_device", "Z9"),
    (wire.IvLoops(devices=("A1",), voltages=(9.0,)), "limit.exceeded", "voltage 9 V"),
    (wire.IdenticalPulses(devices=("A1",), width=3.0), "limit.exceeded", "width 3 s"),
    (wire.Staircase(devices=("A1",), table="papr"), "request.unknown_table", "did you mean 'paper'"),
    (wire.Staircase(devices=("A1", "B1")), "request.unknown_table", "calibrate first"),
    (wire.Staircase(devices=("A1", "A1")), "request.invalid", "named twice"),
]


def test_what_the_bench_cannot_do_is_refused_before_anything_moves(executor: Any) -> None:
    for number, (spec, code, words) in enumerate(WRONG):
        executor.run(f"j{number}", spec)
        finished, _ = executor.finished(f"j{number}")
        assert (finished.state, finished.error_code) == (JobState.FAILED, code)
        assert words in finished.error
        executor.send(messages.Dry(number, spec))
        planned, _ = executor.until(messages.Planned)
        assert planned.plan.code == code
    assert executor.happened("device.started") == []


# ---- stopped in the middle -------------------------------------------------------------------------------------------


@KINDS
def test_the_record_alone_gives_the_result_of_a_job_that_ended(executor: Any, kit: Any, spec: Any) -> None:
    executor.run("j", spec)
    finished, result = executor.finished("j")
    executor.close()
    ((again, arrays),) = rebuilt(kit, "j")
    assert again.state is JobState.DONE
    same(arrays, result)
    told = finished.totals
    assert (again.totals.done, again.totals.outcomes) == (told.done, told.outcomes)
    assert (again.totals.pulses, again.totals.reads) == (told.pulses, told.reads)


@KINDS
def test_a_cancelled_job_keeps_what_it_measured_and_another_does_the_rest(executor: Any, kit: Any, spec: Any) -> None:
    executor.run("j", spec)
    executor.until(messages.Progress, lambda report: report.done >= 1 and report.pulses > 30)
    executor.send(messages.Cancel("j"))
    first, before = executor.finished("j")
    assert (first.state, first.error_code) == (JobState.CANCELLED, "job.cancelled")
    told = first.totals
    assert 1 <= told.done < told.total
    assert told.outcomes.get("cancelled", 0) <= 1
    origin = messages.Origin(continues=("j",))
    executor.send(messages.Dry(1, spec, origin=origin))
    planned, _ = executor.until(messages.Planned)
    assert planned.plan.total == told.total - told.done
    executor.send(messages.Run("k", spec, origin=origin))
    second, after = executor.finished("k")
    assert second.state is JobState.DONE
    assert second.provenance["continues"] == ["j"]
    assert (second.totals.done, second.totals.outcomes) == (told.total, {"verified": told.total})
    if "outcome" in before:
        complete = before["outcome"] == Outcome.VERIFIED
        assert complete.sum() == told.done
        for name in set(before) - {"voltages", "voltage", "outcome"}:
            if before[name].shape[: complete.ndim] == complete.shape:
                np.testing.assert_array_equal(after[name][complete], before[name][complete])
        assert (after["outcome"] == Outcome.VERIFIED).all()
    else:
        first_ones = before["resistance"].reshape(told.total, -1)[: told.done]
        np.testing.assert_array_equal(after["resistance"].reshape(told.total, -1)[: told.done], first_ones)
        assert np.isfinite(after["resistance"]).all()
    record = kit.record()
    own = sum(np.isfinite(record.events("k", device)["voltage"]).sum() for device in DEVICES)
    assert second.totals.pulses == own
    executor.close()
    (_, first_arrays), (again, second_arrays) = rebuilt(kit, "j", "k")
    same(first_arrays, before)
    same(second_arrays, after)
    assert again.totals.done == told.total


@KINDS
def test_after_a_crash_the_result_has_everything_that_the_record_has(executor: Any, kit: Any, spec: Any) -> None:
    executor.run("j", spec)
    executor.until(messages.Progress, lambda report: report.done >= 2 and report.pulses > 50)
    executor.kill()
    ((finished, arrays),) = rebuilt(kit, "j")
    assert (finished.state, finished.error_code) == (JobState.INTERRUPTED, "job.interrupted")
    assert finished.totals.done >= 1
    assert finished.totals.outcomes["verified"] == finished.totals.done
    record = kit.record()
    events = np.concatenate([record.events("j", device) for device in DEVICES])
    assert finished.totals.pulses == np.isfinite(events["voltage"]).sum()
    known = np.isfinite(arrays["resistance"]).sum()
    measured = events[(events["target"] >= 0) & np.isfinite(events["voltage"])]
    if spec is SWEEPS:
        assert known == len(measured) == arrays["counts"].sum()
    elif spec is TRAINS:
        begun = len(np.unique(measured["target"]))
        assert known == len(measured) + begun
    else:
        zeros = (events["target"] >= 0) & np.isnan(events["voltage"])
        assert known <= len(measured) // 3 + zeros.sum()
        assert known > 0


def test_a_job_goes_on_where_two_before_it_were_stopped(executor: Any, kit: Any) -> None:
    continues: tuple[str, ...] = ()
    done = 0
    for job_id in ("a", "b", "c"):
        executor.send(messages.Run(job_id, TRAINS, origin=messages.Origin(continues=continues)))
        if job_id != "c":
            executor.until(messages.Progress, lambda report, least=done: report.done >= least + 2)
            executor.send(messages.Cancel(job_id))
        finished, result = executor.finished(job_id)
        assert finished.totals.done > done
        done, continues = finished.totals.done, (job_id, *continues)
    assert (finished.state, done) == (JobState.DONE, 16)
    assert finished.provenance["continues"] == ["b", "a"]
    assert (result["outcome"] == Outcome.VERIFIED).all()
    record = kit.record()
    complete = [
        stage for job in "abc" for stage, code in record.outcomes(job)[["target", "outcome"]].tolist()
        if code not in BROKEN_OFF
    ]  # fmt: skip
    assert sorted(complete) == list(range(16))


def test_a_calibration_goes_on_with_the_trains_that_another_has_measured(executor: Any, kit: Any) -> None:
    spec = wire.Calibrate(device="A1", others=("A2",), voltages=(1.0, 2.0, 4.0, 7.0), max_train=60)
    executor.run("a", spec)
    executor.until(messages.Progress, lambda report: report.done >= 4)
    executor.send(messages.Cancel("a"))
    first, _ = executor.finished("a")
    assert first.state is JobState.CANCELLED
    origin = messages.Origin(continues=("a",))
    executor.send(messages.Dry(1, spec, origin=origin))
    plan = executor.until(messages.Planned)[0].plan
    executor.send(messages.Run("b", spec, origin=origin))
    second, result = executor.finished("b")
    assert second.state is JobState.DONE, second.error
    assert (second.totals.done, second.totals.total) == (10, 10)
    assert second.provenance["continues"] == ["a"]
    record = kit.record()
    measured = {job: record.outcomes(job)["target"].tolist() for job in "ab"}
    assert len(measured["a"]) >= 3
    assert sorted(measured["a"] + measured["b"]) == list(range(1, 9))
    assert plan.total == 10 - len(measured["a"])
    assert second.totals.pulses <= plan.pulses
    # the readings of both jobs, fitted together, are the table: as the same trains would have been in one job
    station: Any = Recorded(record)
    trains = {**taken_trains(station, spec, ["a"]), **taken_trains(station, spec, ["b"])}
    info = second.table
    table = fit([trains[stage] for stage in range(1, 9)], spec, info.window, info.noise, version="again", created=0.0)
    np.testing.assert_array_equal(result["potentiation"], table.potentiation)
    np.testing.assert_array_equal(result["depression"], table.depression)


def test_a_paused_staircase_stands_still_and_an_emergency_stop_ends_it(executor: Any, kit: Any) -> None:
    executor.run("st", SWEEPS)
    executor.until(messages.Progress, lambda report: report.done >= 1)
    executor.send(messages.Pause("st"))
    executor.until(messages.Happened, lambda report: report.name == "job.paused")
    paused_at = next(r for r, _ in reversed(executor.reports) if isinstance(r, messages.Progress)).pulses
    time.sleep(0.3)
    executor.send(messages.Resume("st"))
    executor.until(messages.Happened, lambda report: report.name == "job.resumed")
    assert executor.until(messages.Progress)[0].pulses - paused_at < 500
    reply, took = emergency(executor.ready.estop)
    assert isinstance(reply, wire.Ok)
    assert took < 3.0
    finished, result = executor.finished("st")
    assert (finished.state, finished.error_code) == (JobState.FAILED, "rig.estop")
    outcome = result["outcome"].ravel()
    assert (outcome == Outcome.INTERRUPTED).sum() == 1
    assert (outcome == Outcome.PENDING).any()
    assert finished.totals.done == (outcome == Outcome.VERIFIED).sum()
    executor.close()
    same(rebuilt(kit, "st")[0][1], result)


# ---- the same again --------------------------------------------------------------------------------------------------


@KINDS
def test_a_fresh_virtual_bench_with_the_same_seed_gives_the_same_bits_again(kit: Any, spec: Any) -> None:
    """The spec comes from the provenance of the first job, as a person would take it."""
    add_table(kit)
    results = []
    for job_id in ("first", "second"):
        instruments = VirtualInstruments(bench.load(None), seed=11)
        executor = kit.process()
        executor.open("", instruments.flex.resource, instruments.tsp.resource)
        executor.run(job_id, spec)
        finished, arrays = executor.finished(job_id)
        results.append(arrays)
        told = finished.provenance["spec"]
        spec = type(spec)(**{name: tuple(v) if isinstance(v, list) else v for name, v in told.items()})
        executor.close()
        instruments.close()
    same(results[1], results[0])
