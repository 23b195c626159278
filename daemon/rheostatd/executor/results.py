"""The arrays of a result and the events of its devices, as every kind of job gives them."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from rheostat import wire
from rheostat.wire import Outcome
from rheostatd import messages
from rheostatd.executor.plant import RigPlant

# The numbers of one target, in the order of the record's OUTCOME.
VALUES = ("pulses", "reads", "achieved", "uncertainty", "energy", "rig_time", "wall_time")


def result_arrays(targets: wire.Array, device: wire.Array) -> wire.Arrays:
    """The arrays of a program's result before anything was done."""
    n = len(targets)
    return {
        "targets": targets,
        "device": device,
        "achieved": np.full(n, math.nan),
        "uncertainty": np.full(n, math.nan),
        "outcome": np.zeros(n, np.uint8),
        "pulses": np.zeros(n, np.int32),
        "reads": np.zeros(n, np.int32),
        "energy": np.zeros(n),
        "rig_time": np.zeros(n),
        "wall_time": np.zeros(n),
    }


def train_arrays(spec: wire.Train, given: wire.Arrays) -> wire.Arrays:
    """The arrays of a train's result before anything was done: resistance (n_devices, cycles, n) f8 ohm, the reading
    after each write pulse; energy, the same shape, f8 J (an estimate where the source cannot measure both at once);
    pulses (n_devices,) i4. nan where not reached."""
    shape = (len(spec.devices), spec.cycles, len(given["voltage"]))
    return {
        "voltage": given["voltage"],
        "width": given["width"],
        "resistance": np.full(shape, math.nan),
        "energy": np.full(shape, math.nan),
        "pulses": np.zeros(len(spec.devices), np.int32),
    }


def device_event(job_id: str, plant: RigPlant, outcomes: Counter[Outcome]) -> messages.Happened:
    """How a device was left: device.verified when every outcome is, else device.failed with what there was."""
    visit = plant.visit
    data = {
        "device": visit.device,
        "targets": outcomes.total(),
        "verified": outcomes[Outcome.VERIFIED],
        "pulses": visit.pulses,
        "reads": visit.reads,
        "energy_j": visit.energy,
        "rig_time_s": visit.rig_time,
        "resistance_ohm": visit.resistance,
    }
    if outcomes[Outcome.VERIFIED] == outcomes.total():
        return messages.Happened("device.verified", job_id, data)
    named = {outcome.name.lower(): count for outcome, count in outcomes.items()}
    return messages.Happened("device.failed", job_id, {**data, "outcomes": named, "why": plant.ended})
