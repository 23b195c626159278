"""Trains: what goes to the rig in one piece, and a train through the executor's process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheostat import wire
from rheostat.wire import JobState
from rheostat_hal import bench
from rheostat_hal.values import Pulse
from rheostat_hal.virtual.faults import DeviceFault
from rheostat_hal.virtual.parts import VirtualInstruments
from rheostatd import messages
from rheostatd.executor.leases import MAX_LEASE, Ledger
from rheostatd.executor.plan import plan
from rheostatd.executor.station import Station
from rheostatd.executor.train import PIECE, READ_AFTER, pieces

BENCHES = Path(__file__).parents[3] / "deploy" / "benches"
trains = st.lists(st.builds(Pulse, st.floats(-7.0, 7.0), st.floats(1e-8, 2.0)), min_size=1, max_size=60)


@given(trains, st.integers(1, 200))
def test_the_pieces_of_a_train_are_its_pulses_in_their_order(pulses: list[Pulse], cycles: int) -> None:
    assert [pulse for part, times in pieces(pulses, cycles) for pulse in [*part] * times] == pulses * cycles


@given(trains, st.integers(1, 200))
def test_a_piece_is_short_or_a_single_pulse_more(pulses: list[Pulse], cycles: int) -> None:
    for part, times in pieces(pulses, cycles):
        lasts = [pulse.width + READ_AFTER for pulse in part]
        assert len(part) * times <= MAX_LEASE
        assert times * sum(lasts) <= PIECE * (1 + 1e-9) or (times == 1 and sum(lasts[:-1]) < PIECE)


def test_a_train_of_nanosecond_pulses_is_one_piece() -> None:
    train = [Pulse(0.7, 2e-7)] * 40
    assert list(pieces(train, 100)) == [(train, 100)]


@pytest.fixture
def executor(kit: Any) -> Any:
    return kit.executor()


def test_a_train_is_applied_as_it_is_and_every_pulse_is_in_the_record(executor: Any, kit: Any) -> None:
    executor.run("up", wire.Initialise(devices=("A1", "A2"), state="HRS"))
    executor.finished("up")
    arrays = {"voltage": np.array([4.0, 4.0, -4.0]), "width": np.array([0.8, 0.4, 0.8])}
    executor.run("t1", wire.Train(devices=("A1", "A2"), cycles=2), arrays)
    finished, result = executor.finished("t1")
    assert finished.state is JobState.DONE
    assert finished.totals.outcomes == {"applied": 2}
    assert finished.totals.pulses == 12
    assert result["pulses"].tolist() == [6, 6]
    for resistance, energy in zip(result["resistance"], result["energy"], strict=True):
        assert np.all(np.diff(resistance[0, :2]) < 0.0)
        assert np.all(resistance[:, 2] > resistance[:, 1])
        assert np.all(energy > 0.0)
    assert finished.totals.energy == pytest.approx(result["energy"].sum())
    trained = executor.happened("device.trained")
    assert [(event.data["device"], event.data["pulses"]) for event in trained] == [("A1", 6), ("A2", 6)]


def test_a_train_that_would_pass_a_limit_is_not_begun(kit: Any) -> None:
    bench = kit.folder / "bench.toml"
    bench.write_text(kit.embedded().replace("max_energy_j = 2.0", "max_energy_j = 0.5"))
    virtual = kit.bench()
    listener = kit.listener(virtual.analyser)
    executor = kit.process()
    executor.open(str(bench), listener.resource, virtual.switch)
    arrays = {"voltage": np.array([0.5, 7.0]), "width": np.array([0.8, 0.8])}
    executor.run("t2", wire.Train(devices=("A1",), cycles=3), arrays)
    finished, result = executor.finished("t2")
    assert finished.state is JobState.DONE
    assert finished.totals.outcomes == {"limit": 1}
    assert result["pulses"].tolist() == [0]
    assert np.isnan(result["resistance"]).all()
    assert listener.pulses() == 0
    assert "max_energy_j" in executor.happened("device.trained")[0].data["why"]


def test_a_train_with_a_pulse_that_the_source_cannot_make_is_not_begun(kit: Any) -> None:
    virtual = kit.bench()
    listener = kit.listener(virtual.analyser)
    executor = kit.process()
    executor.open("", listener.resource, virtual.switch)
    arrays = {"voltage": np.array([0.5, 0.5]), "width": np.array([0.8, 1e-4])}
    executor.run("t3", wire.Train(devices=("A1",)), arrays)
    finished, result = executor.finished("t3")
    assert finished.totals.outcomes == {"limit": 1}
    assert result["pulses"].tolist() == [0]
    assert listener.pulses() == 0
    assert "0.0001 s: a write pulse lasts" in executor.happened("device.trained")[0].data["why"]


def test_what_a_train_measured_before_a_fault_of_its_device_is_in_the_result(kit: Any) -> None:
    instruments = VirtualInstruments(bench.load(None), faults=[DeviceFault(what="shorts", device="A1", pulse=4)])
    try:
        executor = kit.process()
        executor.open("", instruments.flex.resource, instruments.tsp.resource)
        arrays = {"voltage": np.full(6, 0.5), "width": np.full(6, 1e-3)}
        executor.run("t4", wire.Train(devices=("A1", "A2")), arrays)
        finished, result = executor.finished("t4")
    finally:
        instruments.close()
    assert finished.totals.outcomes == {"shorted": 1, "applied": 1}
    assert result["pulses"].tolist() == [6, 6]
    assert np.all(result["resistance"][0, 0, :3] > 700.0)
    assert np.all(result["resistance"][0, 0, 3:] == 0.0)
    assert np.all(result["resistance"][1] > 700.0)


def test_after_a_crash_in_mid_train_the_record_gives_what_was_done_and_the_device_is_suspect(
    executor: Any, kit: Any
) -> None:
    arrays = {"voltage": np.full(50, 0.5), "width": np.full(50, 1e-3)}
    executor.run("t5", wire.Train(devices=("A1", "A2"), cycles=20_000 // 50), arrays)
    progress, _ = executor.until(messages.Progress, lambda report: report.pulses > 2000)
    executor.kill()
    again = kit.executor(unfinished=("t5",))
    assert [device.name for device in again.ready.devices if device.suspect] == [progress.device]
    finished, result = next((r, a) for r, a in again.reports if isinstance(r, messages.Finished))
    assert finished.state is JobState.INTERRUPTED
    first, second = result["pulses"].tolist()
    assert finished.totals.pulses == first + second
    assert 0 < first <= 20_000
    known = np.isfinite(result["resistance"]).reshape(2, -1)
    assert known.sum(axis=1).tolist() == [first, second]
    assert known[0, :first].all()
    assert np.isfinite(result["energy"]).sum() == first + second
    assert result["voltage"].tolist() == arrays["voltage"].tolist()


def test_a_train_goes_on_with_the_cycles_that_jobs_before_it_have_left(executor: Any, kit: Any) -> None:
    volts = np.repeat([3.0, -4.0], 10)
    arrays = {"voltage": volts, "width": np.full(20, 0.2)}  # a cycle is four pieces
    spec, each, total = wire.Train(devices=("A1", "A2"), cycles=30), len(volts), 2 * 30 * 20
    results: list[wire.Arrays] = []
    for job_id, before in (("a", ()), ("b", ("a",))):
        executor.send(messages.Run(job_id, spec, origin=messages.Origin(continues=before)), arrays)
        executor.until(messages.Progress, lambda report: report.pulses > 70)
        executor.send(messages.Cancel(job_id))
        cancelled, result = executor.finished(job_id)
        assert cancelled.state is JobState.CANCELLED
        results.append(result)
    whole = [pulses - pulses % each for pulses in results[-1]["pulses"].tolist()]
    assert results[0]["pulses"].sum() < sum(whole) < total
    origin = messages.Origin(continues=("b", "a"))
    executor.send(messages.Dry(1, spec, origin=origin), arrays)
    assert executor.until(messages.Planned)[0].plan.pulses == total - sum(whole)
    executor.send(messages.Run("c", spec, origin=origin), arrays)
    finished, result = executor.finished("c")
    assert (finished.state, finished.totals.pulses) == (JobState.DONE, total - sum(whole))
    assert (finished.totals.done, finished.totals.outcomes) == (2, {"applied": 2})
    assert result["pulses"].tolist() == [600, 600]
    for name in ("resistance", "energy"):
        assert np.isfinite(result[name]).all()
        for number, pulses in enumerate(whole):
            of_both = (result[name][number].reshape(-1)[:pulses], results[-1][name][number].reshape(-1)[:pulses])
            np.testing.assert_array_equal(*of_both)
    executor.close()
    again = kit.executor(unfinished=("b", "c"))
    rebuilt = [a for r, a in again.reports if isinstance(r, messages.Finished)]
    for found, live in zip(rebuilt, (results[-1], result), strict=True):
        for name, array in live.items():
            np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_the_plan_of_a_train_of_fast_pulses_counts_in_microseconds_before_anything_was_read(tmp_path: Path) -> None:
    """On the bench that ships: 4000 pulses with their readings take 0.2 s of its time."""
    chosen = bench.load(BENCHES / "xhameni2025-virtual.toml")
    ledger = Ledger(tmp_path)
    nobody: Any = None
    station = Station(chosen, nobody, ledger, nobody, nobody)
    arrays = {"voltage": np.full(40, 0.8), "width": np.full(40, 2e-7)}
    planned = plan(station, wire.Train(devices=("S1",), cycles=100), arrays)
    ledger.close()
    assert planned.pulses == 4000
    assert planned.rig_time == pytest.approx(4000 * 52e-6, rel=0.2)
