"""The journal's files: durable, checked, and with a code for everything that goes wrong."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from rheostat import wire
from rheostatd.errors import JournalBusy, JournalCorrupt, JournalError, JournalFull
from rheostatd.journal.arrays import ArrayFiles
from rheostatd.journal.jobs import JobJournal, digest_of
from rheostatd.journal.pulses import PulseRecord
from rheostatd.journal.store import Store

STEPS = (("create table t (a integer primary key, b blob)",),)


def test_a_transaction_is_there_afterwards_or_not_at_all(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.db", STEPS)
    with store.transaction() as write:
        write("insert into t values (1, 2)")
    with pytest.raises(JournalError, match="no such table"), store.transaction() as write:
        write("insert into t values (2, 2)") and write("insert into nowhere values (1)")
    store.close()
    assert Store(tmp_path / "a.db", STEPS).query("select a from t") == [(1,)]


def test_commits_survive_a_power_cut_by_configuration(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.db", STEPS)
    assert store.query("pragma journal_mode") == [("wal",)]
    assert store.query("pragma synchronous") == [(2,)]


def test_later_schema_steps_are_added_to_an_older_file(tmp_path: Path) -> None:
    Store(tmp_path / "a.db", STEPS).close()
    newer = Store(tmp_path / "a.db", (*STEPS, ("alter table t add column c",)))
    assert newer.query("select a, b, c from t") == []
    newer.close()
    with pytest.raises(JournalError, match="newer rheostat"):
        Store(tmp_path / "a.db", STEPS)


def test_a_full_file_a_held_file_and_a_damaged_one_have_codes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rheostatd.journal.store.BUSY_TIMEOUT", 0.05)
    store = Store(tmp_path / "a.db", STEPS)
    store.query("pragma max_page_count = 8")
    with pytest.raises(JournalFull, match="make room"), store.transaction() as write:
        write("insert into t values (1, zeroblob(100000))")
    store.query("pragma max_page_count = 1000000")
    with store.transaction() as write:
        write("insert into t values (1, 0)")
    other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(JournalBusy, match="another process"), store.transaction():
        raise AssertionError("the file is held")
    other.close()
    (tmp_path / "b.db").write_bytes(b"no database" * 100)
    with pytest.raises(JournalCorrupt, match="move it away"):
        Store(tmp_path / "b.db", STEPS)


def test_the_time_of_a_commit_is_followed(tmp_path: Path) -> None:
    slept: list[float] = []
    store = Store(tmp_path / "a.db", STEPS, commit_delay=0.004, sleep=slept.append)
    for k in range(3):
        with store.transaction() as write:
            write("insert into t values (?, 0)", (k,))
    assert slept == [0.004] * 4  # the schema's commit is one too
    assert store.commits == 4
    assert 0.0 < store.commit_time < 1.0


@settings(max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    array=st.sampled_from(sorted(wire.DTYPES)).flatmap(
        lambda d: arrays_of.arrays(d, arrays_of.array_shapes(min_dims=0, min_side=0))
    )
)
def test_an_array_comes_back_as_it_was_and_is_stored_once(tmp_path: Path, array: Any) -> None:
    files = ArrayFiles(tmp_path / "arrays")
    name = files.write(array)
    before = len(list(files.folder.iterdir()))
    assert files.write(array.copy(order="F")) == name
    assert len(list(files.folder.iterdir())) == before
    back = files.read(name)
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(back, array)
    assert not back.flags.writeable


def test_a_changed_or_missing_array_is_noticed(tmp_path: Path) -> None:
    files = ArrayFiles(tmp_path)
    name = files.write(np.arange(5.0))
    path = next(tmp_path.iterdir())
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(JournalCorrupt, match="does not match its hash"):
        files.read(name)
    path.unlink()
    with pytest.raises(JournalCorrupt, match="cannot be read"):
        files.read(name)


def test_what_a_crash_left_half_written_is_removed(tmp_path: Path) -> None:
    journal = JobJournal(tmp_path)
    journal.close()
    (tmp_path / "arrays" / ".new-abc").write_bytes(b"half")
    JobJournal(tmp_path).close()
    assert list((tmp_path / "arrays").iterdir()) == []


def test_a_job_is_the_same_only_with_the_same_content() -> None:
    spec = wire.Program(devices=("A1",), tolerance=0.1, parameters={"a": 1.0, "b": 2.0})
    swapped = wire.Program(devices=("A1",), tolerance=0.1, parameters={"b": 2.0, "a": 1.0})
    targets = {"targets": np.array([800.0]), "device": np.array([0], "<i4")}
    one = digest_of(wire.Submit(job_id="x", spec=spec), targets)
    assert digest_of(wire.Submit(job_id="y", spec=swapped), dict(reversed(targets.items()))) == one
    others = [
        digest_of(wire.Submit(job_id="x", spec=spec, label="l"), targets),
        digest_of(wire.Submit(job_id="x", spec=spec), {**targets, "targets": np.array([800.0 + 1e-12])}),
        digest_of(wire.Submit(job_id="x", spec=spec), {**targets, "device": np.array([0], "<i8")}),
        digest_of(wire.Submit(job_id="x", spec=spec), {}),
    ]
    assert one not in others
    assert len(set(others)) == 4


def test_damaged_targets_of_a_waiting_job_fail_that_job_only(serve: Any, program: Any) -> None:
    daemon = serve()
    daemon.call(wire.Pause())
    daemon.call(*program("damaged"))
    daemon.call(*program("sound", targets=(810.0, 820.0)))
    path = ArrayFiles(daemon.data / "arrays")._path(ArrayFiles(daemon.data / "arrays").write(np.array([800.0, 790.0])))
    path.write_bytes(b"x" + path.read_bytes()[1:])
    daemon.call(wire.Resume())
    job = daemon.call.wait("damaged")
    assert (job.state, job.error_code) == (wire.JobState.FAILED, "journal.corrupt")
    assert daemon.call.wait("sound").state is wire.JobState.DONE


def test_a_table_stored_without_errors_still_loads(tmp_path: Path) -> None:
    grid = (np.array([1.0, 2.0]), np.array([740.0, 800.0, 880.0]))
    maps = (np.full((2, 3), 0.2), np.full((2, 3), 0.1))
    info = wire.TableInfo(version="old", device="A1", created=1e9, width=0.8, window=(740.0, 880.0), gains={})
    record = PulseRecord(tmp_path)
    files = ArrayFiles(tmp_path / "arrays")
    hashes = files.write_all(dict(zip(wire.FeedforwardTable.ARRAYS, (*grid, *maps), strict=True)))
    record.save_table(wire.FeedforwardTable(info, *grid, *maps))
    with contextlib.closing(sqlite3.connect(tmp_path / "pulses.db")) as file, file:
        file.execute("update tables set arrays = ?", (json.dumps(hashes),))
    table = record.table("old")
    record.close()
    np.testing.assert_array_equal(table.depression, maps[1])
    assert np.all(np.isnan(table.potentiation_error))
    assert table.depression_error.shape == (2, 3)
