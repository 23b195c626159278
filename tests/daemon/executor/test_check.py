"""The job "check_table" through the executor's process, and what plans say of old tables."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from rheostat import wire
from rheostat.wire import JobState
from rheostatd import messages


@pytest.fixture
def executor(kit: Any) -> Any:
    kit.add_table(("A1", "A2"))
    return kit.executor()


def test_a_check_tells_for_each_device_by_few_pulses(executor: Any) -> None:
    executor.run("k1", wire.CheckTable(devices=("A1", "A2")))
    finished, arrays = executor.finished("k1")
    assert finished.state is JobState.DONE, finished.error
    assert sum(finished.totals.outcomes.values()) == 2
    assert set(finished.totals.outcomes) <= {"fits", "misfits"}
    assert finished.totals.pulses <= 48
    assert finished.provenance["table"] == "paper"
    assert arrays["predicted"].shape == arrays["measured"].shape == (2, 2, 8)
    assert arrays["gain"].shape == arrays["gain_error"].shape == arrays["expected"].shape == (2, 2)
    gains = np.nansum(arrays["measured"], axis=-1) / np.nansum(arrays["predicted"], axis=-1)
    np.testing.assert_allclose(arrays["gain"], gains)
    assert np.all(arrays["gain_error"] > 0.0)
    assert arrays["fits"].dtype == np.uint8
    checked = executor.happened("device.checked")
    assert [event.data["fits"] for event in checked] == [bool(fits) for fits in arrays["fits"]]


def test_plans_name_the_version_and_age_of_the_table_they_use(executor: Any, kit: Any) -> None:
    program, arrays = kit.program(("A1",), {"A1": [800.0]})
    for number, (spec, given) in enumerate(((wire.CheckTable(devices=("A1",)), None), (program, arrays))):
        executor.send(messages.Dry(number, spec), given)
        planned, _ = executor.until(messages.Planned)
        assert any(
            "feedforward table paper is" in risk and "days old: check_table" in risk for risk in planned.plan.risks
        )
    assert planned.plan.pulses > 0


def test_a_check_without_a_table_is_refused_before_anything_is_pulsed(kit: Any) -> None:
    executor = kit.executor()
    executor.run("k1", wire.CheckTable(devices=("A1",)))
    finished, _ = executor.finished("k1")
    assert (finished.state, finished.error_code) == (JobState.FAILED, "request.unknown_table")


def test_the_record_knows_what_a_device_has_been_through_since_a_time(executor: Any, kit: Any) -> None:
    began = time.time()
    executor.run("t1", wire.Train(devices=("A2",), cycles=3), {"voltage": np.full(4, 1.0), "width": np.full(4, 0.1)})
    executor.finished("t1")
    record = kit.record()
    assert record.exchanges_since("A2", began) == 13  # 12 write pulses and the reading before
    assert record.exchanges_since("A2", time.time()) == 0
    assert record.exchanges_since("A1", began) == 0


def test_a_check_keeps_within_the_energy_that_the_bench_allows(kit: Any) -> None:
    bench = kit.folder / "bench.toml"
    bench.write_text(kit.embedded().replace("max_energy_j = 2.0", "max_energy_j = 0.8"))
    kit.add_table(("A1",))
    executor = kit.executor(str(bench))
    executor.run("k1", wire.CheckTable(devices=("A1",)))
    finished, _ = executor.finished("k1")
    assert set(finished.totals.outcomes) <= {"fits", "misfits"}
    assert finished.totals.pulses >= 16
