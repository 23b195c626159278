"""Profiles: what a characterisation measures, with which parameters, and what a paper prints of it. TOML files.

A profile names its steps as tables, in the order in which they run; a table `others` inside one says with what it is
repeated on other devices. Keys carry their units. Lists of voltages, widths and times hold numbers and ranges
{ start, stop, count }, perhaps rounded to multiples of `step`; one range stands for a list of it.
"""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from rheostat.characterisation.quantities import factor
from rheostat.errors import InputError, UnitError

Parameters = dict[str, Any]

# Key in the file -> how it is read, for each step.
STEPS: dict[str, dict[str, str]] = {
    "iv_loops": {"voltages_v": "numbers", "loops": "count", "dwell_s": "positive", "width_s": "positive"},
    "identical_pulses": {
        "voltages_v": "numbers",
        "pulses": "count",
        "repetitions": "count",
        "width_s": "positive",
        "jobs": "count",
    },
    "calibrate": {
        "voltages_v": "numbers",
        "width_s": "positive",
        "max_train": "count",
        "gain_pulses": "count",
        "trains": "trains",
    },
    "check_table": {"pulses": "count"},
    "staircase": {"cycles": "count", "max_pulses": "count", "jobs": "count"},
    "train": {"voltages_v": "numbers", "widths_s": "numbers", "cycles": "count", "skip": "whole"},
    "train_energy": {"voltages_v": "numbers", "widths_s": "numbers", "cycles": "count", "skip": "whole"},
    "retention": {"times_s": "numbers", "readings": "count"},
}
ANALYSIS: dict[str, tuple[str, Any]] = {
    "levels": ("counts", (32, 128, 512)),
    "skipped_at": ("positive", 0.8),
    "states": ("count", None),
    "r_squared": ("positive", 0.999),
    "k_sigma": ("positive", 2.0),
}
HEAD = ("title", "source", "bench", "others", "analysis", "paper")
PAPER = ("value", "uncertainty", "unit", "source", "label", "less")

# What the short form allows of each; voltages of trains stay as they are, for a train is one thing.
_SHORT: dict[str, dict[str, int]] = {
    "iv_loops": {"loops": 2},
    "identical_pulses": {"voltages_v": 5, "pulses": 40, "repetitions": 3, "jobs": 1},
    "calibrate": {"voltages_v": 7, "max_train": 60},
    "staircase": {"cycles": 4, "jobs": 1},
    "train": {"cycles": 12},
    "train_energy": {"cycles": 3},
    "retention": {"times_s": 4, "readings": 4},
}


@dataclass(frozen=True)
class Printed:
    """What a paper prints: value and uncertainty in SI, nan where it states none; source: where it stands; less: it
    prints that the figure lies below the value."""

    value: float
    uncertainty: float
    unit: str
    source: str
    label: str = ""
    less: bool = False


@dataclass(frozen=True)
class Profile:
    """What is measured. steps: name -> parameters of the first device, in the order they run; repeated: name ->
    parameters on the `others` (a number) devices; analysis: parameters of the figures; paper: printed figures by key;
    text: the file as it was; short: whether this is the shortened form."""

    name: str
    title: str
    source: str
    steps: dict[str, Parameters]
    repeated: dict[str, Parameters]
    analysis: Parameters
    paper: dict[str, Printed] = field(default_factory=dict)
    others: int = 0
    bench: str = ""
    text: str = ""
    short: bool = False


def known() -> tuple[str, ...]:
    """Names of the profiles that come with rheostat."""
    folder = resources.files("rheostat.characterisation") / "profiles"
    return tuple(sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml")))


def load(name: str | Path, short: bool = False) -> Profile:
    """A profile by its name or file. Raises InputError that says what is wrong and what is possible."""
    path = Path(name)
    if path.suffix == ".toml":
        if not path.is_file():
            raise InputError(f"there is no file {path}")
        text, stem = path.read_text(encoding="utf-8"), path.stem
    elif str(name) in known():
        text, stem = _shipped(f"{name}.toml"), str(name)
    else:
        raise InputError(
            f"there is no profile {str(name)!r}{_near(str(name), known(), 'profiles')}; or name a .toml file"
        )
    profile = parse(text, stem)
    return shortened(profile) if short else profile


def _shipped(name: str) -> str:
    return (resources.files("rheostat.characterisation") / "profiles" / name).read_text(encoding="utf-8")


def parse(text: str, name: str) -> Profile:
    """The profile that a TOML text states. Raises InputError."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"profile {name}: {error}") from error
    _only(content, (*HEAD, *STEPS), name)
    steps: dict[str, Parameters] = {}
    repeated: dict[str, Parameters] = {}
    for key, table in content.items():
        if key in STEPS:
            own = {k: v for k, v in _table(table, f"{name}: {key}").items() if k != "others"}
            steps[key] = _step(own, key, f"{name}: {key}")
            if "others" in table:
                over = _table(table["others"], f"{name}: {key}.others")
                repeated[key] = {**steps[key], **_step(over, key, f"{name}: {key}.others")}
    if not steps:
        raise InputError(f"profile {name} has no steps; possible: {', '.join(STEPS)}")
    _complete(steps, name)
    return Profile(
        name=name,
        title=str(content.get("title", name)),
        source=str(content.get("source", "")),
        steps=steps,
        repeated=repeated,
        analysis=_analysis(_table(content.get("analysis", {}), f"{name}: analysis"), f"{name}: analysis"),
        paper=_paper(_table(content.get("paper", {}), f"{name}: paper"), f"{name}: paper"),
        others=_value("whole", content.get("others", 0), f"{name}: others"),
        bench=str(content.get("bench", "")),
        text=text,
    )


def shortened(profile: Profile) -> Profile:
    """The same with fewer voltages, repetitions and cycles: to see that everything works, not to measure a device."""

    def less(steps: dict[str, Parameters]) -> dict[str, Parameters]:
        return {name: {key: _less(name, key, value) for key, value in step.items()} for name, step in steps.items()}

    return replace(
        profile,
        steps=less(profile.steps),
        repeated=less(profile.repeated),
        others=min(profile.others, 1),
        short=True,
    )


def _less(step: str, key: str, value: Any) -> Any:
    most = _SHORT.get(step, {}).get(key)
    if most is None:
        return value
    if isinstance(value, tuple):
        chosen = sorted({round(k * (len(value) - 1) / (most - 1)) for k in range(most)})
        return value[:most] if key == "times_s" else tuple(value[k] for k in chosen)
    return min(value, most)


def _complete(steps: Mapping[str, Parameters], name: str) -> None:
    for step in ("train", "train_energy"):
        if step in steps and not {"voltages_v", "widths_s"} <= steps[step].keys():
            raise InputError(f"profile {name}: {step}: needs voltages_v and widths_s")
    for step, needed in (("iv_loops", "voltages_v"), ("retention", "times_s")):
        if step in steps and needed not in steps[step]:
            raise InputError(f"profile {name}: {step}: needs {needed}")


def _step(table: Mapping[str, Any], step: str, where: str) -> Parameters:
    _only(table, tuple(STEPS[step]), where)
    return {key: _value(STEPS[step][key], value, f"{where}.{key}") for key, value in table.items()}


def _analysis(table: Mapping[str, Any], where: str) -> Parameters:
    _only(table, tuple(ANALYSIS), where)
    found = {key: default for key, (_, default) in ANALYSIS.items()}
    return found | {key: _value(ANALYSIS[key][0], value, f"{where}.{key}") for key, value in table.items()}


def _paper(table: Mapping[str, Any], where: str) -> dict[str, Printed]:
    printed = {}
    for key, entry in table.items():
        _only(_table(entry, f"{where}.{key}"), PAPER, f"{where}.{key}")
        if "value" not in entry or "source" not in entry:
            raise InputError(f"profile {where}.{key}: needs value and source")
        try:
            scale, unit = factor(str(entry.get("unit", "1")))
        except UnitError as error:
            raise UnitError(f"profile {where}.{key}.unit: {error}") from error
        less = entry.get("less", False)
        if not isinstance(less, bool):
            raise InputError(f"profile {where}.{key}.less: true or false, not {less!r}")
        value = scale * _number(entry["value"], f"{where}.{key}.value")
        spread = scale * _number(entry["uncertainty"], where) if "uncertainty" in entry else math.nan
        printed[key] = Printed(value, spread, unit, str(entry["source"]), str(entry.get("label", "")), less)
    return printed


def _value(form: str, value: Any, where: str) -> Any:
    match form:
        case "numbers":
            return _numbers(value, where)
        case "counts":
            return tuple(_value("count", item, where) for item in (value if isinstance(value, list) else [value]))
        case "trains":
            if value not in ("own", "identical_pulses"):
                raise InputError(f'profile {where}: "own" or "identical_pulses", not {value!r}')
            return value
        case "positive":
            if _number(value, where) <= 0.0:
                raise InputError(f"profile {where}: must be positive, got {value!r}")
            return float(value)
    least = 1 if form == "count" else 0
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"profile {where}: a whole number, at least {least}, not {value!r}")
    return value


def _numbers(value: Any, where: str) -> tuple[float, ...]:
    found: list[float] = []
    for item in value if isinstance(value, list) else [value]:
        if not isinstance(item, dict):
            found.append(_number(item, where))
            continue
        _only(item, ("start", "stop", "count", "step"), where)
        if not {"start", "stop", "count"} <= item.keys():
            raise InputError(f"profile {where}: a range needs start, stop and count")
        start, stop = (_number(item[end], f"{where}.{end}") for end in ("start", "stop"))
        count = _value("count", item["count"], f"{where}.count")
        for k in range(count):
            number = start + (stop - start) * k / max(count - 1, 1)
            step = item.get("step")
            found.append(float(f"{round(number / step) * step if step else number:.12g}"))
    if not found:
        raise InputError(f"profile {where}: at least one number")
    return tuple(found)


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"profile {where}: a number, not {value!r}")
    return float(value)


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"profile {where}: a table, not {value!r}")
    return value


def _only(table: Mapping[str, Any], possible: Sequence[str], where: str) -> None:
    for key in table:
        if key not in possible:
            raise InputError(f"profile {where}: unknown key {key!r}{_near(key, possible, 'possible')}")


def _near(word: str, possible: Sequence[str], what: str) -> str:
    near = difflib.get_close_matches(word, possible, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; {what}: {', '.join(possible)}"
