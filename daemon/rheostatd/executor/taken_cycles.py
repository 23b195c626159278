"""What the record has of a train, over all the jobs that went on with one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rheostat import wire
from rheostatd.executor.results import train_arrays
from rheostatd.executor.same_bench import check_same_bench
from rheostatd.executor.station import Station
from rheostatd.journal.pulses import PulseRecord


def train_so_far(station: Station, spec: wire.Train, given: wire.Arrays, job_ids: Sequence[str]) -> wire.Arrays:
    """The arrays of a train's result, of jobs that each went on with the one after it (newest first).

    A cycle that was broken off was done again by the next job, from its first pulse: it stands where the device then
    was, which is where a cycle usually begins only after one that was whole. Raises JournalError.
    """
    arrays = train_arrays(spec, given)
    each = len(given["voltage"])
    for number, device in enumerate(spec.devices):
        rows = {name: arrays[name][number].reshape(-1) for name in ("resistance", "energy")}
        at = 0
        for job_id in reversed(job_ids):
            at -= at % each
            happened = station.ledger.ask(PulseRecord.events, job_id, device)
            written = happened[np.isfinite(happened["voltage"])]
            for name, row in rows.items():
                row[at : at + len(written)] = written[name]
                row[at + len(written) :] = np.nan
            at += len(written)
        arrays["pulses"][number] = at
    return arrays


def begun(station: Station, spec: wire.Train, given: wire.Arrays, continues: Sequence[str]) -> wire.Arrays:
    """What a train begins with: the whole cycles of the jobs that it continues (newest first), which must be of this
    bench; nothing without any. Raises RequestError, JournalError."""
    check_same_bench(station, spec, spec.devices, continues, {})
    arrays = train_so_far(station, spec, given, continues)
    arrays["pulses"] -= arrays["pulses"] % len(given["voltage"])
    for number, pulses in enumerate(arrays["pulses"].tolist()):
        for name in ("resistance", "energy"):
            arrays[name][number].reshape(-1)[pulses:] = np.nan
    return arrays
