"""A rig that answers from a script: what devices do is given, so that every outcome can be had without waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from rheostat import results, wire
from rheostat.results import ProgramResult


class ScriptedJob:
    def __init__(self, result: ProgramResult) -> None:
        self._result = result
        self.cancelled = False

    def follow(self) -> Iterator[wire.Event]:
        for sequence, name in enumerate(("job.started", "job.progress", "job.finished")):
            yield wire.Event(sequence=sequence, time=0.0, name=name, job_id="j")

    def progress(self) -> wire.Job:
        return self._result.job if not self.cancelled else wire.Job(job_id="j", kind="program", state="cancelled")

    def result(self) -> ProgramResult:
        return self._result

    def cancel(self) -> None:
        self.cancelled = True


class ScriptedRig:
    """`behaviour(targets) -> (achieved, outcome)`, both (n,)."""

    def __init__(self, behaviour: Callable[[Any], tuple[Any, Any]], window: tuple[float, float]) -> None:
        self.behaviour = behaviour
        self.window = window
        self.asked: dict[str, Any] = {}
        self.job: ScriptedJob | None = None

    def devices(self) -> tuple[wire.Device, ...]:
        names = ("A1", "A2", "B1")
        return tuple(wire.Device(name=n, kind="tio2x-4t", channels={}, window=self.window) for n in names)

    def program(self, targets: Any, devices: Any, **options: Any) -> ScriptedJob:
        self.asked = {"targets": targets, "devices": devices, **options}
        achieved, outcome = self.behaviour(targets)
        names = tuple(dict.fromkeys(devices))
        n = len(targets)
        arrays = {
            "targets": targets,
            "device": np.array([names.index(d) for d in devices], dtype=np.int32),
            "achieved": achieved,
            "uncertainty": np.full(n, 0.01),
            "outcome": np.asarray(outcome, dtype=np.uint8),
            "pulses": np.full(n, 10, dtype=np.int32),
            "reads": np.full(n, 11, dtype=np.int32),
            "energy": np.full(n, 0.01),
            "rig_time": np.full(n, 9.0),
            "wall_time": np.full(n, 0.001),
        }
        job = wire.Job(
            job_id="j",
            kind="program",
            state=wire.JobState.DONE,
            started=1.0,
            finished=3.0,
            total=n,
            done=n,
            pulses=10 * n,
            reads=11 * n,
            energy=0.01 * n,
            rig_time=9.0 * n,
        )
        reply = wire.Result(job=job, devices=names, provenance={"table": "t1", "seeds": {"die": 2025}})
        self.job = ScriptedJob(results.build(reply, arrays))
        return self.job


@pytest.fixture
def scripted_rig() -> Callable[..., ScriptedRig]:
    def make(behaviour: Any = None, window: tuple[float, float] = (740.0, 880.0)) -> ScriptedRig:
        perfect = lambda targets: (targets.copy(), np.full(len(targets), wire.Outcome.VERIFIED))  # noqa: E731
        return ScriptedRig(behaviour or perfect, window)

    return make
