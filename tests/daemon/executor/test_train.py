"""Trains: what goes to the rig in one piece, and a train through the executor's process."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheostat import wire
from rheostat.wire import JobState
from rheostat_hal.values import Pulse
from rheostatd.executor.leases import MAX_LEASE
from rheostatd.executor.train import PIECE, READ_AFTER, pieces

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
