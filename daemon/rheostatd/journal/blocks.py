"""What happened, as packed arrays: the blocks of the pulse record, one element per exchange or target."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from rheostat import wire
from rheostatd.errors import JournalCorrupt

# One exchange: index of the target (-1: before the first), readings, V (nan: readings only), s, mean ohm, J, s of rig
# time.
EVENT = np.dtype(
    [
        ("target", "<i4"),
        ("reads", "<i4"),
        ("voltage", "<f8"),
        ("width", "<f8"),
        ("resistance", "<f8"),
        ("energy", "<f8"),
        ("duration", "<f8"),
    ]
)
pack_event = struct.Struct("<iiddddd").pack

# One target done: its index, wire.Outcome, pulses, reads, ohm, ohm, J, s, s.
OUTCOME = np.dtype(
    [
        ("target", "<i4"),
        ("outcome", "<i4"),
        ("pulses", "<i4"),
        ("reads", "<i4"),
        ("achieved", "<f8"),
        ("uncertainty", "<f8"),
        ("energy", "<f8"),
        ("rig_time", "<f8"),
        ("wall_time", "<f8"),
    ]
)
pack_outcome = struct.Struct("<iiiiddddd").pack


def trace_arrays(events: npt.NDArray[Any]) -> wire.Arrays:
    """The arrays of wire.Trace from EVENT."""
    fields = ("voltage", "width", "resistance", "reads", "energy", "target")
    return {name: np.ascontiguousarray(events[name]) for name in fields}


def joined(blobs: Iterable[bytes], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Packed blocks one after another, as one array of EVENT or OUTCOME. Raises JournalCorrupt."""
    raw = b"".join(blobs)
    if len(raw) % dtype.itemsize:
        raise JournalCorrupt(f"a block of {len(raw)} bytes in pulses.db is not whole")
    return np.frombuffer(raw, dtype)
