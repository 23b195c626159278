"""Runs a staged job: stage after stage on each device, those that an earlier job has finished left out."""

from __future__ import annotations

import math
import time
from collections import Counter

import numpy as np

from rheostat import wire
from rheostat.wire import Outcome
from rheostat_hal.errors import HalError
from rheostatd import messages
from rheostatd.errors import JournalError
from rheostatd.executor.estop import Stopped
from rheostatd.executor.job import Cancelled, Job
from rheostatd.executor.plant import Ended, RigPlant
from rheostatd.executor.program import HOPELESS, NOT_TRIED
from rheostatd.executor.results import device_event
from rheostatd.executor.staged import BROKEN_OFF, Done, StagedKind, Stages
from rheostatd.journal.blocks import EVENT, joined


class StagedRun:
    """Runs the stages that `taken` (from earlier jobs) does not have. The job keeps the events of all devices."""

    def __init__(self, job: Job, kind: StagedKind, taken: Stages) -> None:
        self.job = job
        self.kind = kind
        self.taken = taken
        self.outcomes: dict[int, Outcome] = {}
        for outcome in taken.outcomes.values():
            job.count(outcome)

    @property
    def arrays(self) -> wire.Arrays:
        """Of everything that was measured so far, also by the jobs that this one goes on with."""
        kept = [joined(self.job.kept.get(device, []), EVENT) for device in self.kind.devices]
        return self.kind.arrays(Done(self.taken + Stages(np.concatenate(kept), self.outcomes), self.kind.total))

    def run(self) -> None:
        complete, each = self.taken.complete, self.kind.each
        for number, device in enumerate(self.kind.devices):
            stages = [stage for stage in range(number * each, (number + 1) * each) if stage not in complete]
            if stages:
                self._visit(device, stages)

    def abandon(self) -> None:
        """Stages that were not begun stay PENDING: another job may go on with them."""

    def _visit(self, device: str, stages: list[int]) -> None:
        ends: list[messages.Report] = []
        with self.job.visit(device, self.kind.name, ends) as plant:
            try:
                self._stages(plant, stages)
            finally:
                outcomes = Counter(self.outcomes[stage] for stage in stages if stage in self.outcomes)
                ends.append(device_event(self.job.job_id, plant, outcomes))

    def _stages(self, plant: RigPlant, stages: list[int]) -> None:
        done: int | None = None  # the stage that has left the device where the next one begins
        for position, stage in enumerate(stages):
            outcome = self._one(plant, stage, done == stage - 1)
            done = stage if outcome is Outcome.VERIFIED else None
            if outcome in HOPELESS:
                for other in stages[position + 1 :]:
                    self._settle(plant, other, outcome, NOT_TRIED)
                return

    def _one(self, plant: RigPlant, stage: int, follows: bool) -> Outcome:
        visit = plant.visit
        visit.target = stage
        pulses, reads, energy, rig_time, began = visit.pulses, visit.reads, visit.energy, visit.rig_time, _now()
        outcome = Outcome.INTERRUPTED
        try:
            outcome = self.kind.stage(plant, self.job.station, stage, follows)
        except Ended as ended:
            outcome = ended.outcome
        except Cancelled:
            outcome = Outcome.CANCELLED
            raise
        except (HalError, JournalError, Stopped):
            outcome = Outcome.INTERRUPTED
            raise
        finally:
            achieved = math.nan if visit.resistance is None else visit.resistance
            self._settle(
                plant, stage, outcome,
                (visit.pulses - pulses, visit.reads - reads, achieved, math.nan, visit.energy - energy,
                 visit.rig_time - rig_time, _now() - began),
            )  # fmt: skip
        return outcome

    def _settle(
        self, plant: RigPlant, stage: int, outcome: Outcome,
        values: tuple[int, int, float, float, float, float, float],
    ) -> None:  # fmt: skip
        self.outcomes[stage] = outcome
        plant.visit.outcome(stage, int(outcome), *values)
        if outcome in BROKEN_OFF:
            self.job.outcomes[outcome.name.lower()] += 1
        else:
            self.job.count(outcome)


def _now() -> float:
    return time.perf_counter()
