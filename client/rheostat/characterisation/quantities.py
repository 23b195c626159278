"""Numbers with their units as files and people write them: "81.1 uS", 4.95(8)e-3, 240.7 mW."""

from __future__ import annotations

import math

from rheostat.errors import UnitError

PREFIXES = {"f": -15, "p": -12, "n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6}
BASES = ("ohm", "S", "W", "J", "V", "A", "s")
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
PLAIN = ("1", "%", "bit", "ohm", "s", "V")  # are shown without a prefix


def factor(unit: str) -> tuple[float, str]:
    """(what one of it is in SI, the SI unit): "uS" -> (1e-6, "S"). "1", "%" and "bit" stand for themselves."""
    if unit in ("1", "%", "bit"):
        return 1.0, unit
    for base in BASES:
        prefix = unit.removesuffix(base)
        if unit.endswith(base) and prefix in PREFIXES:
            return 10.0 ** PREFIXES[prefix], base
    prefixes = " ".join(filter(None, PREFIXES))
    raise UnitError(f"unknown unit {unit!r}; known: 1, %, bit, {', '.join(BASES)}, with {prefixes} before")


def shown(value: float, uncertainty: float, unit: str, exactly: bool = False) -> str:
    """A value with its uncertainty for people, to two digits of the uncertainty (one where the second is 0): "81.3 ±
    0.21 µS", "(4.95 ± 0.08) × 10⁻³"; without one to four digits, or as many of what it lacks to 1: "0.99917". exactly:
    with all the digits that they have."""
    if math.isnan(value):
        return "not measured"
    if math.isinf(value):
        return "∞" if value > 0.0 else "−∞"
    scale, name = (1.0, unit) if unit in PLAIN else _prefixed(value, unit)
    name = {"1": "", "ohm": "Ω"}.get(name, name.replace("ohm", "Ω").replace("u", "µ"))
    tail = f" {name}" if name else ""
    value, uncertainty = value / scale, uncertainty / scale
    largest = max(abs(value), uncertainty if math.isfinite(uncertainty) else 0.0)
    if 0.0 < largest < 1e-2:
        power = math.floor(math.log10(largest))
        both, digits = _rounded(value / 10.0**power, uncertainty / 10.0**power, exactly)
        both = both.replace("-", "−")
        return f"{f'({both})' if digits else both} × 10{str(power).translate(_RAISED)}{tail}"
    return f"{_rounded(value, uncertainty, exactly)[0].replace('-', '−')}{tail}"


def _rounded(value: float, uncertainty: float, exactly: bool) -> tuple[str, bool]:
    """Both, as many digits as the uncertainty makes sensible; whether there is an uncertainty."""
    if not (math.isfinite(uncertainty) and uncertainty > 0.0):
        if exactly:
            return f"{value:.6g}", False
        if abs(value) >= 1e3 or value == round(value):
            return (f"{value:.0f}" if abs(value) < 1e6 else f"{value:.4g}"), False
        return f"{value:.{5 if 0.99 <= abs(value) < 1.0 else 4}g}", False
    if exactly:
        places = max(len(f"{number:.6g}".partition(".")[2]) for number in (value, uncertainty))
        return f"{value:.{places}f} ± {uncertainty:.{places}f}", True
    first = math.floor(math.log10(uncertainty))
    places = max(0, 1 - first)
    if round(uncertainty, places) == round(uncertainty, max(0, places - 1)):
        places = max(0, places - 1)
    value = round(value, places) + 0.0  # no minus before a zero
    return f"{value:.{places}f} ± {uncertainty:.{places}f}", True


def _prefixed(value: float, unit: str) -> tuple[float, str]:
    if value == 0.0:
        return 1.0, unit
    power = max(-15, min(6, 3 * math.floor(math.log10(abs(value)) / 3)))
    prefix = next(name for name, exponent in PREFIXES.items() if exponent == power)
    return 10.0**power, prefix + unit
