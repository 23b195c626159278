"""Where the time of one event (write pulse and read-verify) goes: each stage of the executor on top of the one below.

    python -m tests.benchmarks.stages

All on one virtual bench: the bare bus (an error query), the driver, the rig, the plant (limits, counting), the plant
with the record of pulses on this disk and on one that takes 4 ms longer for every commit.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rheostat import wire
from rheostat_hal.bench import load, with_resources
from rheostat_hal.bench_rig import BenchRig, open_rig
from rheostat_hal.values import Pulse
from rheostat_hal.virtual.launch import launch
from rheostatd.executor.leases import Ledger
from rheostatd.executor.limits import Envelope
from rheostatd.executor.plant import RigPlant
from rheostatd.executor.visit import Visit
from rheostatd.journal.store import DELAY_VARIABLE

EVENTS = 1000
ROUNDS = 5
PULSE = Pulse(0.3, 0.8)


def rate(event: Callable[[], object]) -> float:
    """Events per second, the best of a few rounds."""
    best = 0.0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(EVENTS):
            event()
        best = max(best, EVENTS / (time.perf_counter() - began))
    return best


def with_plant(rig: BenchRig, recording: bool, delay: float) -> float:
    os.environ[DELAY_VARIABLE] = str(delay)
    limits = dataclasses.replace(rig.bench.limits, max_pulses_per_device=10**9)
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder), recording=recording)
        arrays = {"targets": np.array([800.0]), "device": np.zeros(1, np.int32)}
        ledger.begin("stages", wire.Program(devices=("A1",), tolerance=0.1), arrays, {})
        visit = Visit(ledger, "stages", "A1", "ffp", limits.max_voltage, limits.max_width)
        plant = RigPlant(rig, visit, Envelope(limits), lambda: None, time.sleep)
        plant.read(1)
        found = rate(lambda: plant.apply(PULSE.voltage, PULSE.width, 1))
        visit.close([])
        ledger.finish("stages", wire.JobState.DONE)
        ledger.close()
    return found


def main() -> None:
    with launch("") as virtual:
        rig = open_rig(with_resources(load(""), virtual.analyser, virtual.switch))
        rig.route("A1")
        bus = rig.analyser.bus
        stages: dict[str, Callable[[], float]] = {
            "bus, an error query": lambda: rate(lambda: bus.query("ERRX?", 5.0)),
            "driver": lambda: rate(lambda: rig.analyser.event(PULSE, 1)),
            "rig": lambda: rate(lambda: rig.apply(PULSE, 1)),
            "plant, no record": lambda: with_plant(rig, False, 0.0),
            "plant and record": lambda: with_plant(rig, True, 0.0),
            "plant and record, commits + 4 ms": lambda: with_plant(rig, True, 0.004),
        }
        for name, measure in stages.items():
            found = measure()
            print(f"{name:34s} {found:7.0f} events/s {1e6 / found:7.0f} us", flush=True)
        rig.close()


if __name__ == "__main__":
    main()
