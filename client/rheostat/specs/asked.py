"""What jobs of every kind share: their options, the devices they name, numbers that are checked."""

from __future__ import annotations

import math
import numbers
import secrets
import time
from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from rheostat import wire
from rheostat.errors import InputError
from rheostat.talk import Talk
from rheostat.talk import devices as ask_devices
from rheostat.targets import as_array, names


class JobOptions(TypedDict, total=False):
    """What every job may be given."""

    priority: int
    label: str
    job_id: str | None


def new_job_id() -> str:
    """Readable, sortable by time, and unique: 20260723-141503-3f9a2c1b."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"


def submitted(spec: wire.Spec, priority: int = 0, label: str = "", job_id: str | None = None) -> wire.Submit:
    return wire.Submit(job_id=job_id or new_job_id(), spec=spec, priority=priority, label=label)


def names_or_all(wanted: Any) -> Talk[tuple[str, ...]]:
    if wanted is not None:
        return tuple(names(wanted))
    known = yield from ask_devices()
    return tuple(device.name for device in known)


def each_once(wanted: Any) -> Talk[tuple[str, ...]]:
    """As `names_or_all`, for jobs whose arrays have one place a device."""
    used = yield from names_or_all(wanted)
    twice = [name for k, name in enumerate(used) if name in used[:k]]
    if twice:
        raise InputError(f"device {twice[0]!r} is named twice")
    return used


def flat(what: str, values: Any) -> npt.NDArray[np.float64]:
    """(n,) finite numbers. Raises InputError for another shape."""
    array = np.atleast_1d(as_array(values, what))
    if array.ndim != 1:
        raise InputError(f"{what} of shape {array.shape}: they are a flat list")
    return array


def different(what: str, values: Sequence[float]) -> tuple[float, ...]:
    """Positive numbers, each once, rising as the daemon wants them. Raises InputError."""
    checked = tuple(float(value) for value in flat(what, values))
    for k, value in enumerate(checked):
        if value <= 0:
            raise InputError(f"{what} must be positive, got {value:g}")
        if value in checked[:k]:
            raise InputError(f"{what}: {value:g} stands there twice")
    return tuple(sorted(checked))


def positive(what: str, value: float) -> float:
    if not (_real(value) and value > 0):
        raise InputError(f"{what} must be a positive number, got {value!r}")
    return float(value)


def count(what: str, value: int) -> int:
    if not _real(value) or int(value) != value or value < 1:
        raise InputError(f"{what} must be a whole number, at least 1, got {value!r}")
    return int(value)


def _real(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
