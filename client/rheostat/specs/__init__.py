"""Jobs as they are sent, made from what people hand in and checked. Without I/O, like all conversations."""

from __future__ import annotations

from rheostat.specs.asked import JobOptions, new_job_id
from rheostat.specs.measuring import (
    calibrate,
    check_table,
    identical_pulses,
    iv_loops,
    loop,
    retention,
    staircase,
    train,
)
from rheostat.specs.programming import ProgramOptions, initialise, program, read
from rheostat.specs.sources import repeat

__all__ = [
    "JobOptions",
    "ProgramOptions",
    "calibrate",
    "check_table",
    "identical_pulses",
    "initialise",
    "iv_loops",
    "loop",
    "new_job_id",
    "program",
    "read",
    "repeat",
    "retention",
    "staircase",
    "train",
]
