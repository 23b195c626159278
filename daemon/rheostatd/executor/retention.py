"""The job "retention": readings at given times, in slices. Between them the rig is free, and other jobs run.

A slice reads what is due and ends; what it has read goes to the service, which starts the next slice with it when
that is due. So the job outlives any process: a slice that was cut off is done again, and what is read late says so in
`elapsed`. Time is that of the service's clock, or, where the bench's time is virtual, that of the bench.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from rheostat import wire
from rheostatd import messages
from rheostatd.executor.job import Job
from rheostatd.executor.plant import Ended

ORIGIN, SPENT = f"{messages.KEPT}origin", f"{messages.KEPT}spent"
EARLY = 1e-3  # s before its time that a reading may be taken: less than timers tell


class RetentionRun:
    """One slice. `arrays`: those of the result and, under names that begin with messages.KEPT, what the next slice goes
    on with: the time of each device's first reading, and reads, seconds and unclear readings so far.

    kept: the arrays that the slice before has ended with, none for the first; now: s that the bench's clock shows, if
    its time is virtual.
    """

    def __init__(self, job: Job, spec: wire.Retention, kept: wire.Arrays, now: float | None) -> None:
        self.job = job
        self.spec = spec
        shape = (len(spec.devices), len(spec.times))
        self.arrays: wire.Arrays = {"times": np.array(spec.times)}
        for name in ("elapsed", "resistance", "error"):
            self.arrays[name] = np.array(kept.get(name, np.full(shape, math.nan)))
        self._origin = np.array(kept.get(ORIGIN, np.full(len(spec.devices), math.nan)))
        self._now = self._clock(now)
        reads, self._spent_before, unclear = kept.get(SPENT, np.zeros(3)).tolist()
        job.reads, job.rig_time, job.done = int(reads), self._spent_before, self._done
        if unclear:
            job.outcomes["unclear"] = int(unclear)

    @property
    def _done(self) -> int:
        return int(np.isfinite(self.arrays["elapsed"]).sum())

    @property
    def due(self) -> float | None:
        """When it goes on, on the clock of the job; None: everything is read."""
        due = float(self._due().min())
        return None if due == math.inf else due if due > -math.inf else self._now()

    def run(self) -> None:
        while True:
            due = self._due()
            first = int(np.argmin(due))
            if not due[first] <= self._now() + EARLY:
                break
            self._read(first, int(np.argmax(np.isnan(self.arrays["elapsed"][first]))))
        self.keep()

    def abandon(self) -> None:
        """What was not read stays nan."""
        self.keep()

    def keep(self) -> None:
        """Notes what the next slice needs."""
        unclear = float(self.job.outcomes["unclear"])
        self.arrays[ORIGIN] = self._origin
        self.arrays[SPENT] = np.array([float(self.job.reads), self.job.rig_time, unclear])

    def _due(self) -> wire.Array:
        """When each device is due, (n_devices,) s; inf where everything is read."""
        missing = np.isnan(self.arrays["elapsed"])
        times = np.where(missing, self.arrays["times"], math.inf).min(axis=1)
        return np.asarray(np.where(np.isnan(self._origin), -math.inf, self._origin + times))

    def _read(self, number: int, place: int) -> None:
        spec, device = self.spec, self.spec.devices[number]
        ends: list[messages.Report] = []
        with self.job.visit(device, "retention", ends, pulses=False) as plant:
            plant.visit.target = place
            try:
                plant.read(spec.readings)
            except Ended:  # a short, or a channel in compliance: the readings say so too
                self.job.outcomes["unclear"] += 1
            now = self._now()
            if math.isnan(self._origin[number]):
                self._origin[number] = now
            readings = np.array(plant.newest)
            self.arrays["elapsed"][number, place] = now - self._origin[number]
            self.arrays["resistance"][number, place] = readings.mean()
            if len(readings) > 1 and np.isfinite(readings).all():
                self.arrays["error"][number, place] = readings.std(ddof=1) / math.sqrt(len(readings))
            data = {"device": device, "resistance_ohm": plant.visit.resistance, "reads": plant.visit.reads}
            ends.append(messages.Happened("device.read", self.job.job_id, data))
        self.job.done = self._done

    def _clock(self, now: float | None) -> Callable[[], float]:
        if now is None:
            return self.job.station.ledger.clock
        begun = now

        def bench_time() -> float:
            return float(begun + self.job.progress().rig_time - self._spent_before)

        return bench_time
