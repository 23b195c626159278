"""The executor as a process, on the virtual bench as a process: jobs from command to Finished."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from rheostat import wire
from rheostat.wire import JobState, Outcome
from rheostatd import messages

DEVICES = ("A1", "A2", "A3")
PER_TARGET = {"achieved", "uncertainty", "outcome", "pulses", "reads", "energy", "rig_time", "wall_time"}


@pytest.fixture
def executor(kit: Any) -> Any:
    kit.add_table(DEVICES)
    return kit.executor()


def test_ready_names_instruments_devices_tables_schemes_and_the_emergency_socket(executor: Any) -> None:
    ready = executor.ready
    assert {instrument.model for instrument in ready.instruments} == {"B1500A", "3706A"} or len(ready.instruments) == 2
    assert len(ready.devices) == 24
    assert ready.devices[0].window == (740.0, 880.0)
    assert [table.version for table in ready.tables] == ["paper"]
    assert "stride" in ready.schemes["ffp"]
    assert ready.estop.startswith("tcp://127.0.0.1:")
    assert ready.interrupted == ()


def test_a_program_brings_every_device_to_its_targets_and_says_how(executor: Any, kit: Any) -> None:
    spec, arrays = kit.program(DEVICES[:2], {"A1": [800.0, 790.0, 810.0], "A2": [805.0]}, traces=("A1",), tolerance=0.2)
    executor.run("j1", spec, arrays)
    finished, result = executor.finished("j1")
    assert finished.state is JobState.DONE
    assert finished.error is None
    assert {"targets", "device"} | PER_TARGET <= set(result)
    verified = result["outcome"] == Outcome.VERIFIED
    assert verified.all(), result["outcome"]
    assert np.abs(result["achieved"] - result["targets"]).max() < 0.2
    assert (result["uncertainty"] < 0.2).all()
    assert (result["reads"] > 0).all()
    assert finished.totals.outcomes == {"verified": 4}
    assert finished.totals.pulses == result["pulses"].sum()
    assert finished.totals.energy == pytest.approx(result["energy"].sum())
    assert finished.totals.rig_time == pytest.approx(result["rig_time"].sum())
    assert result["trace_0_voltage"].shape == result["trace_0_resistance"].shape
    assert np.isfinite(result["trace_0_voltage"]).sum() == result["pulses"][:3].sum()
    assert {device.name for device in finished.devices} == {"A1", "A2"}
    assert [event.data["device"] for event in executor.happened("device.started")] == ["A1", "A2"]
    assert [event.data["device"] for event in executor.happened("device.verified")] == ["A1", "A2"]
    applied: Counter[str] = Counter()
    for event in executor.happened("pulses.applied"):
        applied[event.data["device"]] += event.data["pulses"]
    assert applied.total() == result["pulses"].sum()


def test_the_provenance_says_all_that_is_needed_to_repeat_a_job(kit: Any) -> None:
    kit.add_table(DEVICES)
    executor = kit.executor(RHEOSTAT_JOURNAL="off")
    spec, arrays = kit.program(("A1",), {"A1": [800.0]}, parameters={"stride": 2.0})
    executor.run("j1", spec, arrays)
    told = executor.finished("j1")[0].provenance
    assert told["table"] == "paper"
    assert told["scheme"] == "ffp"
    assert told["parameters"]["stride"] == 2.0
    assert "landing" in told["parameters"]
    assert told["tolerance_ohm"] == 0.137
    assert told["confidence"] == 0.95
    assert told["order"] == "sweep"
    assert told["limits"]["max_voltage"] == 7.0
    assert told["windows_ohm"] == {"tio2x-4t": [740.0, 880.0]}
    assert isinstance(told["seed"], int)
    assert all(instrument["firmware"] for instrument in told["instruments"])
    assert told["versions"]["numba"] != "absent"
    assert told["journal"] is False
    assert "NOT recorded" in executor.said()
    assert len(kit.record().events("j1", "A1")) == 0


def test_a_sweep_starts_at_the_end_of_the_window_that_is_nearer(executor: Any, kit: Any) -> None:
    targets = [790.0, 800.0, 810.0, 795.0]
    spec, arrays = kit.program(("A1",), {"A1": targets}, traces=("A1",), tolerance=0.3)
    for job_id in ("first", "second"):
        executor.run(job_id, spec, arrays)
        _, result = executor.finished(job_id)
        order = [targets[index] for index in dict.fromkeys(result["trace_0_target"][1:].tolist())]
        first = result["trace_0_resistance"][0]
        falling = bool(abs(first - 810.0) <= abs(first - 790.0))
        assert order == sorted(targets, reverse=falling), first


def test_targets_outside_the_window_get_no_pulse_and_the_others_are_programmed(executor: Any, kit: Any) -> None:
    spec, arrays = kit.program(("A1", "A2"), {"A1": [600.0, 800.0], "A2": [900.0]}, tolerance=0.3)
    executor.run("j1", spec, arrays)
    _, result = executor.finished("j1")
    assert result["outcome"].tolist() == [Outcome.UNREACHABLE, Outcome.VERIFIED, Outcome.UNREACHABLE]
    assert result["pulses"][[0, 2]].tolist() == [0, 0]
    assert [event.data["device"] for event in executor.happened("device.started")] == ["A1"]


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"devices": ("A1", "Z9")}, "request.unknown_device", "Z9"),
    ({"scheme": "fpp"}, "request.unknown_scheme", "did you mean 'ffp'"),
    ({"parameters": {"strid": 1.0}}, "request.bad_parameter", "stride"),
    ({"table": "papr"}, "request.unknown_table", "did you mean 'paper'"),
    ({"devices": ("A1", "B1")}, "request.bad_parameter", "B1"),
    ({"tolerance": math.nan}, "request.bad_parameter", "tolerance"),
    ({"confidence": 1.0}, "request.bad_parameter", "confidence"),
]


def test_a_wrong_request_fails_with_a_code_and_what_is_possible_and_touches_nothing(executor: Any, kit: Any) -> None:
    for number, (change, code, words) in enumerate(WRONG):
        options = dict(change)
        devices = options.pop("devices", ("A1", "A2"))
        spec, arrays = kit.program(devices, {name: [800.0] for name in devices}, **options)
        executor.run(f"j{number}", spec, arrays)
        finished, _ = executor.finished(f"j{number}")
        assert finished.state is JobState.FAILED
        assert finished.error_code == code
        assert words in finished.error
        executor.send(messages.Dry(number, spec), arrays)
        planned, _ = executor.until(messages.Planned)
        assert isinstance(planned.plan, wire.Failure)
        assert planned.plan.code == code
    assert executor.happened("device.started") == []


def test_targets_that_are_not_finite_or_do_not_fit_are_refused(executor: Any, kit: Any) -> None:
    spec, arrays = kit.program(("A1",), {"A1": [800.0, 810.0]})
    for name, wrong in (
        ("nan", {**arrays, "targets": np.array([800.0, math.nan])}),
        ("short", {**arrays, "device": np.zeros(1, np.int32)}),
        ("foreign", {**arrays, "device": np.array([0, 1], np.int32)}),
        ("missing", {"targets": arrays["targets"]}),
    ):
        executor.run(name, spec, wrong)
        assert executor.finished(name)[0].error_code == "request.bad_targets"


def test_reading_gives_every_reading_and_the_record_knows_the_last(executor: Any, kit: Any) -> None:
    executor.run("j1", wire.Read(devices=("A1", "B2"), readings=5))
    finished, result = executor.finished("j1")
    assert finished.state is JobState.DONE
    assert result["resistance"].shape == (2, 5)
    assert np.isfinite(result["resistance"]).all()
    assert np.ptp(result["resistance"], axis=1).max() < 2.0
    for row, device in zip(result["resistance"], finished.devices, strict=True):
        assert device.resistance == pytest.approx(row.mean())
        assert device.pulses == 0


def test_initialising_reaches_either_end_of_the_window(executor: Any) -> None:
    for state, ohm in (("HRS", 880.0), ("LRS", 740.0)):
        executor.run(state, wire.Initialise(devices=("A2",), state=state))
        finished, result = executor.finished(state)
        assert finished.state is JobState.DONE
        assert result["outcome"].tolist() == [Outcome.VERIFIED]
        assert result["achieved"][0] == pytest.approx(ohm, abs=1.0)
        assert result["pulses"][0] > 0


def test_a_calibration_is_stored_and_the_next_executor_programs_with_it(kit: Any) -> None:
    executor = kit.executor()
    spec = wire.Calibrate(device="A1", others=("A2",), voltages=(0.5, 1.0, 2.0, 4.0, 7.0), max_train=60)
    executor.send(messages.Dry(1, spec))
    planned, _ = executor.until(messages.Planned)
    executor.run("c1", spec)
    finished, result = executor.finished("c1", 120.0)
    assert finished.state is JobState.DONE, finished.error
    assert finished.totals.pulses <= planned.plan.pulses
    assert finished.totals.done == finished.totals.total
    assert set(result) == {*wire.FeedforwardTable.ARRAYS, *wire.FeedforwardTable.ERRORS}
    assert finished.table.device == "A1"
    assert set(finished.table.gains) == {"A1", "A2"}
    assert 0.001 < finished.table.noise < 0.1
    assert {device.name for device in finished.devices} == {"A1", "A2"}
    executor.close()

    again = kit.executor()
    assert [table.version for table in again.ready.tables] == [finished.table.version]
    program, arrays = kit.program(("A1", "A2"), {"A1": [800.0, 815.0], "A2": [805.0]}, tolerance=0.2)
    again.run("j1", program, arrays)
    programmed, result = again.finished("j1")
    assert programmed.provenance["table"] == finished.table.version
    assert (result["outcome"] == Outcome.VERIFIED).all()


def test_a_plan_counts_pulses_and_names_risks_and_moves_nothing(executor: Any, kit: Any) -> None:
    spec, arrays = kit.program(("A1",), {"A1": [750.0, 870.0]})
    executor.send(messages.Dry(7, spec), arrays)
    planned, _ = executor.until(messages.Planned)
    plan = planned.plan
    assert planned.number == 7
    assert isinstance(plan, wire.Plan)
    assert plan.total == 2
    assert 400 < plan.pulses < 1500
    assert plan.rig_time > plan.pulses * 0.8
    assert 0.01 * plan.pulses < plan.energy < 1.0 * plan.pulses
    assert any("never read" in risk for risk in plan.risks)
    assert executor.happened("device.started") == []


def test_a_pulse_over_a_limit_is_an_outcome_and_is_never_sent(kit: Any) -> None:
    kit.add_table(DEVICES)
    bench = kit.folder / "bench.toml"
    bench.write_text(kit.embedded().replace("max_pulses_per_device = 100000", "max_pulses_per_device = 5"))
    virtual = kit.bench()
    listener = kit.listener(virtual.analyser)
    executor = kit.process()
    executor.open(str(bench), listener.resource, virtual.switch)
    spec, arrays = kit.program(("A1", "A2"), {"A1": [760.0, 770.0], "A2": [765.0]}, tolerance=0.3)
    executor.run("j1", spec, arrays)
    finished, result = executor.finished("j1")
    assert finished.state is JobState.DONE
    assert (result["outcome"] == Outcome.LIMIT).all()
    assert result["pulses"].sum() == 10
    assert listener.pulses() == 10
    assert [event.data["why"] for event in executor.happened("device.failed")] == [
        "the device has had 5 pulses in this job: max_pulses_per_device"
    ] * 2


def test_every_pulse_that_the_instrument_saw_is_in_the_record_and_was_leased_before(kit: Any) -> None:
    kit.add_table(DEVICES)
    virtual = kit.bench()
    listener = kit.listener(virtual.analyser)
    executor = kit.process()
    executor.open("", listener.resource, virtual.switch)
    spec, arrays = kit.program(DEVICES, {name: [780.0, 800.0, 820.0] for name in DEVICES}, traces=DEVICES)
    executor.run("j1", spec, arrays)
    finished, result = executor.finished("j1")
    record = kit.record()
    events = {name: record.events("j1", name) for name in DEVICES}
    recorded = {name: int(np.isfinite(found["voltage"]).sum()) for name, found in events.items()}
    assert sum(recorded.values()) == listener.pulses() == finished.totals.pulses
    leased = record.leased("j1")
    for number, name in enumerate(DEVICES):
        assert leased[name][1] >= recorded[name]
        assert not leased[name][2]
        for field in ("voltage", "resistance", "energy", "target"):
            np.testing.assert_array_equal(result[f"trace_{number}_{field}"], events[name][field])
    outcomes = np.sort(record.outcomes("j1"), order="target")
    for field in ("outcome", "pulses", "reads", "achieved", "uncertainty", "energy"):
        np.testing.assert_array_equal(outcomes[field], result[field])
    executor.send(messages.FetchTrace(3, "j1", "A2"))
    fetched, trace = executor.until(messages.Fetched)
    assert fetched.error is None
    np.testing.assert_array_equal(trace["resistance"], events["A2"]["resistance"])
    executor.send(messages.FetchTrace(4, "j1", "F4"))
    assert "F4" in executor.until(messages.Fetched)[0].error


def test_a_calibration_that_meets_a_limit_fails_with_its_name_and_leaves_no_table(kit: Any) -> None:
    bench = kit.folder / "bench.toml"
    bench.write_text(kit.embedded().replace("max_energy_j = 2.0", "max_energy_j = 1e-4"))
    executor = kit.executor(str(bench))
    spec = wire.Calibrate(device="A1", others=("A2",), voltages=(0.5, 1.0))
    executor.run("c1", spec)
    finished, result = executor.finished("c1")
    assert finished.state is JobState.FAILED
    assert finished.error_code == "calibration.limit"
    assert executor.happened("device.failed")[0].data["outcomes"] == {"limit": 1}
    assert "max_energy_j" in finished.error
    assert result == {}
    assert finished.table is None


def test_an_open_device_gets_its_outcome_without_a_pulse_and_the_job_goes_on(kit: Any) -> None:
    kit.add_table((*DEVICES, "B1"))
    bench = kit.folder / "bench.toml"
    wired = kit.embedded().replace('T3 = "1307"', 'T3 = "?"').replace('T3 = "2303"', 'T3 = "1307"')
    bench.write_text(wired.replace('T3 = "?"', 'T3 = "2303"'))  # the T3 terminals of A2 and B1 crossed
    executor = kit.executor(str(bench))
    spec, arrays = kit.program(("A2", "A3"), {"A2": [800.0, 810.0], "A3": [800.0]}, tolerance=0.3)
    executor.run("j1", spec, arrays)
    finished, result = executor.finished("j1")
    assert finished.state is JobState.DONE
    assert result["outcome"].tolist() == [Outcome.OPEN, Outcome.OPEN, Outcome.VERIFIED]
    assert result["pulses"][:2].sum() == 0
    assert executor.happened("device.failed")[0].data["outcomes"] == {"open": 2}
    assert executor.happened("device.verified")[0].data["device"] == "A3"

    executor.run("c1", wire.Calibrate(device="A1", others=("A2", "A3"), voltages=(1.0, 4.0, 7.0), max_train=30))
    calibrated, _ = executor.finished("c1", 120.0)
    assert calibrated.state is JobState.DONE, calibrated.error
    assert "A2" not in calibrated.table.gains
    assert calibrated.totals.outcomes["open"] == 1
    assert calibrated.totals.done == calibrated.totals.total
