"""A calibration that fits the trains of an earlier job, through the executor's process."""

from __future__ import annotations

from typing import Any

import numpy as np

from rheostat import wire
from rheostat.wire import JobState
from rheostatd import messages

VOLTAGES = (0.5, 1.0, 2.0, 4.0, 7.0)


def trains(complete: bool = True) -> wire.Arrays:
    """Of the rate equations of the TiO2-x device, 0.8 s pulses, with 15 % from pulse to pulse and 20 mohm of noise."""
    random = np.random.default_rng(3)
    readings = np.full((2, len(VOLTAGES), 2, 61), np.nan)
    for side, row, k in np.ndindex(2, len(VOLTAGES) if complete else 1, 2):
        r = 740.0 if side else 880.0
        for pulse in range(61):
            readings[side, row, k, pulse] = r + 0.02 * random.normal()
            limit = 740.0 + 40.0 * VOLTAGES[row] if side else 880.0 - 24.0 * VOLTAGES[row]
            r += (0.0048 if side else 0.0096) * (limit - r) * max(0.0, 1.0 + 0.15 * random.normal())
    strokes = np.full(readings.shape[:3], 1.0)
    return {"train_voltages": np.array(VOLTAGES), "train_resistance": readings, "train_stroke": strokes}


def test_given_trains_become_a_table_and_only_the_other_devices_are_pulsed(kit: Any) -> None:
    executor = kit.executor()
    spec = wire.Calibrate(device="A1", trains="earlier", others=("A2",), voltages=VOLTAGES, width=0.8)
    executor.send(messages.Dry(1, spec), trains())
    planned, _ = executor.until(messages.Planned)
    assert (planned.plan.total, planned.plan.pulses) == (2, 50)
    executor.run("c1", spec, trains())
    finished, arrays = executor.finished("c1")
    assert finished.state is JobState.DONE, finished.error
    assert (finished.totals.done, finished.totals.total) == (2, 2)
    assert 0 < finished.totals.pulses <= 50
    assert {event.data["device"] for event in executor.happened("pulses.applied")} == {"A2"}
    assert set(finished.table.gains) == {"A1", "A2"}
    assert np.all(np.isfinite(arrays["potentiation_error"]))
    assert 0.001 < finished.table.noise < 0.1


def test_trains_in_one_direction_only_are_refused_before_anything_is_pulsed(kit: Any) -> None:
    executor = kit.executor()
    spec = wire.Calibrate(device="A1", trains="earlier", voltages=VOLTAGES)
    executor.run("c1", spec, trains(complete=False))
    finished, _ = executor.finished("c1")
    assert (finished.state, finished.error_code) == (JobState.FAILED, "request.bad_parameter")
    assert not executor.happened("device.started")
