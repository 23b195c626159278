"""How single things look on a terminal."""

from __future__ import annotations

from rheostat import wire
from rheostat.cli import show


def test_a_job_that_waits_says_until_when():
    job = wire.Job(job_id="r", kind="retention", state=wire.JobState.WAITING, due=1.8e9)
    assert show.state(job) == f"waiting until {show.moment(1.8e9)}"
    assert show.state(wire.Job(job_id="r", kind="read", state=wire.JobState.DONE)) == "done"
