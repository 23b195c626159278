"""The record of jobs: what was asked for, how far it got, what came of it. Written before anyone sees it.

A job is one row: the `wire.Job` as clients see it, its spec, the hashes of its arrays, and at its end the result.
Feedforward tables and the pulses themselves are in the executor's record (`pulses`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from rheostat import wire
from rheostatd import messages
from rheostatd.errors import UnknownJob, possible
from rheostatd.journal.arrays import ArrayFiles
from rheostatd.journal.store import Store

_STEPS = (
    (
        """create table jobs (
            position integer primary key autoincrement, job_id text not null unique, state text not null,
            digest blob not null, job blob not null, spec blob not null, inputs blob not null, result blob)""",
        "create index jobs_by_state on jobs (state)",
        "create table notes (name text primary key, text text not null)",
    ),
    ("alter table jobs add column origin blob",),
)
_UNFINISHED = tuple(state.value for state in wire.JobState if not state.final)

_ENTRY = "position, job, spec, inputs, origin"

_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_job = msgspec.msgpack.Decoder(wire.Job).decode
_spec = msgspec.msgpack.Decoder(wire.Spec).decode
_hashes = msgspec.msgpack.Decoder(dict[str, str]).decode
_origin = msgspec.msgpack.Decoder(messages.Origin).decode


@dataclass(frozen=True, slots=True)
class Entry:
    """A job and what it takes to run it. `position`: order of arrival; `inputs`: array name -> hash; `origin`: of a job
    that was made again."""

    position: int
    job: wire.Job
    spec: wire.Spec
    inputs: dict[str, str]
    origin: messages.Origin = messages.NEW


class Ended(msgspec.Struct, frozen=True):
    """What a result consists of beside its job. `arrays`: name -> hash."""

    devices: tuple[str, ...]
    provenance: dict[str, Any]
    arrays: dict[str, str]


_ended = msgspec.msgpack.Decoder(Ended).decode


def digest_of(submit: wire.Submit, arrays: wire.Arrays) -> bytes:
    """Two submissions are the same job when this is equal: spec, priority, label and arrays."""
    digest = hashlib.sha256(_encode((submit.spec, submit.priority, submit.label)))
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(_encode((name, array.dtype.str, array.shape)))
        digest.update(array.reshape(-1).view("u1").data if array.size else b"")
    return digest.digest()


def digest_again(again: wire.Again) -> bytes:
    """As digest_of, for a job that is made again."""
    return hashlib.sha256(_encode(("again", again.of, again.unfinished, again.priority, again.label))).digest()


class JobJournal:
    """jobs.db and the array files. Every method that changes something is durable when it returns.

    Raises JournalError or one of its kinds.
    """

    def __init__(self, folder: Path) -> None:
        self.arrays = ArrayFiles(folder / "arrays")
        self.arrays.tidy()
        self._store = Store(folder / "jobs.db", _STEPS)

    def close(self) -> None:
        self._store.close()

    # ---- jobs ------------------------------------------------------------------------------------------------------

    def add(
        self, job: wire.Job, spec: wire.Spec, arrays: wire.Arrays, digest: bytes,
        origin: messages.Origin = messages.NEW,
    ) -> Entry:  # fmt: skip
        inputs = self.arrays.write_all(arrays)
        with self._store.transaction() as write:
            cursor = write(
                "insert into jobs (job_id, state, digest, job, spec, inputs, origin) values (?, ?, ?, ?, ?, ?, ?)",
                (job.job_id, job.state.value, digest, _encode(job), _encode(spec), _encode(inputs), _encode(origin)),
            )
        return Entry(cursor.lastrowid or 0, job, spec, inputs, origin)

    def update(self, job: wire.Job) -> None:
        with self._store.transaction() as write:
            _update(write, job)

    def finish(self, job: wire.Job, ended: Ended) -> None:
        """The end of a job, or of what it did before it waits, and its result so far, in one commit (the arrays are
        stored before)."""
        with self._store.transaction() as write:
            _update(write, job)
            write("update jobs set result = ? where job_id = ?", (_encode(ended), job.job_id))

    def find(self, job_id: str) -> wire.Job | None:
        rows = self._store.query("select job from jobs where job_id = ?", (job_id,))
        return _job(rows[0][0]) if rows else None

    def digest(self, job_id: str) -> bytes | None:
        rows = self._store.query("select digest from jobs where job_id = ?", (job_id,))
        return bytes(rows[0][0]) if rows else None

    def spec(self, job_id: str) -> wire.Spec:
        """Raises UnknownJob."""
        return self.entry(job_id).spec

    def entry(self, job_id: str) -> Entry:
        """A job of any age with what it took to run it. Raises UnknownJob."""
        rows = self._store.query(f"select {_ENTRY} from jobs where job_id = ?", (job_id,))
        if not rows:
            raise UnknownJob(f"no job {job_id!r}; {self.near(job_id)}")
        return _entry(rows[0])

    def ended(self, job_id: str) -> Ended | None:
        """The stored result of a job; None when it has none (yet)."""
        rows = self._store.query("select result from jobs where job_id = ?", (job_id,))
        return _ended(rows[0][0]) if rows and rows[0][0] is not None else None

    def newest(self, limit: int, states: Iterable[wire.JobState] = ()) -> list[wire.Job]:
        """The newest jobs first, of any or of the given states."""
        wanted = [state.value for state in states]
        where = f"where state in ({','.join('?' * len(wanted))})" if wanted else ""
        sql = f"select job from jobs {where} order by position desc limit ?"
        return [_job(row[0]) for row in self._store.query(sql, (*wanted, limit))]

    def near(self, job_id: str) -> str:
        """For the message about a job that is not there."""
        rows = self._store.query("select job_id from jobs order by position desc limit 200")
        return possible(job_id, [row[0] for row in rows], most=3)

    def unfinished(self) -> list[Entry]:
        """Jobs without a final state, in order of arrival."""
        marks = ",".join("?" * len(_UNFINISHED))
        sql = f"select {_ENTRY} from jobs where state in ({marks}) order by position"
        return [_entry(row) for row in self._store.query(sql, _UNFINISHED)]

    # ---- notes -----------------------------------------------------------------------------------------------------

    def note(self, name: str) -> str | None:
        """What else has to be remembered over a restart: a paused queue, a latched rig."""
        rows = self._store.query("select text from notes where name = ?", (name,))
        return str(rows[0][0]) if rows else None

    def set_note(self, name: str, text: str | None) -> None:
        with self._store.transaction() as write:
            write("delete from notes where name = ?", (name,))
            if text is not None:
                write("insert into notes (name, text) values (?, ?)", (name, text))


def _update(write: Any, job: wire.Job) -> None:
    write("update jobs set state = ?, job = ? where job_id = ?", (job.state.value, _encode(job), job.job_id))


def _entry(row: tuple[Any, ...]) -> Entry:
    position, job, spec, inputs, origin = row
    return Entry(position, _job(job), _spec(spec), _hashes(inputs), messages.NEW if origin is None else _origin(origin))
