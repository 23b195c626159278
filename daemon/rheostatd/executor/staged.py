"""Jobs in stages: loops, trains and sweeps, one after another on each device, each from a state that it makes itself.

A stage that was broken off can therefore be done again, and what a job has finished is worth keeping: the record tells
which stages are complete, and the arrays of a result are made from the events alone. They are the same whether the job
ended, was interrupted, or was finished by another one.

Stages are numbered through all devices, those of the first device first. Events of a stage carry its number as their
target; those that bring the device to where it begins carry -1 - number.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from rheostat import wire
from rheostat.wire import Outcome
from rheostat_hal.bench import Window
from rheostatd.executor.estimates import Estimate
from rheostatd.executor.initialise import drive_of, initialise
from rheostatd.executor.plant import RigPlant
from rheostatd.executor.station import Station
from rheostatd.journal.blocks import EVENT, joined
from rheostatd.journal.pulses import PulseRecord

Events = npt.NDArray[Any]

INITIALISE_PULSES = 2000
_AGAIN = 3  # readings that confirm one which is far outside the window
BROKEN_OFF = frozenset({Outcome.CANCELLED, Outcome.INTERRUPTED})


@dataclass
class Stages:
    """Events (dtype EVENT) and outcomes of stages, as far as they are known."""

    events: Events = field(default_factory=lambda: joined((), EVENT))
    outcomes: dict[int, Outcome] = field(default_factory=dict)

    @property
    def complete(self) -> frozenset[int]:
        """Stages that need not be done again: they have an outcome, and were not broken off."""
        return frozenset(stage for stage, outcome in self.outcomes.items() if outcome not in BROKEN_OFF)

    def __add__(self, other: Stages) -> Stages:
        return Stages(np.concatenate([self.events, other.events]), {**self.outcomes, **other.outcomes})

    def only(self, stages: Iterable[int]) -> Stages:
        """The same without all others."""
        wanted = sorted(stages)
        events = self.events[np.isin(stage_of(self.events), wanted)]
        return Stages(events, {stage: self.outcomes[stage] for stage in wanted if stage in self.outcomes})


def stage_of(events: Events) -> npt.NDArray[Any]:
    target = events["target"]
    return np.where(target < 0, -1 - target, target)


class Done:
    """What was done, stage by stage. `outcome`: (total,) u1, PENDING where nothing was, INTERRUPTED where it stops."""

    def __init__(self, stages: Stages, total: int) -> None:
        target = stages.events["target"]
        keys = 2 * stage_of(stages.events) + (target >= 0)
        self._events = stages.events[np.argsort(keys, kind="stable")]
        self._bounds = np.searchsorted(np.sort(keys), np.arange(2 * total + 1))
        self.outcome = np.zeros(total, np.uint8)
        self.outcome[np.diff(self._bounds[::2]) > 0] = Outcome.INTERRUPTED
        for stage, outcome in stages.outcomes.items():
            self.outcome[stage] = outcome

    def of(self, stage: int) -> Events:
        return self._events[self._bounds[2 * stage + 1] : self._bounds[2 * stage + 2]]

    def before(self, stage: int) -> Events:
        """Of the way to where the stage begins."""
        return self._events[self._bounds[2 * stage] : self._bounds[2 * stage + 1]]


class StagedKind(abc.ABC):
    """One kind of staged job: what its stages do, what they will cost, and the arrays that come of them.

    `name`: of the kind, in leases; `each`: stages of one device; `width`: s of the longest write pulse; `table`: that
    it looks up, if any. `check` is called before `stage`, `estimate`, `told`, `width` and `table`; `arrays` needs
    nothing but the spec.
    """

    name: ClassVar[str]
    each: int
    width: float
    table: wire.FeedforwardTable | None = None

    def __init__(self, devices: tuple[str, ...]) -> None:
        self.devices = devices

    @property
    def total(self) -> int:
        return len(self.devices) * self.each

    @abc.abstractmethod
    def check(self, station: Station) -> None:
        """Resolves what the spec leaves open. Raises the kinds of RequestError."""

    @abc.abstractmethod
    def stage(self, plant: RigPlant, station: Station, number: int, follows: bool) -> Outcome:
        """Does one stage; `number`: of all. follows: the one before it has just left the device, VERIFIED.
        Raises Ended."""

    @abc.abstractmethod
    def estimate(self, station: Station, device: str, stages: Sequence[int]) -> Estimate:
        """What these stages of one device will take."""

    @abc.abstractmethod
    def arrays(self, done: Done) -> wire.Arrays:
        """Those of wire.Result, from events and outcomes alone."""

    def told(self) -> dict[str, Any]:
        """What the provenance has to say beside the spec."""
        return {}

    def risks(self, station: Station) -> list[str]:
        """Of the whole job, for its plan."""
        return []


def begin_at(plant: RigPlant, station: Station, number: int, goal: float) -> None:
    """Brings the device to `goal` (ohm) in closed loop, as the way to where stage `number` begins. Raises Ended."""
    window = station.window(plant.visit.device)
    plant.visit.target = -1 - number
    attempt = initialise(
        plant, goal, drive_of(station.bench, window), INITIALISE_PULSES, window=(window.lrs, window.hrs)
    )
    plant.visit.target = number
    if attempt.outcome is not Outcome.VERIFIED:
        raise plant.end(attempt.outcome, f"initialisation to {goal:g} ohm ended at {attempt.estimate:.1f} ohm")


def confirmed(plant: RigPlant, window: Window, reading: float) -> float:
    """A reading (ohm) that is far outside the window is taken again: one alone may be wrong. Raises Ended."""
    if 0.3 * window.lrs < reading < 10.0 * window.hrs:
        return reading
    again = plant.read(_AGAIN)
    if 0.3 * window.lrs < again < 10.0 * window.hrs:
        return again
    if 0.0 < again < window.hrs:
        raise plant.end(Outcome.SHORTED, f"it reads {again:.3g} ohm, far below its window")
    raise plant.end(Outcome.OPEN, "no read current")


def recorded(station: Station, kind: StagedKind, job_ids: Iterable[str]) -> Stages:
    """The complete stages of earlier jobs of the same spec, from the record. Raises JournalError."""
    taken = Stages()
    for job_id in job_ids:
        stages = of_job(station, kind, job_id)
        taken += stages.only(stages.complete - taken.complete)
    return taken


def of_job(station: Station, kind: StagedKind, job_id: str) -> Stages:
    """Everything that the record has of the stages of one job. Raises JournalError."""
    happened = [station.ledger.ask(PulseRecord.events, job_id, device) for device in kind.devices]
    ended = station.ledger.ask(PulseRecord.outcomes, job_id)
    outcomes = zip(ended["target"].tolist(), ended["outcome"].tolist(), strict=True)
    return Stages(np.concatenate(happened), {stage: Outcome(code) for stage, code in outcomes})
