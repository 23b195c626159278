"""The jobs that do not end at targets of the client's: read, initialise, calibrate."""

from __future__ import annotations

import contextlib
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from rheostat import wire
from rheostat.curves import Train
from rheostat.wire import Outcome
from rheostatd import messages
from rheostatd.executor.calibration import CalibrationFailed, Progress, measure
from rheostatd.executor.initialise import drive_of, initialise
from rheostatd.executor.job import Cancelled, Job
from rheostatd.executor.plant import Ended, RigPlant
from rheostatd.executor.results import VALUES, device_event, result_arrays
from rheostatd.executor.steps import strong


class ReadRun:
    """Reads devices, each in one routing. `arrays`: resistance (n_devices, readings) f8 ohm, nan where not reached."""

    def __init__(self, job: Job, spec: wire.Read) -> None:
        self.job = job
        self.spec = spec
        self.arrays: wire.Arrays = {"resistance": np.full((len(spec.devices), spec.readings), math.nan)}

    def run(self) -> None:
        for number, device in enumerate(self.spec.devices):
            ends: list[messages.Report] = []
            with self.job.visit(device, "read", ends, pulses=False) as plant:
                try:
                    plant.read(self.spec.readings)
                except Ended:  # a short, or a channel in compliance: the readings say so too
                    self.job.outcomes["unclear"] += 1
                self.arrays["resistance"][number] = plant.newest
                data = {"device": device, "resistance_ohm": plant.visit.resistance, "reads": plant.visit.reads}
                ends.append(messages.Happened("device.read", self.job.job_id, data))
            self.job.done += 1

    def abandon(self) -> None:
        """What was not read stays nan."""


class InitialiseRun:
    """Brings devices to one end of the window. `arrays`: achieved f8 ohm, uncertainty f8 ohm, outcome u1, pulses i4,
    reads i4, energy f8 J, rig_time f8 s, wall_time f8 s, one element per device."""

    def __init__(self, job: Job, spec: wire.Initialise) -> None:
        self.job = job
        self.spec = spec
        everything = result_arrays(np.zeros(len(spec.devices)), np.zeros(len(spec.devices), np.int32))
        self.arrays: wire.Arrays = {name: everything[name] for name in (*VALUES, "outcome")}

    def run(self) -> None:
        for number, device in enumerate(self.spec.devices):
            self._one(number, device)

    def abandon(self) -> None:
        outcome = self.arrays["outcome"]
        pending = outcome == Outcome.PENDING
        outcome[pending] = Outcome.CANCELLED
        self.job.count(Outcome.CANCELLED, int(pending.sum()))

    def _one(self, number: int, device: str) -> None:
        window = self.job.station.window(device)
        goal = window.hrs if self.spec.state == "HRS" else window.lrs
        drive = drive_of(self.job.station.bench, window)
        ends: list[messages.Report] = []
        began = time.perf_counter()
        with self.job.visit(device, "initialise", ends) as plant:
            visit = plant.visit
            visit.target = number
            outcome, error = Outcome.INTERRUPTED, math.nan
            try:
                attempt = initialise(
                    plant, goal, drive, self.spec.max_pulses, window=(window.lrs, window.hrs)
                )  # fmt: skip
                outcome, error = attempt.outcome, attempt.stderr
            except Ended as ended:
                outcome = ended.outcome
            except Cancelled:
                outcome = Outcome.CANCELLED
                raise
            finally:
                achieved = math.nan if visit.resistance is None else visit.resistance
                wall = time.perf_counter() - began
                values = (visit.pulses, visit.reads, achieved, error, visit.energy, visit.rig_time, wall)
                for name, value in zip(VALUES, values, strict=True):
                    self.arrays[name][number] = value
                self.arrays["outcome"][number] = outcome
                visit.outcome(number, int(outcome), *values)
                self.job.count(outcome)
                ends.append(device_event(self.job.job_id, plant, Counter([outcome])))


class CalibrateRun:
    """Measures a feedforward table, or fits it to trains that are `given`. `arrays`: those of the table, empty until
    there is one."""

    def __init__(
        self, job: Job, spec: wire.Calibrate, given: list[Train], taken: Mapping[int, Train] | None = None
    ) -> None:
        self.job = job
        self.spec = spec
        self.given = given
        self.taken = taken or {}  # trains of calibrations that this one goes on with, by their stage
        self.arrays: wire.Arrays = {}
        self.table: wire.TableInfo | None = None
        self._visits = contextlib.ExitStack()
        self._plant: RigPlant | None = None
        self._outcome = Outcome.VERIFIED

    def run(self) -> None:
        station, spec = self.job.station, self.spec
        window, now = station.window(spec.device), station.ledger.clock()
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        drive = drive_of(station.bench, window)
        with self._visits, self._told_as():
            table = measure(
                self._plant_of,
                spec,
                (window.lrs, window.hrs),
                version=f"{spec.device}-{stamp}-{self.job.job_id[:6]}",
                created=now,
                level=2.0 * window.half_level,
                given=self.given,
                drive=drive,
                strong=strong(station, spec.device, drive.voltage, spec.width),
                progress=self._progressed,
                failed=self._failed,
                taken=self.taken,
            )
        station.add_table(table)
        self.arrays, self.table = table.arrays(), table.info

    def abandon(self) -> None:
        """A calibration that was not finished leaves no table; its pulses are in the record."""

    @contextlib.contextmanager
    def _told_as(self) -> Iterator[None]:
        """How the device in hand ends when the calibration does not go to its end."""
        try:
            yield
        except BaseException as error:
            self._outcome = Outcome.CANCELLED if isinstance(error, Cancelled) else Outcome.INTERRUPTED
            if isinstance(error, CalibrationFailed):
                self._outcome = error.outcome
            raise

    def _plant_of(self, device: str) -> CalibratedPlant:
        self._visits.close()
        ends: list[messages.Report] = []
        self._outcome = Outcome.VERIFIED
        self._plant = plant = self._visits.enter_context(self.job.visit(device, "calibrate", ends))
        self._visits.callback(
            lambda: ends.append(device_event(self.job.job_id, plant, Counter([self._outcome])))
        )  # before the visit closes
        return CalibratedPlant(plant)

    def _progressed(self, progress: Progress) -> None:
        self.job.done, self.job.total = progress.done, progress.total
        if self._plant is not None:
            visit, stage = self._plant.visit, progress.done - 1
            if progress.stage in ("potentiation", "depression") and stage not in self.taken:  # complete, for good
                unknown = [math.nan] * 4  # what belongs to the visit as a whole
                visit.outcome(stage, Outcome.VERIFIED, progress.pulses, progress.pulses, progress.resistance, *unknown)
            visit.target = progress.done  # the stage that its next events belong to

    def _failed(self, device: str, outcome: Outcome) -> None:
        self._outcome = outcome
        self.job.outcomes[outcome.name.lower()] += 1


class CalibratedPlant:
    """A plant whose early end is the calibration's: Ended becomes CalibrationFailed."""

    def __init__(self, plant: RigPlant) -> None:
        self._plant = plant

    @property
    def scatter(self) -> tuple[float, int]:
        return self._plant.scatter

    def read(self, readings: int) -> float:
        with self._ends():
            return self._plant.read(readings)

    def apply(self, voltage: float, width: float, readings: int) -> float:
        with self._ends():
            return self._plant.apply(voltage, width, readings)

    def wait(self, duration: float) -> None:
        self._plant.wait(duration)

    @contextlib.contextmanager
    def _ends(self) -> Iterator[None]:
        try:
            yield
        except Ended as ended:
            raise CalibrationFailed(self._plant.visit.device, ended.outcome, str(ended)) from ended
