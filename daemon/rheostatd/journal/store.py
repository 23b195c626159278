"""One SQLite file of the journal: WAL, synchronous=FULL (a commit survives a power cut), errors with codes.

    store = Store(folder / "pulses.db", [("create table ...", "create index ...")])
    with store.transaction() as write:
        write("insert into t values (?, ?)", (1, 2))
    rows = store.query("select * from t")

A store belongs to the thread that opened it. `commit_time` follows what a commit costs, for those who choose how
much to put into one. RHEOSTAT_COMMIT_DELAY_S adds that many seconds to every commit: an aid for tests and
benchmarks that want a slower disk than they have.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rheostatd.errors import JournalBusy, JournalCorrupt, JournalError, JournalFull

DELAY_VARIABLE = "RHEOSTAT_COMMIT_DELAY_S"
BUSY_TIMEOUT = 2.0  # s that a writer waits for another process
_CHECKED_SIZE = 32 << 20  # bytes; checking more than this at every start takes too long
_SMOOTHING = 0.2  # weight of the newest commit in `commit_time`

Write = Callable[..., sqlite3.Cursor]


class Store:
    """`steps`: one tuple of SQL statements per schema version; those the file does not have yet are run at opening.

    Raises JournalError or one of its kinds (busy, full, corrupt), here and in every method.
    """

    def __init__(
        self,
        path: Path,
        steps: Sequence[Sequence[str]],
        *,
        commit_delay: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.path = path
        self.commits = 0
        self.commit_time = 0.0  # s, smoothed
        self._delay = float(os.environ.get(DELAY_VARIABLE, "0")) if commit_delay is None else commit_delay
        self._sleep = sleep
        with self._errors("opened"):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)
        try:
            self._prepare(steps)
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self, steps: Sequence[Sequence[str]]) -> None:
        with self._errors("opened"):
            run = self._connection.execute
            run("pragma journal_mode = wal")
            run("pragma synchronous = full")
            run("pragma foreign_keys = on")
            run("pragma journal_size_limit = 16777216")
            (version,) = run("pragma user_version").fetchone()
            small = self.path.stat().st_size <= _CHECKED_SIZE
            (sound,) = run("pragma quick_check(1)").fetchone() if small else ("ok",)
        if sound != "ok":
            raise JournalCorrupt(f"{self.path} is damaged: {sound}; move it away to start a new one")
        if version > len(steps):
            raise JournalError(f"{self.path} was written by a newer rheostat (schema {version}, known {len(steps)})")
        for number, statements in enumerate(steps[version:], start=version + 1):
            with self.transaction() as write:
                for statement in statements:
                    write(statement)
                write(f"pragma user_version = {number}")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Write]:
        """Everything written inside is durable when the block has been left, or not written at all."""
        with self._errors("written"):
            self._connection.execute("begin immediate")
        try:
            with self._errors("written"):
                yield self._connection.execute
                started = time.perf_counter()
                self._connection.execute("commit")
                if self._delay:
                    self._sleep(self._delay)
        except BaseException:
            self._roll_back()
            raise
        took = time.perf_counter() - started
        self.commit_time += (took - self.commit_time) * (_SMOOTHING if self.commits else 1.0)
        self.commits += 1

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a select."""
        with self._errors("read"):
            return self._connection.execute(sql, values).fetchall()

    def close(self) -> None:
        self._connection.close()

    def _roll_back(self) -> None:
        if self._connection.in_transaction:  # SQLite has already rolled back after some errors
            self._connection.execute("rollback")

    @contextlib.contextmanager
    def _errors(self, done: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _error(self.path, done, error) from error
        except OSError as error:
            raise JournalError(f"{self.path} cannot be {done}: {error}") from error


def _error(path: Path, done: str, error: sqlite3.Error) -> JournalError:
    extended = getattr(error, "sqlite_errorcode", None) or 0
    primary = extended & 0xFF
    what = f"{path} cannot be {done}: {error}"
    if primary == sqlite3.SQLITE_FULL or extended == sqlite3.SQLITE_IOERR_WRITE:
        return JournalFull(f"{what}; make room on the disk of {path.parent} (or raise its quota)")
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return JournalBusy(f"{what}; another process holds it")
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return JournalCorrupt(f"{what}; move it away to start a new one")
    return JournalError(what)
