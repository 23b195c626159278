"""What a plan says of pulses, time and energy, beside what the job then takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rheostat import wire
from rheostat.wire import JobState
from rheostat_hal import bench
from rheostat_hal.virtual.parts import VirtualInstruments
from rheostatd import messages

BENCHES = Path(__file__).parents[3] / "deploy" / "benches"
WITHIN = 1.6  # factor of the slow bench, whose pulses are many
WITHIN_BOUND = 2.0  # of a calibration, whose plan takes no train to be saturated before its end
WITHIN_FAST = 4.0  # of the fast bench: an initialisation there is three pulses, or six
SLOW: dict[str, wire.Spec] = {
    "down": wire.Initialise(devices=("A1", "A2"), state="LRS"),
    "up": wire.Initialise(devices=("A1", "A2"), state="HRS"),
    "iv": wire.IvLoops(devices=("A1",), voltages=(0.0, 3.0, 6.0, 3.0, 0.0, -3.0, -6.0, -3.0), loops=2, dwell=6.0),
    "id": wire.IdenticalPulses(devices=("A1",), voltages=(0.5, 2.0, 5.0), pulses=50, repetitions=1),
    "st": wire.Staircase(devices=("A1", "A2"), cycles=1),
    "cal": wire.Calibrate(device="A2", others=("A1",), voltages=(0.5, 1.0, 2.0, 4.0, 7.0), max_train=100),
    "check": wire.CheckTable(devices=("A1", "A2")),
    "gains": wire.Calibrate(
        device="A1", others=("A2", "B1", "B2"), trains="earlier", voltages=(0.5, 1.0, 2.0, 4.0, 7.0)
    ),
    "train": wire.Train(devices=("A1", "A2"), cycles=3),
}
TRAIN = {"voltage": np.array([2.0, 4.0, -4.0, -2.0]), "width": np.full(4, 0.8)}
FAST: dict[str, wire.Spec] = {
    "down": wire.Initialise(devices=("S1",), state="LRS"),
    "iv": wire.IvLoops(devices=("S1",), voltages=(0.5, 1.0, 0.5, 0.0, -0.5, -1.0), loops=5, dwell=1e-6, width=4e-7),
    "id": wire.IdenticalPulses(devices=("S1",), voltages=(0.7, 0.9), pulses=20, repetitions=2, width=2e-7),
    "cal": wire.Calibrate(device="S1", voltages=(0.7, 0.8, 0.9, 1.0), width=2e-7, max_train=30),
}


def trains() -> wire.Arrays:
    """Of the rate equations of the TiO2-x device, for a calibration by given trains."""
    voltages, readings = np.array([0.5, 1.0, 2.0, 4.0, 7.0]), np.full((2, 5, 1, 61), 880.0)
    readings[1] = 740.0
    for pulse in range(60):
        for side, limit, rate in ((0, 880.0 - 24.0 * voltages, 0.0096), (1, 740.0 + 40.0 * voltages, 0.0048)):
            here = readings[side, :, 0, pulse]
            readings[side, :, 0, pulse + 1] = here + rate * (limit - here)
    return {"train_voltages": voltages, "train_resistance": readings, "train_stroke": np.ones((2, 5, 1))}


def planned(executor: Any, job_id: str, spec: wire.Spec) -> tuple[wire.Plan, messages.Progress]:
    """The plan of a job, and its totals when it has run."""
    arrays = TRAIN if isinstance(spec, wire.Train) else trains() if getattr(spec, "trains", None) else None
    executor.send(messages.Dry(1, spec), arrays)
    plan = executor.until(messages.Planned)[0].plan
    assert isinstance(plan, wire.Plan), plan
    executor.run(job_id, spec, arrays)
    finished, _ = executor.finished(job_id)
    assert finished.state is JobState.DONE, finished.error
    return plan, finished.totals


def close(expected: float, took: float, within: float) -> bool:
    return took / within <= expected <= took * within


def test_what_jobs_of_the_slow_bench_take_is_planned_within_a_factor(kit: Any) -> None:
    kit.add_table(("A1", "A2"))
    executor = kit.executor()
    executor.run("read", wire.Read(devices=("A1", "A2")))  # else the ways to the ends of the window are not known
    executor.finished("read")
    for job_id, spec in SLOW.items():
        plan, took = planned(executor, job_id, spec)
        assert plan.total == took.total, job_id
        assert plan.energy is not None
        for name in ("pulses", "rig_time", "energy"):
            expected, found = getattr(plan, name), getattr(took, name)
            within = WITHIN_BOUND if isinstance(spec, wire.Calibrate) else WITHIN
            assert close(expected, found, within), (job_id, name, expected, found)


def test_what_jobs_of_the_fast_bench_take_is_planned_within_a_factor(kit: Any) -> None:
    path = BENCHES / "xhameni2025-virtual.toml"
    instruments = VirtualInstruments(bench.load(path), seed=7)
    try:
        executor = kit.process()
        executor.send(messages.Open(str(path), str(kit.data), instruments.resources))
        executor.until(messages.Ready)
        executor.run("read", wire.Read(devices=("S1",)))
        executor.finished("read")
        for job_id, spec in FAST.items():
            plan, took = planned(executor, job_id, spec)
            for name in ("pulses", "rig_time", "energy"):
                expected, found = getattr(plan, name), getattr(took, name)
                assert close(expected, found, WITHIN_FAST), (job_id, name, expected, found)
        executor.close()
    finally:
        instruments.close()


def test_a_plan_without_any_reading_takes_the_middle_of_the_window_and_says_so(kit: Any) -> None:
    executor = kit.executor()
    executor.send(messages.Dry(1, wire.Initialise(devices=("A1",), state="LRS")))
    plan = executor.until(messages.Planned)[0].plan
    assert 30 < plan.pulses < 90
    assert any("never read" in risk for risk in plan.risks)


@pytest.mark.parametrize("most", [1, 10])
def test_a_plan_keeps_to_the_pulses_that_are_allowed(kit: Any, most: int) -> None:
    executor = kit.executor()
    executor.send(messages.Dry(1, wire.Initialise(devices=("A1",), state="LRS", max_pulses=most)))
    assert executor.until(messages.Planned)[0].plan.pulses == most
