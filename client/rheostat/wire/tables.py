"""Feedforward tables: what a calibration gives and the feedforward scheme looks up."""

from __future__ import annotations

import math
from typing import ClassVar

import msgspec
import numpy as np

from rheostat.wire.base import Array, Arrays, WireError


class TableInfo(msgspec.Struct, frozen=True, kw_only=True):
    """`width`: s; `window`: LRS, HRS ohm; `gains`: device -> (potentiation, depression) relative to `device`."""

    version: str
    device: str
    created: float  # unix time, s
    width: float
    window: tuple[float, float]
    gains: dict[str, tuple[float, float]]
    step: tuple[float, float] = (0.262, 0.2405)  # ohm per pulse aimed at, potentiation and depression
    bounds: tuple[float, float] = (0.1, 0.3)  # ohm, bounds of a predicted step
    noise: float = 0.0  # ohm rms of one reading, measured during the calibration


class FeedforwardTable:
    """The calibrated dR(V, R) of one device and the gains of others: what the feedforward scheme looks up.

    info: TableInfo; voltages (a,) f8 V, positive, rising; resistances (m,) f8 ohm, rising;
    potentiation (a, m) f8 ohm: fall of resistance by one pulse of +voltages[a] at resistances[m], >= 0;
    depression (a, m) f8 ohm: rise by one pulse of -voltages[a], >= 0. Both non-decreasing along a;
    potentiation_error, depression_error (a, m) f8 ohm: standard errors of the two; nan where they are not known.
    """

    ARRAYS: ClassVar[tuple[str, ...]] = ("voltages", "resistances", "potentiation", "depression")
    ERRORS: ClassVar[tuple[str, ...]] = ("potentiation_error", "depression_error")

    def __init__(
        self,
        info: TableInfo,
        voltages: Array,
        resistances: Array,
        potentiation: Array,
        depression: Array,
        potentiation_error: Array | None = None,
        depression_error: Array | None = None,
    ):
        shape = (len(voltages), len(resistances))
        unknown = np.full(shape, math.nan)
        self.potentiation_error = unknown if potentiation_error is None else potentiation_error
        self.depression_error = unknown if depression_error is None else depression_error
        maps = (potentiation, depression, self.potentiation_error, self.depression_error)
        if any(each.shape != shape for each in maps):
            raise WireError(f"feedforward table: dR and its errors must have shape {shape}")
        self.info = info
        self.voltages = voltages
        self.resistances = resistances
        self.potentiation = potentiation
        self.depression = depression

    def __repr__(self) -> str:
        others = len(self.info.gains) - 1
        return (
            f"<FeedforwardTable {self.info.version}: dR(V, R) of {self.info.device}, gains of {others} others; "
            f"{len(self.voltages)} voltages x {len(self.resistances)} resistances>"
        )

    def arrays(self) -> Arrays:
        return {name: getattr(self, name) for name in (*self.ARRAYS, *self.ERRORS)}

    @classmethod
    def from_arrays(cls, info: TableInfo, arrays: Arrays) -> FeedforwardTable:
        return cls(info, *(arrays[name] for name in cls.ARRAYS), *(arrays.get(name) for name in cls.ERRORS))
