"""Drives a scheme on a plant, one target at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from rheostat.wire import Outcome
from rheostatd.schemes import evidence
from rheostatd.schemes.policy import ACCEPT, GIVE_UP, PULSE, READ, WAIT, Plant, Scheme, Vector

Checkpoint = Callable[[float, float], Outcome | None]


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one target went. `estimate`: of the true resistance, ohm, and its standard error `stderr`, from the readings
    since the last write pulse (nan without any); `pulses`: write pulses; `reads`: readings."""

    outcome: Outcome
    estimate: float
    stderr: float
    pulses: int
    reads: int


def drive(
    scheme: Scheme,
    params: Vector,
    shared: Vector,
    state: Vector,
    target: float,
    plant: Plant,
    max_pulses: int,
    checkpoint: Checkpoint | None = None,
) -> Attempt:
    """Bring the plant's device to `target` (ohm) with at most `max_pulses` write pulses.

    `checkpoint(voltage, width)` is called before every write pulse; an outcome it returns (CANCELLED, LIMIT) ends the
    attempt without that pulse. It may block (pause) and may commit a lease. `state` is changed in place: zeros before
    the first target of a routing, kept from then on. Exceptions of plant and checkpoint pass through.
    """
    pulses = reads = 0
    reading, readings = math.nan, 0
    scheme.begin(params, state, target)
    while True:
        action, voltage, width, readings = scheme.step(params, shared, state, target, reading, readings)
        if action == PULSE:
            stop = Outcome.NOT_CONVERGED if pulses >= max_pulses else None
            if stop is None and checkpoint is not None:
                stop = checkpoint(voltage, width)
            if stop is not None:
                return _attempt(scheme, state, stop, pulses, reads)
            pulses += 1
            reading = plant.apply(voltage, width, readings)
        elif action == READ:
            reading = plant.read(readings)
        elif action == WAIT:
            plant.wait(width)
            reading = plant.read(readings)
        elif action == ACCEPT:
            return _attempt(scheme, state, Outcome.VERIFIED, pulses, reads)
        else:
            return _attempt(scheme, state, Outcome(action - GIVE_UP), pulses, reads)
        reads += readings
        evidence.scattered(params, state, *plant.scatter)


def _attempt(scheme: Scheme, state: Vector, outcome: Outcome, pulses: int, reads: int) -> Attempt:
    mean, error = scheme.estimate(state)
    return Attempt(outcome, mean, error, pulses, reads)
