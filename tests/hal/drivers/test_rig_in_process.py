"""The rig on virtual instruments in this process: what they are told and what they do, side by side.

The rig speaks to them over real sockets; their state is looked at from behind.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator

import pytest

from rheostat_hal import bench
from rheostat_hal.bench_rig import BenchRig, open_rig
from rheostat_hal.values import Pulse
from rheostat_hal.virtual.parts import VirtualInstruments

BENCH = bench.load(None)


@pytest.fixture
def instruments() -> Iterator[VirtualInstruments]:
    started = VirtualInstruments(BENCH)
    yield started
    started.close()


def opened(instruments: VirtualInstruments, **analyser: object) -> BenchRig:
    changed = dataclasses.replace(BENCH, analyser=dataclasses.replace(BENCH.analyser, **analyser))  # type: ignore[arg-type]
    return open_rig(bench.with_resources(changed, instruments.flex.resource, instruments.tsp.resource))


@pytest.fixture
def rig(instruments: VirtualInstruments) -> Iterator[BenchRig]:
    started = opened(instruments)
    yield started
    started.close()


@pytest.mark.parametrize(
    ("settings", "widths"),
    [
        ({}, (0.8,)),
        ({}, (0.0005, 0.002, 0.05, 0.8, 2.0)),
        ({"averaging": 1}, (0.0005, 0.01, 0.1)),
        ({"adc": "high-speed", "averaging": 1000}, (0.001, 0.03, 0.8)),
    ],
)
def test_the_durations_of_events_add_up_to_the_time_that_passes_on_the_bench(
    instruments: VirtualInstruments, settings: dict[str, object], widths: tuple[float, ...]
) -> None:
    rig = opened(instruments, **settings)
    rig.route("A1")
    chance = random.Random(3)
    began, told = instruments.world.clock.now, 0.0
    for _ in range(60):
        readings = chance.choice((0, 1, 2, 5, 30))
        told += rig.apply(Pulse(chance.choice((-1.0, 1.0)), chance.choice(widths)), readings).duration
        if chance.random() < 0.3:
            told += rig.read(chance.choice((1, 4))).duration
    passed = (instruments.world.clock.now - began) / 1e9
    assert told == pytest.approx(passed, rel=0.02)
    rig.close()
