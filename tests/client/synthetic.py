"""Results of the measuring jobs, as a daemon would send them: made up, of any shape, whole or ended early."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from rheostat import results, wire
from rheostat.wire import Outcome

SPECS: dict[str, wire.Spec] = {
    "iv_loops": wire.IvLoops(devices=("A1", "B2"), voltages=(0.0, 3.0, 0.0, -3.0), loops=3, dwell=4.0),
    "identical_pulses": wire.IdenticalPulses(
        devices=("A1", "B2"), voltages=(0.5, 2.0, 6.0), pulses=5, repetitions=2, width=0.8
    ),
    "staircase": wire.Staircase(devices=("A1", "B2"), cycles=3),
    "retention": wire.Retention(devices=("A1", "B2"), times=(0.0, 60.0, 3600.0)),
    "check_table": wire.CheckTable(devices=("A1", "B2"), pulses=8),
    "calibrate": wire.Calibrate(device="A1", voltages=(1.0, 2.0)),
}


def arrays_of(spec: wire.Spec, rng: np.random.Generator, done: float = 1.0) -> wire.Arrays:
    """`done`: share of the stages that were finished; one stage after them was broken off."""
    match spec:
        case wire.IvLoops():
            shape = (len(spec.devices), spec.loops, len(spec.voltages))
            arrays = {"resistance": 800.0 + rng.normal(0, 20, shape), "current": rng.normal(0, 0.02, shape)}
            arrays["energy"] = rng.uniform(0, 1, shape)
            _end_early(arrays, shape[:2], done, rng)
            return {"voltage": np.array(spec.voltages), **arrays}
        case wire.IdenticalPulses():
            return _trains(spec, rng, done)
        case wire.Staircase():
            return _sweeps(spec, rng, done)
        case wire.Retention():
            shape = (len(spec.devices), len(spec.times))
            arrays = {"elapsed": np.array(spec.times) + rng.uniform(0, 1, shape), "error": np.full(shape, 0.01)}
            arrays["resistance"] = 800.0 + rng.normal(0, 1, shape)
            for array in arrays.values():
                array[:, round(done * shape[1]) :] = np.nan
            return {"times": np.array(spec.times), **arrays}
        case wire.CheckTable():
            count = len(spec.devices)
            shape = (count, 2, spec.pulses // 2)
            predicted = np.full(shape, 0.26)
            arrays = {"predicted": predicted, "measured": predicted + rng.normal(0, 0.05, shape)}
            arrays |= {"gain": np.full((count, 2), 0.98), "gain_error": np.full((count, 2), 0.03)}
            _end_early(arrays, (count,), done, rng)
            fits = (np.isfinite(arrays["gain"]).all(axis=1)).astype(np.uint8)
            return {**arrays, "expected": np.ones((count, 2)), "fits": fits}
        case wire.Calibrate():
            shape = (2, 3)
            maps = {name: rng.uniform(0, 1, shape) for name in ("potentiation", "depression")}
            errors = {f"{name}_error": np.full(shape, 0.01) for name in maps}
            axes = {"voltages": np.array([1.0, 2.0]), "resistances": np.array([740.0, 800.0, 880.0])}
            return {**axes, **maps, **errors}
    raise ValueError(spec)


def reply_of(spec: wire.Spec, done: float = 1.0, **told: Any) -> wire.Result:
    kind = msgspec.to_builtins(spec)["op"]
    asked = {key: value for key, value in msgspec.to_builtins(spec).items() if key != "op"}
    state = wire.JobState.DONE if done == 1.0 else wire.JobState.CANCELLED
    job = wire.Job(job_id="j-1", kind=kind, state=state, started=1.0, finished=3.0, total=2, done=2)
    devices = getattr(spec, "devices", None) or (spec.device,)  # type: ignore[union-attr]
    return wire.Result(job=job, devices=devices, provenance={"kind": kind, "spec": asked, **told})


def result_of(kind: str, done: float = 1.0, seed: int = 1, spec: wire.Spec | None = None, **told: Any) -> Any:
    spec = spec or SPECS[kind]
    return results.build(reply_of(spec, done, **told), arrays_of(spec, np.random.default_rng(seed), done))


def _end_early(arrays: wire.Arrays, stages: tuple[int, ...], done: float, rng: np.random.Generator) -> None:
    """nan in what was not reached; in the stage that was broken off, behind any place."""
    total = int(np.prod(stages))
    first = round(done * total)
    for array in arrays.values():
        flat = array.reshape(total, -1)
        flat[first + 1 :] = np.nan
        if first < total:
            flat[first, int(rng.integers(flat.shape[1])) :] = np.nan


def _outcomes(total: int, done: float) -> wire.Array:
    first = round(done * total)
    outcome = np.full(total, Outcome.PENDING, np.uint8)
    outcome[:first] = Outcome.VERIFIED
    outcome[first : first + 1] = Outcome.INTERRUPTED
    return outcome


def _trains(spec: wire.IdenticalPulses, rng: np.random.Generator, done: float) -> wire.Arrays:
    shape = (len(spec.devices), 2, len(spec.voltages), spec.repetitions)
    total = int(np.prod(shape))
    steps = rng.uniform(0.0, 0.3, (*shape, spec.pulses + 1)).cumsum(axis=-1)
    arrays = {"resistance": 880.0 - steps, "stroke": rng.uniform(1, 100, shape)}
    arrays["resistance"][:, 1] = 740.0 + steps[:, 1]
    _end_early(arrays, shape, done, rng)
    energy = np.where(np.isnan(arrays["stroke"]), 0.0, 1.0)
    outcome = _outcomes(total, done).reshape(shape)
    return {"voltages": np.array(spec.voltages), **arrays, "energy": energy, "outcome": outcome}


def _sweeps(spec: wire.Staircase, rng: np.random.Generator, done: float) -> wire.Arrays:
    shape = (len(spec.devices), spec.cycles, 2)
    total = int(np.prod(shape))
    first = round(done * total)
    counts = rng.integers(1, 9, total).astype(np.int32)
    counts[first + 1 :] = 0
    counts[first : first + 1] //= 2
    direction = np.repeat(np.tile([1.0, -1.0], total // 2), counts)
    n = int(counts.sum())
    return {
        "counts": counts.reshape(shape),
        "final": np.where(counts > 0, rng.uniform(740, 880, total), np.nan).reshape(shape),
        "outcome": _outcomes(total, done).reshape(shape),
        "resistance": rng.uniform(740, 880, n),
        "voltage": direction * rng.uniform(0.5, 7, n),
        "energy": rng.uniform(0, 0.2, n),
    }
