"""Leases on a real database: what is pulsed is on disk before, what happened is on disk after."""

from __future__ import annotations

import math
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rheostat import wire
from rheostatd.errors import JournalCorrupt, JournalFull
from rheostatd.executor.leases import Ledger
from rheostatd.executor.visit import Visit
from rheostatd.journal.blocks import EVENT, joined, pack_event
from rheostatd.journal.pulses import Known, PulseRecord

SPEC = wire.Program(devices=("A1", "A2"), tolerance=0.137)
ARRAYS = {"targets": np.array([800.0, 810.0]), "device": np.array([0, 1], np.int32)}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path)
    opened.begin("j1", SPEC, ARRAYS, {})
    yield opened
    opened.close()


def visit_of(ledger: Ledger, device: str = "A1", **options: bool) -> Visit:
    visit = Visit(ledger, "j1", device, "ffp", 7.0, 2.0, **options)
    visit.prepare()
    return visit


def pulse(visit: Visit, voltage: float = 1.5) -> None:
    visit.claim()
    visit.event(voltage, 0.8, 800.0 - visit.pulses, 2, 0.01, 0.85)


def pulses(visit: Visit, number: int) -> None:
    for _ in range(number):
        pulse(visit)


def leased(folder: Path, device: str) -> int:
    """Write pulses that committed leases allow, as another process sees them."""
    with sqlite3.connect(folder / "pulses.db") as look:
        return int(
            look.execute("select coalesce(sum(pulses), 0) from leases where device = ?", (device,)).fetchone()[0]
        )


def test_every_claimed_pulse_is_covered_by_a_committed_lease(ledger: Ledger, tmp_path: Path) -> None:
    visit = visit_of(ledger)
    for number in range(200):
        visit.claim()
        assert leased(tmp_path, "A1") >= number + 1
        visit.event(1.5, 0.8, 800.0, 1, 0.01, 0.85)
    visit.close([])
    ledger.finish("j1", wire.JobState.DONE)
    assert len(ledger.ask(PulseRecord.events, "j1", "A1")) == 200


def test_the_record_gives_back_every_event_and_outcome_in_order(ledger: Ledger) -> None:
    visit = visit_of(ledger, keep=True)
    visit.event(math.nan, 0.0, 801.0, 4, math.nan, 0.1)
    for number in range(37):
        visit.target = number // 10
        pulse(visit, voltage=1.0 + number / 100)
        if number % 10 == 9:
            visit.outcome(number // 10, 1, 10, 20, 790.0, 0.02, 0.1, 8.5, 0.001)
    visit.close([])
    ledger.finish("j1", wire.JobState.DONE)
    events = ledger.ask(PulseRecord.events, "j1", "A1")
    assert events["reads"].tolist() == [4] + [2] * 37
    np.testing.assert_array_equal(events["voltage"][1:], 1.0 + np.arange(37) / 100)
    assert math.isnan(events["voltage"][0])
    assert b"".join(visit.kept or []) == events.tobytes()
    assert ledger.ask(PulseRecord.outcomes, "j1")["target"].tolist() == [0, 1, 2]
    known = ledger.ask(PulseRecord.devices)["A1"]
    assert (known.resistance, known.pulses, known.suspect) == (800.0 - 36, 37, False)
    assert known == ledger.devices["A1"]


def test_a_slow_event_gets_a_lease_of_its_own_and_fast_ones_share(ledger: Ledger) -> None:
    ledger.observe(0.8, 100)
    assert ledger.lease_size() == 1
    ledger.observe(1e-5, 100)
    assert ledger.lease_size() > 10


def test_a_lease_open_at_a_crash_makes_its_device_suspect_until_it_is_read(tmp_path: Path) -> None:
    crashed = Ledger(tmp_path)
    crashed.begin("j1", SPEC, ARRAYS, {})
    visit = visit_of(crashed)
    pulse(visit)  # and then nothing more: the process is gone
    crashed.close()

    after = Ledger(tmp_path)
    assert after.interrupted == ("j1",)
    assert after.devices["A1"].suspect
    assert "A2" not in after.devices
    assert after.ask(PulseRecord.leased, "j1")["A1"][2]
    job = after.ask(PulseRecord.job, "j1")
    assert job is not None
    assert job.state is wire.JobState.INTERRUPTED
    assert job.spec == SPEC
    np.testing.assert_array_equal(job.arrays["targets"], ARRAYS["targets"])

    after.begin("j2", SPEC, ARRAYS, {})
    again = Visit(after, "j2", "A1", "read", 7.0, 2.0)
    again.event(math.nan, 0.0, 799.0, 1, math.nan, 0.02)
    again.close([])
    after.finish("j2", wire.JobState.DONE)
    assert not after.devices["A1"].suspect
    after.close()
    reopened = Ledger(tmp_path)
    assert reopened.interrupted == ()
    assert reopened.devices["A1"].resistance == 799.0
    assert not reopened.devices["A1"].suspect
    reopened.close()


def test_a_pulse_whose_end_is_unknown_makes_its_device_suspect_without_a_crash(ledger: Ledger) -> None:
    visit = visit_of(ledger)
    pulse(visit)
    visit.claim()  # the bus fails here
    visit.close([])
    ledger.finish("j1", wire.JobState.FAILED, "bus.timeout", "no answer")
    assert ledger.devices["A1"].suspect
    assert ledger.ask(PulseRecord.devices)["A1"].suspect


@given(st.lists(st.tuples(st.integers(1, 60), st.booleans()), min_size=1, max_size=12))
@settings(max_examples=20, deadline=None)
def test_trains_are_covered_by_leases_on_disk_and_what_was_refused_is_given_back(
    trains: list[tuple[int, bool]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder))
        ledger.begin("j1", SPEC, ARRAYS, {})
        visit = visit_of(ledger)
        for length, refused in trains:
            visit.claim(length)
            assert leased(Path(folder), "A1") >= visit.pulses + length
            if refused:
                visit.unclaim(length)
                continue
            for _ in range(length):
                visit.event(0.7, 2e-7, 300.0, 1, 1e-9, 5e-5)
        visit.close([])
        ledger.finish("j1", wire.JobState.DONE)
        applied = sum(length for length, refused in trains if not refused)
        assert len(ledger.ask(PulseRecord.events, "j1", "A1")) == applied
        assert not ledger.devices.get("A1", Known()).suspect
        ledger.close()
        with sqlite3.connect(Path(folder) / "pulses.db") as look:
            assert look.execute("select count(*) from leases where closed is null or lost").fetchone() == (0,)


def test_a_train_whose_end_is_unknown_makes_its_device_suspect(ledger: Ledger) -> None:
    visit = visit_of(ledger)
    visit.claim(4000)  # the bus fails here
    visit.close([])
    ledger.finish("j1", wire.JobState.FAILED, "bus.timeout", "no answer")
    assert ledger.devices["A1"].suspect
    assert ledger.ask(PulseRecord.leased, "j1")["A1"][1] >= 4000


def test_a_clean_end_leaves_no_lease_open(ledger: Ledger, tmp_path: Path) -> None:
    for device in ("A1", "A2"):
        visit = visit_of(ledger, device)
        for _ in range(25):
            pulse(visit)
        visit.close([])
    ledger.finish("j1", wire.JobState.DONE)
    with sqlite3.connect(tmp_path / "pulses.db") as look:
        assert look.execute("select count(*) from leases where closed is null").fetchone() == (0,)
        assert look.execute("select count(*) from leases where lost").fetchone() == (0,)


def test_a_full_disk_stops_the_next_lease_and_loses_nothing_once_there_is_room(ledger: Ledger) -> None:
    visit = visit_of(ledger)
    pulse(visit)
    ledger.ask(lambda record: record._store._connection.execute("pragma max_page_count = 1"))
    with pytest.raises(JournalFull, match="make room"):
        pulses(visit, 100_000)
    applied = visit.pulses
    visit.close([])
    with pytest.raises(JournalFull):
        ledger.finish("j1", wire.JobState.FAILED)
    ledger.ask(lambda record: record._store._connection.execute("pragma max_page_count = 1000000"))
    ledger.finish("j1", wire.JobState.FAILED, "journal.full", "no room")
    assert len(ledger.ask(PulseRecord.events, "j1", "A1")) == applied
    job = ledger.ask(PulseRecord.job, "j1")
    assert job is not None
    assert job.error_code == "journal.full"


def test_without_a_record_nothing_is_written_and_everything_else_is_the_same(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, recording=False)
    ledger.begin("j1", SPEC, ARRAYS, {})
    visit = visit_of(ledger, keep=True)
    for _ in range(50):
        pulse(visit)
    visit.close([])
    ledger.finish("j1", wire.JobState.DONE)
    assert visit.pulses == 50
    assert len(b"".join(visit.kept or [])) == 50 * 48
    assert len(ledger.ask(PulseRecord.events, "j1", "A1")) == 0
    ledger.close()


number = st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(st.tuples(*[st.integers(-(2**31), 2**31 - 1)] * 2, *[number] * 5)))
def test_packed_events_come_back_bit_for_bit(events: list[tuple[float, ...]]) -> None:
    packed = [pack_event(*event) for event in events]
    assert joined(packed, EVENT).tobytes() == np.array(events, EVENT).tobytes()


def test_half_an_event_is_corruption_and_not_a_number() -> None:
    with pytest.raises(JournalCorrupt):
        joined([pack_event(0, 1, 1.0, 0.8, 800.0, 0.01, 0.85)[:-1]], EVENT)
