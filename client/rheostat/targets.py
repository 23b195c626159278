"""What people hand in as targets and devices, checked and brought to the form of the wire. Pure; torch not imported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from rheostat import units
from rheostat.errors import InputError

Array = npt.NDArray[Any]


class WeightMapping(Protocol):
    """What turns weights into resistances and back, for example `rheostat.weights.mapping.Mapping`.

    weights: any shape; resistances: ohm, a shape of the mapping's own (a differential pair has one axis more). One
    with a `fit(weights)`, which gives the mapping for these weights, is fitted first.
    """

    def to_resistance(self, weights: Any) -> Any: ...

    def from_resistance(self, resistance: Any) -> Any: ...


@dataclass(frozen=True)
class Targets:
    """Resistances asked for, ohm, any shape; `mapping` when they were given as weights."""

    resistance: npt.NDArray[np.float64]
    unit: str
    mapping: WeightMapping | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.resistance.shape


def as_array(values: Any, what: str = "targets") -> npt.NDArray[np.float64]:
    """Numbers as float64, shape kept: numpy arrays, nested lists, scalars, torch tensors on any device.

    Raises InputError for ragged lists, text, complex numbers, and for nan or inf, naming the first place.
    """
    plain = values
    for step in ("detach", "cpu", "double", "numpy"):  # a torch tensor, known by its methods; bfloat16 needs double()
        if hasattr(values, "detach") and hasattr(plain, step):
            plain = getattr(plain, step)()
    try:
        raw = np.asarray(plain)
    except ValueError as error:
        raise InputError(f"{what}: the nested lists are not of the same lengths ({error})") from error
    if raw.dtype.kind not in "fiu":
        raise InputError(f"{what} must be real numbers, got {raw.dtype} ({type(values).__name__})")
    array = np.array(raw, dtype=np.float64, order="C")
    if array.size == 0:
        raise InputError(f"{what}: none given (shape {array.shape})")
    _refuse(~np.isfinite(array), array, what, "must be finite")
    return array


def convert(values: Any, unit: str = "ohm", mapping: WeightMapping | None = None) -> Targets:
    """Targets in ohm from ohm, siemens or, with a `mapping`, weights. Raises InputError, UnitError."""
    if mapping is None:
        if unit == units.WEIGHT:
            raise InputError('unit "weight" needs a mapping (see rheostat.Mapping)')
        units.parse(unit)
        array = as_array(values)
        _refuse(array <= 0, array, "targets", f"must be positive {unit}")
        return Targets(units.to_ohm(array, unit), unit)
    if unit not in (units.WEIGHT, "ohm"):
        raise InputError(f"targets with a mapping are weights: leave out unit={unit!r}")
    missing = [name for name in ("to_resistance", "from_resistance") if not hasattr(mapping, name)]
    if missing:
        raise InputError(f"mapping {type(mapping).__name__} has no {' and no '.join(missing)}")
    weights = as_array(values, "weights")
    if hasattr(mapping, "fit"):  # a mapping that takes its range from the weights
        mapping = cast("WeightMapping", mapping.fit(weights))
    resistance = as_array(mapping.to_resistance(weights), "resistances of the mapping")
    _refuse(resistance <= 0, resistance, "resistances of the mapping", "must be positive ohm")
    return Targets(resistance, units.WEIGHT, mapping)


def tolerances(given: Any, targets: Targets) -> npt.NDArray[np.float64]:
    """Half the accepted bands, ohm: one number, or one for each target (their shape).

    given: ohm, a number or an array that broadcasts to the targets; or a text with its unit, "0.1 ohm" or "20 uS":
    a conductance means another band in ohm at each resistance, R^2 dG. Raises InputError, UnitError.
    """
    if isinstance(given, str):
        number, unit = units.split(given)
        if number > 0 and units.parse(unit)[0] == "S":
            return _bands(targets.resistance**2 / units.to_ohm(number, unit))
        given = float(units.to_ohm(number, unit)) if number > 0 else number
    array = as_array(given, "tolerance") if np.ndim(given) else np.asarray(given, dtype=np.float64)
    if array.ndim == 0:
        return _bands(array)
    try:
        each = np.array(np.broadcast_to(array, targets.shape))
    except ValueError:
        raise InputError(f"tolerance of shape {array.shape} does not fit targets of shape {targets.shape}") from None
    return _bands(each)


def _bands(ohm: Any) -> npt.NDArray[np.float64]:
    bands = np.asarray(ohm, dtype=np.float64)
    if not np.all((bands > 0) & np.isfinite(bands)):
        raise InputError(f"tolerance must be a positive number, got {bands.min():g}")
    return bands


def names(devices: Any) -> list[str]:
    """Device names as a flat list, C order: "A1", ["A1", "A2"], an array of names. Raises InputError."""
    if isinstance(devices, str):
        return [devices]
    flat = np.asarray(devices, dtype=object).reshape(-1).tolist()
    flat = [name.item() if isinstance(name, np.str_) else name for name in flat]
    wrong = [name for name in flat if not isinstance(name, str) or not name]
    if wrong:
        raise InputError(f"devices must be names such as 'A1', got {wrong[0]!r}")
    if not flat:
        raise InputError("devices: none named")
    return flat


def deal(
    shape: tuple[int, ...], devices: Any, available: Sequence[str]
) -> tuple[tuple[str, ...], npt.NDArray[np.int32]]:
    """Which device each target goes to: (names used, index into them of each target, (n,) i4 in C order).

    `devices` is one name for all targets; an array of two axes or more that broadcasts to `shape`; or a flat list,
    dealt to the targets in turn (the i-th target goes to the i-th name modulo their number) and no longer than the
    targets are many; None deals them to all `available` devices.
    """
    count = int(np.prod(shape, dtype=np.int64))
    if devices is None:
        dealt = np.resize(np.array(list(available)[:count], dtype=object), count)
    else:
        flat = names(devices)
        axes = () if isinstance(devices, str) else np.shape(np.asarray(devices, dtype=object))
        if len(axes) >= 2:
            try:
                dealt = np.broadcast_to(np.array(flat, dtype=object).reshape(axes), shape).reshape(-1)
            except ValueError as error:
                raise InputError(f"devices of shape {axes} do not fit targets of shape {shape}") from error
        elif len(flat) > count:
            raise InputError(f"{len(flat)} devices named for {count} target{'s' * (count != 1)}: name at most one each")
        else:
            dealt = np.resize(np.array(flat, dtype=object), count)
    used = tuple(dict.fromkeys(dealt.tolist()))
    position = {name: index for index, name in enumerate(used)}
    return used, np.array([position[name] for name in dealt], dtype=np.int32)


def _refuse(wrong: npt.NDArray[np.bool_], array: Array, what: str, rule: str) -> None:
    if not wrong.any():
        return
    place = tuple(int(axis[0]) for axis in np.nonzero(np.atleast_1d(wrong)))
    where = f"[{', '.join(map(str, place))}]" if array.ndim else ""
    raise InputError(
        f"{what} {rule}: {what}{where} is {np.atleast_1d(array)[place]:g} ({int(wrong.sum())} of {array.size})"
    )
