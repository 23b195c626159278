"""The job "program": each device in turn is routed once, read, and brought to its targets under a scheme.

All targets of a device are visited within one relay closure: path resistance changes from closure to closure by more
than half a level. As a sweep they are visited from the end of the window that is nearer: potentiation down from the
top, or depression up from the bottom. What the scheme remembers of the device is kept from target to target.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass

import numpy as np

from rheostat.wire import Outcome
from rheostat_hal.errors import HalError
from rheostatd import messages
from rheostatd.errors import JournalError
from rheostatd.executor.estop import Stopped
from rheostatd.executor.job import Cancelled, Job
from rheostatd.executor.plant import Ended, RigPlant
from rheostatd.executor.requests import Programme, Visiting
from rheostatd.executor.results import VALUES, device_event, result_arrays
from rheostatd.schemes.drive import drive
from rheostatd.schemes.evidence import TOLERANCE

FIRST_READINGS = 4  # where the device stands
NOISE_READINGS = 16  # where no calibration says what one reading scatters
EDGE = 1e-9  # relative: a target computed as exactly LRS may miss it by a rounding
LEAST_NOISE = 0.005  # ohm: readings that agree to the last digit are still not perfect
# After these a device is left: its other targets get the same outcome, and no pulse.
HOPELESS = frozenset({Outcome.OPEN, Outcome.SHORTED, Outcome.STUCK, Outcome.COMPLIANCE})
NO_RESISTANCE = frozenset({Outcome.OPEN, Outcome.SHORTED})  # what was estimated before is not what is there now
NOT_TRIED = (0, 0, math.nan, math.nan, 0.0, 0.0, 0.0)  # pulses, reads, achieved, uncertainty, energy, rig and wall time


@dataclass
class _Mark:
    """The visit's counters when a target was begun."""

    pulses: int
    reads: int
    energy: float
    rig_time: float
    wall: float


class ProgramRun:
    """Runs a resolved program. `arrays` hold what is known at any moment; targets not reached are PENDING."""

    def __init__(self, job: Job, programme: Programme) -> None:
        self.job = job
        self.programme = programme
        self.arrays = result_arrays(programme.targets, programme.device)
        if np.any(programme.tolerances != programme.spec.tolerance):
            self.arrays["tolerance"] = programme.tolerances
        self.noise = programme.table.info.noise if programme.table is not None else 0.0
        self._at: int | None = None  # the target in progress
        self._mark = _Mark(0, 0, 0.0, 0.0, 0.0)

    def run(self) -> None:
        for visiting in self.programme.visits:
            self._visit(visiting)

    def abandon(self) -> None:
        """The job ended early: its other targets are not done any more."""
        outcome = self.arrays["outcome"]
        pending = outcome == Outcome.PENDING
        outcome[pending] = Outcome.CANCELLED
        self.job.count(Outcome.CANCELLED, int(pending.sum()))

    def _visit(self, visiting: Visiting) -> None:
        window = self.job.station.window(visiting.device)
        targets = self.programme.targets
        low, high = window.lrs * (1.0 - EDGE), window.hrs * (1.0 + EDGE)
        within = [index for index in visiting.targets if low <= targets[index] <= high]
        ends: list[messages.Report] = []
        if not within:  # nothing to do there: not even a routing
            for index in visiting.targets:
                self.job.count(Outcome.UNREACHABLE)
                self.arrays["outcome"][index] = Outcome.UNREACHABLE
            return
        began = time.perf_counter()
        with self.job.visit(visiting.device, self.programme.scheme.name, ends) as plant:
            for index in sorted(set(visiting.targets) - set(within)):
                self._settle(plant, index, Outcome.UNREACHABLE, NOT_TRIED)
            try:
                self._work(plant, visiting.device, within, began)
            except Cancelled:
                self._leave(plant, Outcome.CANCELLED)
                raise
            except (HalError, JournalError, Stopped):
                self._leave(plant, Outcome.INTERRUPTED)
                raise
            finally:
                codes = self.arrays["outcome"][list(visiting.targets)].tolist()
                ends.append(device_event(self.job.job_id, plant, Counter(map(Outcome, codes))))

    def _work(self, plant: RigPlant, device: str, indices: list[int], began: float) -> None:
        visit, scheme, spec = plant.visit, self.programme.scheme, self.programme.spec
        self._at = indices[0]
        sweep = spec.order == "sweep" and len(indices) > 1
        visit.target = -1 if sweep else indices[0]  # which comes first is known after the first reading
        self._mark = _Mark(0, 0, 0.0, 0.0, began)  # the first target pays for the routing
        try:
            here = self._look(plant)
        except Ended as ended:
            self._finish(plant, indices[0], ended.outcome, math.nan, math.nan)
            self._give_up(plant, indices[1:], ended.outcome)
            return
        if sweep:
            indices = self._swept(indices, here)
        task = self.programme.task(self.job.station, device, self.noise)
        params, shared = scheme.pack(self.programme.settings, task)
        state = np.zeros(scheme.state_size)
        for position, index in enumerate(indices):
            visit.target = self._at = index
            target = float(self.programme.targets[index])
            params[TOLERANCE] = self.programme.tolerances[index]
            try:
                outcome = drive(scheme, params, shared, state, target, plant, spec.max_pulses).outcome
            except Ended as ended:
                outcome = ended.outcome
            self._finish(plant, index, outcome, *scheme.estimate(state))
            self._mark = _Mark(visit.pulses, visit.reads, visit.energy, visit.rig_time, time.perf_counter())
            if outcome in HOPELESS:
                self._give_up(plant, indices[position + 1 :], outcome)
                return

    def _look(self, plant: RigPlant) -> float:
        """The first reading of a visit, ohm; it measures the noise of a reading where no calibration has."""
        known = self.noise > 0.0
        here = plant.read(FIRST_READINGS if known else NOISE_READINGS)
        if not known and all(map(math.isfinite, plant.newest)):
            self.noise = max(LEAST_NOISE, float(np.std(plant.newest, ddof=1)))
        return here

    def _swept(self, indices: list[int], here: float) -> list[int]:
        targets = self.programme.targets
        rising = sorted(indices, key=lambda index: float(targets[index]))
        top, bottom = float(targets[rising[-1]]), float(targets[rising[0]])
        return rising[::-1] if abs(here - top) <= abs(here - bottom) else rising

    def _leave(self, plant: RigPlant, outcome: Outcome) -> None:
        if self._at is not None:
            self._finish(plant, self._at, outcome, math.nan, math.nan)

    def _finish(self, plant: RigPlant, index: int, outcome: Outcome, estimate: float, error: float) -> None:
        visit, mark = plant.visit, self._mark
        if outcome in NO_RESISTANCE:
            estimate = error = math.nan
        elif math.isnan(estimate) and visit.resistance is not None:
            estimate = visit.resistance  # the last reading there is
        self._settle(
            plant, index, outcome,
            (visit.pulses - mark.pulses, visit.reads - mark.reads, estimate, error, visit.energy - mark.energy,
             visit.rig_time - mark.rig_time, time.perf_counter() - mark.wall),
        )  # fmt: skip

    def _give_up(self, plant: RigPlant, indices: list[int], outcome: Outcome) -> None:
        for index in indices:
            self._settle(plant, index, outcome, NOT_TRIED)

    def _settle(
        self,
        plant: RigPlant,
        index: int,
        outcome: Outcome,
        values: tuple[int, int, float, float, float, float, float],
    ) -> None:
        for name, value in zip(VALUES, values, strict=True):
            self.arrays[name][index] = value
        self.arrays["outcome"][index] = outcome
        plant.visit.outcome(index, int(outcome), *values)
        self.job.count(outcome)
        self._at = None
