"""Waiting for a job that one is answerable for: progress on the way, and cancelled when the waiting is broken off."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from rheostat import wire
from rheostat.client import Job
from rheostat.errors import RheostatError
from rheostat.results import Result

R = TypeVar("R", bound=Result)
Progress = Callable[[wire.Job], None]
REFRESH = 0.2  # s between two looks at a running job


def attend(job: Job[R], progress: Progress | None = None) -> R:
    """The job's result; `progress` is called with a snapshot on the way and at the end.

    Any exception, Ctrl-C included, cancels the job and goes on. Raises what Job.result raises.
    """
    try:
        shown = 0.0
        for _ in job.follow():
            if progress is not None and time.monotonic() - shown >= REFRESH:
                progress(job.progress())
                shown = time.monotonic()
        if progress is not None:
            progress(job.progress())
        return job.result()
    except BaseException:
        with suppress(RheostatError):  # the first error is the one to report; a job that has ended stays as it is
            if not job.progress().state.final:
                job.cancel()
        raise
