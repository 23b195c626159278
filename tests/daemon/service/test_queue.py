"""The queue by itself: jobs that wait, and what is asked of them while they are under way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from rheostat import wire
from rheostatd import messages
from rheostatd.journal.jobs import JobJournal
from rheostatd.service.events import Events
from rheostatd.service.queue import JobQueue

State = wire.JobState
NOW = 1e9


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[JobJournal]:
    journal = JobJournal(tmp_path)
    yield journal
    journal.close()


def queue_of(journal: JobJournal, virtual_time: bool = False) -> JobQueue:
    return JobQueue(journal, Events(lambda *_: None, lambda: NOW, 100), lambda: NOW, 10, virtual_time)


def submit(queue: JobQueue, job_id: str = "r") -> None:
    spec = wire.Retention(devices=("A1",), times=(0.0, 60.0))
    queue.add(wire.Submit(job_id=job_id, spec=spec), {}, b"", 2)


def begin(queue: JobQueue) -> str:
    entry = queue.next()
    assert entry is not None
    queue.start(entry)
    return entry.job.job_id


def waits(queue: JobQueue, job_id: str = "r", due: float = NOW + 60.0) -> wire.Job | None:
    arrays = {"elapsed": np.zeros((1, 2)), f"{messages.KEPT}origin": np.zeros(1)}
    return queue.finish(messages.Finished(job_id, State.WAITING, {"kind": "retention"}, (), due=due), arrays)


LATE: dict[str, Callable[[JobQueue], object]] = {
    "has read what was due": waits,
    "was lost with its executor": lambda queue: queue.interrupt("r", "gone"),
}


@pytest.mark.parametrize("slice_", LATE)
def test_a_cancel_that_comes_when_a_slice_is_over_cancels_the_job(journal: JobJournal, slice_: str) -> None:
    queue = queue_of(journal)
    submit(queue)
    begin(queue)
    assert queue.cancel("r").state is State.RUNNING  # it is the executor's to stop, and that may be too late
    LATE[slice_](queue)
    job = queue.find("r")
    assert (job.state, job.error_code, job.due) == (State.CANCELLED, "job.cancelled", None)
    assert (queue.running, queue.next()) == (None, None)


@pytest.mark.parametrize("slice_", LATE)
@pytest.mark.parametrize(("asked", "state"), [((True,), State.PAUSED), ((True, False), State.WAITING)])
def test_a_pause_that_comes_when_a_slice_is_over_holds_the_job(
    journal: JobJournal, asked: tuple[bool, ...], state: State, slice_: str
) -> None:
    queue = queue_of(journal)
    submit(queue)
    begin(queue)
    for paused in asked:
        queue.hold("r", paused)
    LATE[slice_](queue)
    assert queue.find("r").state is state
    assert queue.hold("r", False).state is State.WAITING
    assert queue.cancel("r").state is State.CANCELLED


def test_a_job_that_waits_and_is_refused_keeps_its_readings_and_their_provenance(journal: JobJournal) -> None:
    queue = queue_of(journal, virtual_time=True)
    submit(queue)
    begin(queue)
    waits(queue)
    begin(queue)
    queue.finish(messages.Finished("r", State.FAILED, {}, (), error_code="rig.latched"), {})
    ended = journal.ended("r")
    assert ended is not None
    assert (set(ended.arrays), ended.provenance) == ({"elapsed"}, {"kind": "retention"})


def test_a_job_that_waits_and_is_damaged_holds_up_no_other(journal: JobJournal, tmp_path: Path) -> None:
    queue = queue_of(journal, virtual_time=True)
    for job_id, due in (("r", 10.0), ("s", 5.0)):
        submit(queue, job_id)
        begin(queue)
        waits(queue, job_id, due)
    ended = journal.ended("r")
    assert ended is not None
    (tmp_path / "arrays" / f"{ended.arrays['kept_due']}.array").unlink()
    assert begin(queue) == "r"  # to fail
    queue.finish(messages.Finished("r", State.FAILED, {}, (), error_code="journal.corrupt"), {})
    assert begin(queue) == "s"
