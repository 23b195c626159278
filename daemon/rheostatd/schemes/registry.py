"""The schemes by name, and their settings from the parameters of a request."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

from rheostatd.schemes.ffp import FFP
from rheostatd.schemes.incremental import INCREMENTAL
from rheostatd.schemes.levels import LEVELS
from rheostatd.schemes.policy import Scheme

SCHEMES: dict[str, Scheme] = {scheme.name: scheme for scheme in (FFP, LEVELS, INCREMENTAL)}


def build(name: str, parameters: Mapping[str, float]) -> Any:
    """The settings of scheme `name`. Raises ValueError naming the scheme or parameter and what is possible."""
    scheme = SCHEMES.get(name)
    if scheme is None:
        raise ValueError(f"unknown scheme {name!r}{_near(name, SCHEMES)}; there are: {', '.join(sorted(SCHEMES))}")
    fields = {field.name: field for field in dataclasses.fields(scheme.settings)}
    values: dict[str, Any] = {}
    for parameter, value in parameters.items():
        field = fields.get(parameter)
        if field is None:
            raise ValueError(
                f"scheme {name!r} has no parameter {parameter!r}{_near(parameter, fields)}; it has: "
                f"{', '.join(f'{f.name} ({f.default:g})' for f in fields.values())}"
            )
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{parameter} must be a number, not {value!r}")
        whole = isinstance(field.default, int) and float(value).is_integer()
        values[parameter] = int(value) if whole else float(value)
    return scheme.settings(**values)


def _near(name: str, names: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, names, 1)
    return f" (did you mean {near[0]!r}?)" if near else ""
