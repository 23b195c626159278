"""A plant over the device model with wired reading noise, exact tables, tasks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from rheostat import wire
from rheostat_hal.models import rng, tio2x
from rheostatd.schemes.drive import Attempt, drive
from rheostatd.schemes.policy import Scheme, Task
from rheostatd.schemes.registry import SCHEMES, build

WINDOW = (740.0, 880.0)
HALF_LEVEL = 0.137


class ModelPlant:
    """One modelled device; `offset`: path resistance in every reading, ohm. Keeps count and a log of its pulses."""

    def __init__(self, params=None, *, seed=0, noise=0.02, offset=0.0, resistance=None):
        self.params = tio2x.nominal() if params is None else params
        self.state = tio2x.pristine_states(self.params[None], seed)[0]
        if resistance is not None:
            self.state[tio2x.RESISTANCE] = resistance - offset
        self.noise = noise
        self.offset = offset
        self.generator = rng.seed(seed, 0)
        self.random = np.random.default_rng(seed)
        self.scatterer = np.random.default_rng([seed, 1])
        self.scatter = (0.0, 0)
        self.log: list[tuple[float, float]] = []
        self.reads = 0
        self.energy = 0.0
        self.on_time = 0.0

    @property
    def true(self) -> float:
        """What a reading without noise would say, ohm."""
        return float(self.state[tio2x.RESISTANCE]) + self.offset

    def read(self, readings: int) -> float:
        self.reads += readings
        degrees = max(0, readings - 1)  # a mean and the scatter around it are independent of each other
        self.scatter = (self.noise**2 * float(self.scatterer.chisquare(degrees)) if degrees else 0.0, degrees)
        return self.true + self.noise * float(self.random.normal()) / math.sqrt(readings)

    def apply(self, voltage: float, width: float, readings: int) -> float:
        out = np.zeros(6)
        tio2x.conductances(self.state, self.params, out)
        self.energy += voltage * voltage * out[:4].sum() * width
        self.on_time += width
        self.log.append((voltage, width))
        self.move(voltage, width)
        return self.read(readings)

    def move(self, voltage: float, width: float) -> None:
        tio2x.step(self.state, self.params, voltage, width, self.generator)

    def wait(self, duration: float) -> None:
        raise AssertionError("no scheme waits for this device")


def exact_table(params=None, offset=0.0) -> wire.FeedforwardTable:
    """The table a perfect calibration of these parameters would give."""
    params = tio2x.nominal() if params is None else params
    voltages = np.linspace(0.3, 7.0, 68)
    resistances = np.linspace(730.0, 890.0, 161)
    kp, kd = (-np.expm1(-params[k] * 0.8) for k in (tio2x.KP, tio2x.KD))
    down = resistances - offset - params[tio2x.POT_BASE] + params[tio2x.POT_SLOPE] * voltages[:, None]
    up = params[tio2x.DEP_BASE] + params[tio2x.DEP_SLOPE] * voltages[:, None] - resistances + offset
    info = wire.TableInfo(
        version="exact", device="A1", created=0.0, width=0.8, window=WINDOW, gains={"A1": (1.0, 1.0)}, noise=0.02
    )
    return wire.FeedforwardTable(info, voltages, resistances, np.maximum(kp * down, 0.0), np.maximum(kd * up, 0.0))


@dataclass
class Driver:
    """A scheme on one plant, its state kept from target to target."""

    scheme: Scheme
    params: Any
    shared: Any
    state: Any
    plant: ModelPlant

    def to(self, target: float, max_pulses: int = 3000, checkpoint: Any = None) -> Attempt:
        return drive(self.scheme, self.params, self.shared, self.state, target, self.plant, max_pulses, checkpoint)


@pytest.fixture(scope="session")
def plant_of() -> type[ModelPlant]:
    return ModelPlant


@pytest.fixture(scope="session")
def table() -> wire.FeedforwardTable:
    return exact_table()


@pytest.fixture(scope="session")
def table_of() -> Callable[..., wire.FeedforwardTable]:
    return exact_table


@pytest.fixture(scope="session")
def task_of(table: wire.FeedforwardTable) -> Callable[..., Task]:
    def make(**changes: Any) -> Task:
        given = {
            "tolerance": HALF_LEVEL,
            "confidence": 0.95,
            "window": WINDOW,
            "noise": 0.02,
            "max_voltage": 7.0,
            "max_width": 2.0,
            "table": table,
        }
        return Task(**{**given, **changes})

    return make


@pytest.fixture(scope="session")
def driver_of(task_of: Callable[..., Task]) -> Callable[..., Driver]:
    def make(name: str, plant: ModelPlant, parameters: dict[str, float] | None = None, **changes: Any) -> Driver:
        scheme = SCHEMES[name]
        params, shared = scheme.pack(build(name, parameters or {}), task_of(**{"noise": plant.noise, **changes}))
        return Driver(scheme, params, shared, np.zeros(scheme.state_size), plant)

    return make
