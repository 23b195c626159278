"""Units at the edge: what people write ("uS", "kohm") to and from ohm. Inside, everything is ohm."""

from __future__ import annotations

import difflib
import re
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from rheostat.errors import InputError, UnitError

Array = npt.NDArray[np.float64]

# Factors are kept as exact powers of ten to multiply or divide by, so that 1 uS is exactly the float nearest to 1e-6 S.
_PREFIXES = {"": 0, "p": -12, "n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9}
_BASES = {"ohm": "ohm", "S": "S"}
UNITS = tuple(prefix + base for base in _BASES for prefix in _PREFIXES)
WEIGHT = "weight"

_SPELLINGS = str.maketrans({"µ": "u", "μ": "u"})  # micro sign and Greek mu
_OHMS = ("ohms", "Ohms", "Ohm", "Ω", "Ω")  # the last two: ohm sign, Greek Omega


def parse(unit: str) -> tuple[str, int]:
    """(base, power of ten) of a unit: "kohm" -> ("ohm", 3), "µS" -> ("S", -6). Raises UnitError with near names."""
    plain = unit.strip().translate(_SPELLINGS)
    for spelling in _OHMS:
        if plain.endswith(spelling):
            plain = plain.removesuffix(spelling) + "ohm"
            break
    for base in _BASES:
        prefix = plain.removesuffix(base)
        if plain.endswith(base) and prefix in _PREFIXES:
            return base, _PREFIXES[prefix]
    near = difflib.get_close_matches(plain, UNITS, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "known: ohm and S, with p n u m k M G before them"
    raise UnitError(f"unknown unit {unit!r}; {hint}")


def split(text: str) -> tuple[float, str]:
    """Number and unit of a quantity: "20 uS" -> (20.0, "uS"); without a unit it is ohm. Raises UnitError."""
    match = re.fullmatch(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\D*?)\s*", text)
    if match is None:
        raise UnitError(f"{text!r} is not a number with a unit, like '20 uS' or '0.1 ohm'")
    return float(match[1]), match[2] or "ohm"


def to_ohm(values: Any, unit: str = "ohm") -> Array:
    """Resistances in ohm, shape kept. Conductances must be positive. Raises InputError, UnitError."""
    base, power = parse(unit)
    array = np.asarray(values, dtype=np.float64)
    if base == "ohm":
        return _scale(array, power)
    if np.any(array <= 0):
        raise InputError(f"a conductance must be positive, got {float(array.min()):g} {unit}")
    return 1.0 / _scale(array, power)


def from_ohm(resistance: Any, unit: str = "ohm") -> Array:
    """What `to_ohm` takes: resistances (ohm, any shape) in `unit`. An open circuit (inf) is 0 S."""
    base, power = parse(unit)
    array = np.asarray(resistance, dtype=np.float64)
    if base == "ohm":
        return _scale(array, -power)
    with np.errstate(divide="ignore"):
        return _scale(1.0 / array, -power)


def _scale(array: Array, power: int) -> Array:
    scaled: Array = array * 10.0**power if power >= 0 else array / 10.0**-power
    return scaled


def engineering(value: float, unit: str) -> str:
    """A number for people: 0.00314 J -> "3.14 mJ"; three significant digits."""
    if not np.isfinite(value) or value == 0:
        return f"{value:g} {unit}"
    power = int(np.clip(np.floor(np.log10(abs(value)) / 3) * 3, -12, 9))
    prefix = next(name for name, exponent in _PREFIXES.items() if exponent == power)
    return f"{value / 10.0**power:.3g} {prefix}{unit}"


def duration(seconds: float) -> str:
    """A time for people: 0.8 s, 3 min 20 s, 7 h 24 min, 5 d 3 h."""
    if not np.isfinite(seconds):
        return "?"
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


def time_of_day(unix: float, now: float | None = None) -> str:
    """A moment for people: "14:05", with its date unless that is today's; `now`: unix time, s."""
    then, today = time.localtime(unix), time.localtime(now)
    same = then[:3] == today[:3]
    return time.strftime("%H:%M" if same else "%H:%M on %Y-%m-%d", then)
