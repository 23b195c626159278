"""What a scheme is: a scalar policy on flat float64 vectors, compiled by numba and the same on every plant.

    step(params, shared, state, target, reading, readings) -> (action, voltage, width, readings)

params: the settings, packed from the scheme's frozen dataclass and the task; shared: what the devices of a die have
in common (the packed feedforward table), read-only; state: (state_size,) what the scheme remembers of one device,
zeros before its first target, changed in place and kept from one target of a device to the next within one routing;
target: ohm; reading: mean of the newest readings, ohm, inf for an open circuit; readings: how many, 0 (with any
reading) when there are none yet, as in the first step of a target.
The answer says what to do next: PULSE (a write pulse of `voltage` and `width`, then `readings` readings), READ (only
`readings` readings more), WAIT (`width` s, then readings), ACCEPT, or GIVE_UP + an outcome's number.
`begin(params, state, target)` is called once before the first step of each target.

The same function is driven one device at a time on instruments, printed for a dry run, and fused with a device model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rheostat.curves import Sweep
from rheostat.wire import FeedforwardTable

Vector = npt.NDArray[np.float64]

PULSE = 0
READ = 1
WAIT = 2
ACCEPT = 3
GIVE_UP = 16  # + wire.Outcome

Step = Callable[[Vector, Vector, Vector, float, float, int], tuple[int, float, float, int]]
Begin = Callable[[Vector, Vector, float], None]


@dataclass(frozen=True)
class Scheme:
    """A named policy. `settings` is its frozen dataclass: field names are the parameters a client may give.

    `pack(settings, task)` gives (params, shared). `estimate(state)` gives (mean, standard error) of the true
    resistance in ohm from the readings since the last write pulse.
    """

    name: str
    settings: type[Any]
    state_size: int
    pack: Callable[[Any, Task], tuple[Vector, Vector]]
    begin: Begin
    step: Step
    estimate: Callable[[Vector], tuple[float, float]]


@dataclass(frozen=True)
class Task:
    """What every scheme is told beside its own settings. ohm, V, s."""

    tolerance: float  # half the width of the accepted band
    confidence: float
    window: tuple[float, float]  # LRS, HRS
    noise: float  # rms of one reading, as measured
    max_voltage: float
    max_width: float
    table: FeedforwardTable | None = None
    gains: tuple[float, float] = (1.0, 1.0)  # of this device, potentiation and depression
    sweeps: tuple[Sweep, Sweep] | None = None  # measured feedforward sweeps, potentiation and depression


class Plant(Protocol):
    """What a scheme is driven on: one device, routed. Resistances are means in ohm, inf for an open circuit.

    A plant that sees what no reading shows (a channel in compliance) raises an exception of its own: it passes
    through the scheme and through `drive`.
    """

    @property
    def scatter(self) -> tuple[float, int]:
        """Of the newest readings around their mean: sum of squares in ohm^2, degrees of freedom; (0, 0) where there was
        one reading or only the mean is known."""
        ...

    def read(self, readings: int) -> float: ...

    def apply(self, voltage: float, width: float, readings: int) -> float: ...

    def wait(self, duration: float) -> None: ...
