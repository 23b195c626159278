"""Whether a job may go on with what an earlier one, or an earlier slice of it, has measured: only on the same bench."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from rheostat import wire
from rheostatd.errors import RequestError
from rheostatd.executor.provenance import provenance
from rheostatd.executor.station import Station
from rheostatd.journal.pulses import JobRecord, PulseRecord

READING = ("bench", "virtual", "clock")  # what two readings of one device have to have in common
MEASURING = ("bench", "virtual", "windows_ohm", "read", "source", "table")  # and two stages of one measurement
_WHATEVER = ("real_time", "backend")  # of a virtual bench: how it is run, not which


def check_same_bench(
    station: Station, spec: wire.Spec, devices: tuple[str, ...], job_ids: Iterable[str], told: dict[str, Any],
    names: tuple[str, ...] = MEASURING,
) -> None:  # fmt: skip
    """Raises RequestError that names what has changed since one of these jobs; told: what the job's own provenance says
    beside that of all jobs."""
    job_ids = tuple(job_ids)
    if not job_ids:
        return
    now = json.loads(json.dumps({**provenance(station, "", spec, devices), **told}))
    for job_id in job_ids:
        record: JobRecord | None = station.ledger.ask(PulseRecord.job, job_id)
        for name in names if record is not None else ():
            assert record is not None
            if name not in record.provenance or name not in now:
                continue
            before, here = _which(record.provenance[name]), _which(now[name])
            if before != here:
                raise RequestError(
                    f"what job {job_id} has measured is of another bench ({name} was {before}, now it is {here}): "
                    "measure anew"
                )


def _which(value: Any) -> Any:
    return {key: each for key, each in value.items() if key not in _WHATEVER} if isinstance(value, dict) else value
