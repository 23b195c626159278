"""What was measured on one bench is not gone on with on another; real processes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rheostat import wire
from rheostat.wire import JobState
from rheostatd import messages

TRAINS = wire.IdenticalPulses(devices=("A1",), voltages=(1.0, 4.0), pulses=3, repetitions=1, width=0.8)
RETENTION = wire.Retention(devices=("A1",), times=(0.0, 3600.0))


def on(kit: Any, old: str, new: str) -> Any:
    """An executor on the embedded bench with one line changed."""
    text = kit.embedded()
    assert old in text
    path = kit.folder / "changed.toml"
    path.write_text(text.replace(old, new))
    return kit.executor(str(path))


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("hrs_ohm = 880.0", "hrs_ohm = 870.0", "windows_ohm"),
        ("seed = 2025", "seed = 2026", "virtual"),
        ("read_voltage_v = 0.1", "read_voltage_v = 0.08", "read"),
    ],
)
def test_a_measurement_is_not_continued_on_a_bench_that_has_changed(kit: Any, old: str, new: str, name: str) -> None:
    executor = kit.executor()
    executor.run("one", TRAINS)
    assert executor.finished("one")[0].state is JobState.DONE
    executor.close()
    executor = on(kit, old, new)
    origin = messages.Origin(continues=("one",))
    executor.send(messages.Dry(1, TRAINS, origin=origin))
    planned, _ = executor.until(messages.Planned)
    assert isinstance(planned.plan, wire.Failure)
    executor.send(messages.Run("two", TRAINS, origin=origin))
    finished, _ = executor.finished("two")
    assert (finished.state, finished.error_code) == (JobState.FAILED, "request.invalid")
    assert f"job one has measured is of another bench ({name} was" in (finished.error or "")
    assert finished.error == planned.plan.message
    assert not executor.happened("device.started")
    executor.run("whole", TRAINS)  # the same anew is no matter
    assert executor.finished("whole")[0].state is JobState.DONE


def test_a_sweep_is_not_continued_with_another_table(kit: Any) -> None:
    kit.add_table(("A1",))
    executor = kit.executor()
    spec = wire.Staircase(devices=("A1",), cycles=1, max_pulses=5)
    executor.run("one", spec)
    assert executor.finished("one")[0].state is JobState.DONE
    executor.close()
    record = kit.record()
    record.save_table(kit.table_of(("A1",), version="newer"))
    executor = kit.executor()
    for job_id, table, state in (("two", "newer", JobState.FAILED), ("three", "paper", JobState.DONE)):
        again = wire.Staircase(devices=("A1",), cycles=1, max_pulses=5, table=table)
        executor.send(messages.Run(job_id, again, origin=messages.Origin(continues=("one",))))
        assert executor.finished(job_id)[0].state is state


def test_a_slice_of_another_clock_or_die_is_refused_and_keeps_what_was_read(kit: Any) -> None:
    executor = kit.executor()
    executor.run("r", RETENTION)
    first, kept = executor.finished("r")
    assert first.state is JobState.WAITING
    executor.send(messages.Run("r", RETENTION, now=5.0), kept)  # the daemon was started again, in virtual time
    finished, _ = executor.finished("r")
    assert (finished.state, finished.error_code) == (JobState.FAILED, "request.invalid")
    assert "(clock was service, now it is bench)" in (finished.error or "")
    executor.send(messages.Run("r", RETENTION), kept)
    finished, arrays = executor.finished("r")
    assert finished.state is JobState.WAITING
    np.testing.assert_array_equal(arrays["resistance"], kept["resistance"])
    executor.close()
    executor = on(kit, "seed = 2025", "seed = 2026")
    executor.send(messages.Run("r", RETENTION), kept)
    assert executor.finished("r")[0].state is JobState.FAILED
