"""Weights <-> resistances of a window, one device a weight: scaling, clipping and uniform levels. Pure numpy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from rheostat.errors import InputError

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LINEAR = ("resistance", "conductance")


class MappingError(InputError):
    """A mapping that cannot be, or weights that it cannot take."""

    code = "client.bad_mapping"


@dataclass(frozen=True, slots=True)
class Mapping:
    """One device a weight; `levels` uniform levels over the window, both ends included.

    Every weight has a *position* between -1 and +1: the weight divided by its layer's scale. Position -1 is HRS and +1
    is LRS, so that conductance rises with the weight. Diao 2025 ("Weight transfer") writes HRS and LRS to [-4, 4] in
    that order, linear in resistance.

    window: LRS, HRS in ohm, LRS < HRS.
    levels: n >= 2. An odd n has a level at weight zero, an even n has none (`has_zero`).
    weight_range: the scale, 4.0 in the paper. None, the default, scales every layer by its own largest |w|, found by
        `fit`: trained weights stay far inside +-4, and a literal +-4 wastes about two bits.
    linear: "resistance": levels evenly spaced in ohm (the paper); "conductance": evenly spaced in siemens.
    clip: weights outside the range are moved to its end; False: they raise MappingError.
    """

    window: tuple[float, float] = (740.0, 880.0)
    levels: int = 512
    weight_range: float | None = None
    linear: Literal["resistance", "conductance"] = "resistance"
    clip: bool = True

    def __post_init__(self) -> None:
        lrs, hrs = self.window
        if not (np.isfinite(lrs) and np.isfinite(hrs) and 0.0 < lrs < hrs):
            raise MappingError(f"window: LRS and HRS in ohm with 0 < LRS < HRS are needed, not {self.window}")
        if self.levels != int(self.levels) or self.levels < 2:
            raise MappingError(f"levels: a whole number of at least 2 is needed, not {self.levels}")
        if self.weight_range is not None and not (np.isfinite(self.weight_range) and self.weight_range > 0.0):
            raise MappingError(f"weight_range: a positive number or None is needed, not {self.weight_range}")
        if self.linear not in LINEAR:
            raise MappingError(f"linear: one of {', '.join(LINEAR)} is needed, not {self.linear!r}")

    @property
    def has_zero(self) -> bool:
        """Whether one of the levels is weight zero: with an odd number of levels only."""
        return self.levels % 2 == 1

    @property
    def half_level(self) -> float:
        """Half the distance between neighbouring levels, ohm; in conductance mapping the smallest one, next to LRS."""
        resistances = self.level_resistances()
        return float(np.min(np.abs(np.diff(resistances)))) / 2.0

    @property
    def scale(self) -> float:
        """The weight at position +1. Raises MappingError as long as neither a range was given nor weights fitted."""
        if self.weight_range is None:
            raise MappingError(
                "this mapping has no range yet: give weight_range, or fit it to a layer with fit(weights)"
            )
        return self.weight_range

    def fit(self, weights: npt.ArrayLike) -> Mapping:
        """This mapping for a layer with these weights: scaled by the largest |w| unless it has a range already.

        A layer of zeros only has scale 1. Raises MappingError for NaN or infinite weights.
        """
        if self.weight_range is not None:
            return self
        values = _finite(weights)
        largest = float(np.max(np.abs(values))) if values.size else 0.0
        return replace(self, weight_range=largest if largest > 0.0 else 1.0)

    def clipped(self, weights: npt.ArrayLike) -> int:
        """How many weights lie outside the range."""
        return int(np.count_nonzero(np.abs(_finite(weights)) > self.scale))

    def level_of(self, weights: npt.ArrayLike) -> Integers:
        """The nearest level of each weight, 0 (-scale, HRS) to levels - 1 (+scale, LRS); the shape of `weights`.

        Raises MappingError for NaN or infinite weights, and for weights outside the range unless `clip`.
        """
        values = _finite(weights)
        if not self.clip and (outside := self.clipped(values)):
            raise MappingError(
                f"{outside} of {values.size} weights lie outside +-{self.scale:g}, the range of this mapping"
            )
        position = np.clip(values / self.scale, -1.0, 1.0)
        # Halves always round up; rint would take the even level.
        return np.floor((position + 1.0) / 2.0 * (self.levels - 1) + 0.5).astype(np.int64)

    def quantise(self, weights: npt.ArrayLike) -> Floats:
        """The weights at their nearest levels; the shape of `weights`."""
        return self._level_position(self.level_of(weights)) * self.scale

    def level_resistances(self) -> Floats:
        """The resistance of every level, (levels,) ohm, falling from HRS to LRS."""
        return self.resistance_at(self._level_position(np.arange(self.levels)))

    def to_resistance(self, weights: npt.ArrayLike) -> Floats:
        """The resistances of the weights' nearest levels, ohm; the shape of `weights`."""
        return self.resistance_at(self._level_position(self.level_of(weights)))

    def from_resistance(self, resistance: npt.ArrayLike) -> Floats:
        """The weights that resistances in ohm stand for; not quantised, not clipped."""
        return self.position_of(resistance) * self.scale

    def resistance_at(self, position: npt.ArrayLike) -> Floats:
        """The resistance at a position between -1 (HRS) and +1 (LRS), ohm."""
        lrs, hrs = self.window
        fraction = (np.asarray(position, dtype=np.float64) + 1.0) / 2.0
        if self.linear == "resistance":
            return hrs * (1.0 - fraction) + lrs * fraction
        return 1.0 / ((1.0 - fraction) / hrs + fraction / lrs)

    def position_of(self, resistance: npt.ArrayLike) -> Floats:
        """The position of a resistance in ohm: -1 at HRS, +1 at LRS, beyond them outside the window."""
        lrs, hrs = self.window
        ohm = np.asarray(resistance, dtype=np.float64)
        if self.linear == "resistance":
            return 2.0 * (hrs - ohm) / (hrs - lrs) - 1.0
        return 2.0 * (1.0 / ohm - 1.0 / hrs) / (1.0 / lrs - 1.0 / hrs) - 1.0

    def error_in_levels(self, achieved: npt.ArrayLike, target: npt.ArrayLike) -> Floats:
        """What achieved differs from target (both ohm) as weights, in units of one level; positive: a larger weight."""
        return (self.position_of(achieved) - self.position_of(target)) * (self.levels - 1) / 2.0

    def as_dict(self) -> dict[str, Any]:
        """For provenance and reports, with units in the keys."""
        return {
            "window_ohm": list(self.window),
            "levels": self.levels,
            "zero_level": self.has_zero,
            "weight_range": "layer's largest |w|" if self.weight_range is None else self.weight_range,
            "linear_in": self.linear,
        }

    def _level_position(self, level: Integers) -> Floats:
        return 2.0 * np.asarray(level, dtype=np.float64) / (self.levels - 1) - 1.0


def _finite(weights: npt.ArrayLike) -> Floats:
    values = np.asarray(weights, dtype=np.float64)
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad:
        raise MappingError(f"{bad} of {values.size} weights are NaN or infinite")
    return values
