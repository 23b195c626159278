"""The record of pulses (pulses.db): leases before the pulses they allow, events and outcomes after, in blocks.

A lease is an intent: this device, under this scheme, up to `pulses` write pulses within an envelope. It is committed
before the first of them. The transaction that commits the next lease (a Turn) carries what has happened since the
last one. A lease still open after a crash names a device that may have been pulsed: it is `suspect` until it has
been read again. Blocks are packed arrays, see `blocks`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy.typing as npt

from rheostat import wire
from rheostatd.errors import UnknownTable, possible
from rheostatd.journal.arrays import ArrayFiles
from rheostatd.journal.blocks import EVENT, OUTCOME, joined
from rheostatd.journal.store import Store

_STEPS = (
    (
        """create table jobs (id integer primary key, job text not null unique, kind text not null, spec blob not null,
           arrays text not null, provenance text not null, began real not null, ended real, state text,
           error_code text, error text)""",
        """create table leases (id integer primary key, job text not null, device text not null, scheme text not null,
           pulses integer not null, max_voltage_v real not null, max_width_s real not null,
           opened real not null, closed real, lost integer not null default 0)""",
        "create index open_leases on leases (device) where closed is null",
        """create table blocks (id integer primary key, job text not null, device text not null,
           events blob not null, outcomes blob not null)""",
        "create index blocks_of on blocks (job, device)",
        """create table devices (device text primary key, resistance_ohm real, read_at real,
           pulses integer not null default 0, suspect integer not null default 0)""",
        """create table tables (version text primary key, created real not null, info blob not null,
           arrays text not null)""",
    ),
)


@dataclass(frozen=True, slots=True)
class Lease:
    """Up to `pulses` write pulses on one device, each within `max_voltage` V and `max_width` s."""

    number: int
    job: str
    device: str
    scheme: str
    pulses: int
    max_voltage: float
    max_width: float


@dataclass(frozen=True, slots=True)
class Block:
    """What happened on one device since its last block. `events`, `outcomes`: packed EVENT and OUTCOME.

    resistance: of the last reading in it, ohm, or None; time: of that reading, unix s; pulses: how many;
    suspect: a pulse was begun and nothing is known of its end."""

    job: str
    device: str
    events: bytes
    outcomes: bytes
    resistance: float | None
    time: float
    pulses: int
    suspect: bool = False


@dataclass(frozen=True, slots=True)
class Begin:
    """A job begins: what was asked for, and the provenance of what will come of it."""

    job: str
    spec: wire.Spec
    arrays: wire.Arrays
    provenance: dict[str, Any]


@dataclass(slots=True)
class Turn:
    """One transaction: jobs that begin, leases that end, blocks that happened, the lease that begins."""

    begins: list[Begin] = field(default_factory=list)
    closes: list[int] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    opens: Lease | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """A device as the record knows it: last resistance in ohm and its unix time, pulses ever applied."""

    resistance: float | None = None
    read_at: float | None = None
    pulses: int = 0
    suspect: bool = False


@dataclass(frozen=True, slots=True)
class JobRecord:
    job: str
    kind: str
    spec: wire.Spec
    arrays: wire.Arrays
    provenance: dict[str, Any]
    state: wire.JobState | None
    error_code: str | None
    error: str | None


class PulseRecord:
    """pulses.db and the arrays beside it. Belongs to the thread that opened it. Raises JournalError and its kinds."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._store = Store(folder / "pulses.db", _STEPS)
        self._files = ArrayFiles(folder / "arrays")
        self._clock = clock

    @property
    def commit_time(self) -> float:
        """s that a commit takes at present; may be read from any thread."""
        return self._store.commit_time

    def close(self) -> None:
        self._store.close()

    # ---- jobs ------------------------------------------------------------------------------------------------------

    def recover(self) -> tuple[str, ...]:
        """Ends what a crash has left open: devices under an open lease become suspect, unfinished jobs interrupted.

        Gives the jobs that were interrupted, oldest first."""
        now = self._clock()
        jobs = tuple(job for (job,) in self._store.query("select job from jobs where ended is null order by id"))
        with self._store.transaction() as write:
            write(
                """insert into devices (device, suspect) select distinct device, 1 from leases where closed is null
                   on conflict (device) do update set suspect = 1"""
            )
            write("update leases set closed = ?, lost = 1 where closed is null", (now,))
            write("update jobs set ended = ?, state = ? where ended is null", (now, wire.JobState.INTERRUPTED.value))
        return jobs

    def last_lease(self) -> int:
        return int(self._store.query("select coalesce(max(id), 0) from leases")[0][0])

    def commit(self, turn: Turn) -> None:
        hashes = self._store_arrays(turn)
        with self._store.transaction() as write:
            self._write(write, turn, hashes)

    def finish(
        self, job: str, state: wire.JobState, turn: Turn, error_code: str | None = None, error: str | None = None
    ) -> None:
        """The job's end and the last of its blocks, in one transaction."""
        hashes = self._store_arrays(turn)
        with self._store.transaction() as write:
            self._write(write, turn, hashes)
            write(
                "update jobs set ended = ?, state = ?, error_code = ?, error = ? where job = ?",
                (self._clock(), state.value, error_code, error, job),
            )

    def _store_arrays(self, turn: Turn) -> list[str]:
        return [json.dumps(self._files.write_all(begin.arrays)) for begin in turn.begins]

    def _write(self, write: Callable[..., Any], turn: Turn, hashes: list[str]) -> None:
        now = self._clock()
        for begin, stored in zip(turn.begins, hashes, strict=True):
            kind, spec = type(begin.spec).__name__.lower(), msgspec.msgpack.encode(begin.spec)
            write(
                """insert into jobs (job, kind, spec, arrays, provenance, began) values (?, ?, ?, ?, ?, ?)
                   on conflict (job) do update set ended = null, state = null, error_code = null, error = null,
                   provenance = excluded.provenance""",
                (begin.job, kind, spec, stored, json.dumps(begin.provenance), now),
            )
        for number in turn.closes:
            write("update leases set closed = ? where id = ?", (now, number))
        for block in turn.blocks:
            write(
                "insert into blocks (job, device, events, outcomes) values (?, ?, ?, ?)",
                (block.job, block.device, block.events, block.outcomes),
            )
            write(
                """insert into devices (device, resistance_ohm, read_at, pulses, suspect) values (?1, ?2, ?3, ?4, ?5)
                   on conflict (device) do update set pulses = pulses + ?4,
                   resistance_ohm = coalesce(?2, resistance_ohm),
                   read_at = case when ?2 is null then read_at else ?3 end,
                   suspect = case when ?5 then 1 when ?2 is null then suspect else 0 end""",
                (block.device, block.resistance, block.time, block.pulses, block.suspect),
            )
        lease = turn.opens
        if lease is not None:
            write(
                """insert into leases (id, job, device, scheme, pulses, max_voltage_v, max_width_s, opened)
                   values (?, ?, ?, ?, ?, ?, ?, ?)""",
                (lease.number, lease.job, lease.device, lease.scheme, lease.pulses, lease.max_voltage,
                 lease.max_width, now),
            )  # fmt: skip

    def job(self, job: str) -> JobRecord | None:
        rows = self._store.query(
            "select job, kind, spec, arrays, provenance, state, error_code, error from jobs where job = ?", (job,)
        )
        return self._job(rows[0]) if rows else None

    def _job(self, row: tuple[Any, ...]) -> JobRecord:
        job, kind, spec, arrays, provenance, state, code, error = row
        return JobRecord(
            job,
            kind,
            msgspec.msgpack.decode(spec, type=wire.Spec),
            self._files.read_all(json.loads(arrays)),
            json.loads(provenance),
            None if state is None else wire.JobState(state),
            code,
            error,
        )

    # ---- what happened ---------------------------------------------------------------------------------------------

    def events(self, job: str, device: str) -> npt.NDArray[Any]:
        """Every exchange with one device in one job, dtype EVENT, oldest first."""
        rows = self._store.query("select events from blocks where job = ? and device = ? order by id", (job, device))
        return joined((row[0] for row in rows), EVENT)

    def exchanges_since(self, device: str, moment: float) -> int:
        """Exchanges (nearly all of them write pulses) with a device in jobs that began after a time, unix s."""
        rows = self._store.query(
            """select coalesce(sum(length(events)), 0) from blocks join jobs on jobs.job = blocks.job
               where device = ? and began > ?""",
            (device, moment),
        )
        return int(rows[0][0]) // EVENT.itemsize

    def outcomes(self, job: str) -> npt.NDArray[Any]:
        """Every target of a job that was done, dtype OUTCOME, oldest first."""
        rows = self._store.query("select outcomes from blocks where job = ? order by id", (job,))
        return joined((row[0] for row in rows), OUTCOME)

    def leased(self, job: str) -> dict[str, tuple[int, int, bool]]:
        """device -> (leases of a job, write pulses they allowed, whether one of them was lost in a crash)."""
        rows = self._store.query(
            "select device, count(*), sum(pulses), max(lost) from leases where job = ? group by device", (job,)
        )
        return {device: (count, pulses, bool(lost)) for device, count, pulses, lost in rows}

    def devices(self) -> dict[str, Known]:
        rows = self._store.query("select device, resistance_ohm, read_at, pulses, suspect from devices")
        return {name: Known(resistance, at, pulses, bool(lost)) for name, resistance, at, pulses, lost in rows}

    # ---- tables ----------------------------------------------------------------------------------------------------

    def save_table(self, table: wire.FeedforwardTable) -> None:
        hashes = json.dumps(self._files.write_all(table.arrays()))
        with self._store.transaction() as write:
            write(
                "insert or replace into tables (version, created, info, arrays) values (?, ?, ?, ?)",
                (table.info.version, table.info.created, msgspec.msgpack.encode(table.info), hashes),
            )

    def tables(self) -> tuple[wire.TableInfo, ...]:
        """Newest first."""
        rows = self._store.query("select info from tables order by created desc, rowid desc")
        return tuple(msgspec.msgpack.decode(row[0], type=wire.TableInfo) for row in rows)

    def table(self, version: str) -> wire.FeedforwardTable:
        rows = self._store.query("select info, arrays from tables where version = ?", (version,))
        if not rows:
            known = [info.version for info in self.tables()]
            raise UnknownTable(f"there is no feedforward table {version!r}: {possible(version, known)}")
        info = msgspec.msgpack.decode(rows[0][0], type=wire.TableInfo)
        return wire.FeedforwardTable.from_arrays(info, self._files.read_all(json.loads(rows[0][1])))
