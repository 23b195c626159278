"""What it takes to make an earlier job again, or to do what it has not finished: all of it is in the journal."""

from __future__ import annotations

from typing import Any

import msgspec

from rheostat import wire
from rheostatd import messages
from rheostatd.errors import NotReady, RequestError
from rheostatd.journal.jobs import JobJournal


def earlier(request: wire.Again, journal: JobJournal) -> tuple[wire.Submit, wire.Arrays, messages.Origin]:
    """The job to submit, with its arrays. Raises UnknownJob, NotReady, RequestError, JournalError."""
    entry = journal.entry(request.of)
    job, origin = entry.job, messages.Origin(repeats=request.of)
    if not job.state.final:
        raise NotReady(f"job {job.job_id} is {job.state.value}: it can be made again when it is over (wait for it)")
    if request.unfinished:
        if job.kind not in wire.GOES_ON:
            kinds = ", ".join(wire.GOES_ON)
            raise RequestError(f"job {job.job_id} is a {job.kind}: what is unfinished can be done of {kinds} only")
        if job.state is wire.JobState.DONE:
            raise RequestError(f"job {job.job_id} is done: nothing of it is unfinished")
        origin = messages.Origin(continues=(request.of, *entry.origin.continues))
    submit = wire.Submit(
        job_id=request.job_id,
        spec=_with_table(entry.spec, journal, request.of),
        priority=request.priority,
        label=request.label,
        dry_run=request.dry_run,
    )
    return submit, journal.arrays.read_all(entry.inputs), origin


def _with_table(spec: wire.Spec, journal: JobJournal, job_id: str) -> wire.Spec:
    """A table that the spec left open is the one that the job then used, so that it is the same measurement."""
    if getattr(spec, "table", "") is not None:
        return spec
    ended = journal.ended(job_id)
    used: Any = None if ended is None else ended.provenance.get("table")
    return spec if used is None else msgspec.structs.replace(spec, table=used)
