"""What the record alone makes of jobs that are not staged, when the service never heard of their end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rheostat import wire
from rheostat.wire import JobState
from rheostatd import messages

CALIBRATE = wire.Calibrate(device="A1", others=("A2",), voltages=(1.0, 2.0, 4.0, 7.0), max_train=40)


def rebuilt(kit: Any, job_id: str) -> tuple[messages.Finished, wire.Arrays]:
    executor = kit.executor(unfinished=(job_id,))
    ((finished, arrays),) = [(r, a) for r, a in executor.reports if isinstance(r, messages.Finished)]
    executor.close()
    return finished, arrays


@pytest.mark.parametrize("spec", [CALIBRATE, wire.Initialise(devices=("A1", "A2"), state="LRS")])
def test_a_job_that_was_done_is_done_with_all_that_it_found(kit: Any, spec: Any) -> None:
    executor = kit.executor()
    executor.run("j", spec)
    finished, result = executor.finished("j")
    assert finished.state is JobState.DONE, finished.error
    executor.close()
    again, arrays = rebuilt(kit, "j")
    assert (again.state, again.table) == (JobState.DONE, finished.table)
    assert set(arrays) == set(result)
    for name, array in result.items():
        np.testing.assert_array_equal(arrays[name], array, err_msg=name)


def test_a_check_whose_verdict_was_lost_is_interrupted_and_not_done_without_one(kit: Any) -> None:
    kit.add_table(("A1",))
    executor = kit.executor()
    executor.run("j", wire.CheckTable(devices=("A1",)))
    assert executor.finished("j")[0].state is JobState.DONE
    executor.close()
    again, arrays = rebuilt(kit, "j")
    assert (again.state, again.error_code, arrays) == (JobState.INTERRUPTED, "job.interrupted", {})
