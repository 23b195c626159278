"""Bad input gets a clear answer and loses nothing: every message says what is wrong and what is possible."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from rheostat import wire
from rheostat_hal.bench import Limits
from rheostatd.errors import DaemonError
from rheostatd.service import validate

LIMITS = Limits(7.0, 2.0, 0.1, 2.0, 20000, 0.1)
DEVICES = {
    name: wire.Device(name=name, kind="tio2x-4t", channels={}, window=(740.0, 880.0)) for name in ("A1", "A2", "B1")
}
KNOWN = validate.Known(DEVICES, {"ffp": ("max_step",), "levels": ()}, ("2026-a",), LIMITS)


def refused(spec: Any, arrays: wire.Arrays | None = None, job_id: str = "j", **fields: Any) -> tuple[str, str]:
    with pytest.raises(DaemonError) as caught:
        validate.submit(wire.Submit(job_id=job_id, spec=spec, **fields), arrays or {}, KNOWN)
    return caught.value.code, str(caught.value)


def program(**fields: Any) -> wire.Program:
    return wire.Program(**{"devices": ("A1", "A2"), "tolerance": 0.1, **fields})


def arrays(targets: Any = (800.0, 790.0), device: Any = (0, 1)) -> wire.Arrays:
    return {"targets": np.asarray(targets, "<f8"), "device": np.asarray(device, "<i4")}


@pytest.mark.parametrize(
    ("targets", "device", "said"),
    [
        ((800.0, math.nan), (0, 1), "1 of 2 targets is not a finite resistance: target 1 (device A2) is nan"),
        ((math.inf, -math.inf), (0, 1), "2 of 2 targets are not a finite"),
        (
            (950.0, 790.0),
            (0, 1),
            "1 of 2 targets is outside the window of the device: target 0 (device A1, 740 to 880 ohm) is 950 ohm",
        ),
        ((0.0, -1.0), (0, 1), "2 of 2 targets are outside"),
        ((800.0,), (0, 1), "targets (1,) and device (2,)"),
        ((), (), "not empty"),
        ([[800.0, 790.0]], [[0, 1]], "one dimension"),
        ((800.0, 790.0), (0, 2), "target 1 names device number 2: there are 2"),
        ((800.0, 790.0), (-1, 0), "target 0 names device number -1"),
    ],
)
def test_targets_that_cannot_be_programmed_are_named(targets: Any, device: Any, said: str) -> None:
    code, message = refused(program(), arrays(targets, device))
    assert code == "request.bad_targets"
    assert said in message


def test_targets_of_another_type_or_missing_are_refused() -> None:
    ints = {"targets": np.array([800, 790]), "device": np.array([0, 1], "<i4")}
    assert refused(program(), ints) == ("request.bad_targets", "targets must be f8 and device i4, not <i8 and <i4")
    assert "takes the arrays 'device', 'targets', not no arrays" in refused(program())[1]
    assert "a Read job takes no arrays" in refused(wire.Read(devices=("A1",)), arrays())[1]


def test_a_shape_must_hold_the_targets() -> None:
    assert "does not hold 2 targets" in refused(program(shape=(3, 1)), arrays())[1]
    assert "does not hold 2 targets" in refused(program(shape=(-1, -2)), arrays())[1]
    assert validate.submit(wire.Submit(job_id="j", spec=program(shape=(1, 2))), arrays(), KNOWN) == 2


def test_the_ends_of_the_window_are_targets_too() -> None:
    ends = arrays((740.0 * (1 - 1e-12), 880.0 * (1 + 1e-12)))
    assert validate.submit(wire.Submit(job_id="j", spec=program()), ends, KNOWN) == 2


@pytest.mark.parametrize(
    ("spec", "code", "said"),
    [
        (wire.Read(devices=("A1", "a2")), "request.unknown_device", "no device 'a2'; did you mean 'A2'?"),
        (wire.Read(devices=("Z9",)), "request.unknown_device", "possible: A1, A2, B1"),
        (wire.Read(devices=()), "request.unknown_device", "at least one device"),
        (wire.Read(devices=("A1", "A1")), "request.unknown_device", "'A1' is named twice"),
        (wire.Read(devices=("A1",), readings=0), "request.bad_parameter", "readings 0: from 1"),
        (wire.Initialise(devices=("A1",), state="hrs"), "request.bad_parameter", "HRS or LRS"),
        (wire.Initialise(devices=("A1",), state="HRS", max_pulses=0), "request.bad_parameter", "max_pulses 0"),
        (wire.Calibrate(device="A3"), "request.unknown_device", "no device 'A3'"),
        (wire.Calibrate(device="A1", others=("A1",)), "request.unknown_device", "named twice"),
        (wire.Calibrate(device="A1", voltages=(1.0, 9.0)), "limit.exceeded", "voltage 9 V: the bench allows"),
        (wire.Calibrate(device="A1", voltages=(2.0, 1.0)), "request.bad_parameter", "rising"),
        (wire.Calibrate(device="A1", voltages=(1.0, math.nan)), "request.bad_parameter", "finite"),
        (wire.Calibrate(device="A1", width=3.0), "limit.exceeded", "width 3 s"),
        (wire.Calibrate(device="A1", width=math.nan), "request.bad_parameter", "width nan"),
        (program(scheme="fpp"), "request.unknown_scheme", "no scheme 'fpp'; did you mean 'ffp'? (ffp, levels)"),
        (program(parameters={"max_stp": 1.0}), "request.bad_parameter", "did you mean 'max_step'"),
        (program(parameters={"max_step": math.inf}), "request.bad_parameter", "max_step = inf"),
        (program(tolerance=0.0), "request.bad_parameter", "tolerance 0.0"),
        (program(tolerance=math.nan), "request.bad_parameter", "tolerance nan"),
        (program(confidence=1.0), "request.bad_parameter", "confidence 1.0"),
        (program(max_pulses=-1), "request.bad_parameter", "max_pulses -1"),
        (program(order="down"), "request.bad_parameter", "given or sweep"),
        (program(table="2026-b"), "request.unknown_table", "did you mean '2026-a'?"),
        (program(traces=("B1",)), "request.unknown_device", "not a device of this job"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_with_what_is_possible(spec: Any, code: str, said: str) -> None:
    found, message = refused(spec, arrays() if isinstance(spec, wire.Program) else None)
    assert found == code
    assert said in message


def test_the_envelope_of_a_job_is_checked() -> None:
    read = wire.Read(devices=("A1",))
    assert refused(read, job_id="../x")[0] == "request.invalid"
    assert refused(read, job_id="")[0] == "request.invalid"
    assert refused(read, label="x" * 201)[0] == "request.invalid"
    assert refused(read, priority=10**9)[0] == "request.invalid"


def test_the_number_of_targets_is_known_before_a_job_runs() -> None:
    for spec, total in ((wire.Read(devices=("A1", "B1")), 2), (wire.Calibrate(device="A1", others=("A2",)), 31)):
        assert validate.submit(wire.Submit(job_id="j", spec=spec), {}, KNOWN) == total


def test_what_is_unknown_or_misplaced_is_refused_and_nothing_is_journalled(daemon: Any, program: Any) -> None:
    call = daemon.call
    assert call(*program("one", targets=(950.0, 800.0))).code == "request.bad_targets"
    assert call(wire.GetJob(job_id="one")).code == "request.unknown_job"
    assert call(wire.Wait(job_id="one")).code == "request.unknown_job"
    assert call(wire.Cancel(job_id="one")).code == "request.unknown_job"
    assert call(wire.Pause(job_id="one")).code == "request.unknown_job"
    assert call(wire.GetTrace(job_id="one", device="A1")).code == "request.unknown_job"
    assert call(wire.GetTable(version="x")).code == "request.unknown_table"
    assert call(wire.ListJobs(limit=0)).code == "request.bad_parameter"
    assert call(wire.GetStatus(), arrays()).code == "request.invalid"
    assert call(wire.ListJobs()).jobs == ()
    call(*program("two"))
    call.wait("two")
    assert "did you mean 'two'?" in call(wire.GetJob(job_id="tow")).message
    assert call(wire.GetTrace(job_id="two", device="A9")).code == "request.unknown_device"
    assert call(wire.Wait(job_id="two", timeout=math.nan)).code == "request.bad_parameter"
    assert "is over (done)" in call(wire.Pause(job_id="two")).message


def test_an_emergency_stop_on_the_main_socket_is_pointed_to_its_own(daemon: Any) -> None:
    failure = daemon.call(wire.EmergencyStop())
    assert failure.code == "request.invalid"
    assert daemon.call(wire.GetStatus()).estop in failure.message


def test_status_and_devices_tell_what_the_executor_has_told(daemon: Any) -> None:
    status = daemon.call(wire.GetStatus())
    assert (status.state, status.latch, status.queued, status.running) == ("idle", None, 0, None)
    assert (status.pid, status.data) == (daemon.process.pid, str(daemon.data))
    devices = daemon.call(wire.ListDevices()).devices
    assert [device.name for device in devices] == ["A1", "A2", "A3"]


@pytest.mark.parametrize(
    ("tolerance", "said"),
    [
        (np.array([0.1]), "must be f8 (2,) like the targets"),
        (np.array([0.1, 0.2], np.float32), "must be f8"),
        (np.array([0.1, 0.0]), "tolerance of target 1 is 0.0"),
        (np.array([math.nan, 0.1]), "tolerance of target 0 is nan"),
    ],
)
def test_tolerances_of_targets_are_checked_one_by_one(tolerance: Any, said: str) -> None:
    assert said in refused(program(), {**arrays(), "tolerance": tolerance})[1]


@pytest.mark.parametrize(
    ("voltage", "width", "code", "said"),
    [
        ((0.5, 7.5), (0.8, 0.8), "limit.exceeded", "pulse 1 has 7.5 V: the bench allows 7 V"),
        ((0.5, math.nan), (0.8, 0.8), "limit.exceeded", "pulse 1 has nan V"),
        ((0.5, 0.5), (0.8, 2.5), "limit.exceeded", "pulse 1 lasts 2.5 s: the bench allows up to 2 s"),
        ((0.5, 0.5), (0.0, 0.8), "limit.exceeded", "pulse 0 lasts 0 s"),
        ((0.5,), (0.8, 0.8), "request.bad_targets", "equal and not empty"),
        ((), (), "request.bad_targets", "equal and not empty"),
    ],
)
def test_a_train_beyond_the_bench_is_refused(voltage: Any, width: Any, code: str, said: str) -> None:
    given = {"voltage": np.asarray(voltage, "<f8"), "width": np.asarray(width, "<f8")}
    found, message = refused(wire.Train(devices=("A1",)), given)
    assert found == code
    assert said in message


def test_a_train_longer_than_a_device_may_bear_is_refused() -> None:
    given = {"voltage": np.full(1000, 0.5), "width": np.full(1000, 0.8)}
    code, message = refused(wire.Train(devices=("A1",), cycles=21), given)
    assert code == "limit.exceeded"
    assert "21000 write pulses of a device: the bench allows 20000 in one job" in message


@pytest.mark.parametrize(
    ("spec", "code", "said"),
    [
        (wire.IvLoops(devices=(), voltages=(1.0,)), "request.unknown_device", "at least one device"),
        (wire.IvLoops(devices=("A1", "A1"), voltages=(1.0,)), "request.unknown_device", "named twice"),
        (wire.IvLoops(devices=("A1",), voltages=()), "request.bad_parameter", "voltages: one loop"),
        (wire.IvLoops(devices=("A1",), voltages=(1.0, math.nan)), "request.bad_parameter", "voltages: one loop"),
        (wire.IvLoops(devices=("A1",), voltages=(1.0, -7.5)), "limit.exceeded", "voltage -7.5 V: the bench allows"),
        (wire.IvLoops(devices=("A1",), voltages=(1.0,), loops=0), "request.bad_parameter", "loops 0"),
        (wire.IvLoops(devices=("A1",), voltages=(1.0,), dwell=0.0), "request.bad_parameter", "dwell 0.0"),
        (wire.IvLoops(devices=("A1",), voltages=(1.0,), dwell=math.inf), "request.bad_parameter", "dwell inf"),
        (wire.IvLoops(devices=("A1",), voltages=(1.0,), width=2.5), "limit.exceeded", "width 2.5 s"),
        (wire.IvLoops(devices=("A1",), voltages=(1.0,) * 21), "limit.exceeded", "21000 write pulses of a device"),
        (wire.IdenticalPulses(devices=("Z1",)), "request.unknown_device", "no device 'Z1'"),
        (wire.IdenticalPulses(devices=("A1",), voltages=()), "request.bad_parameter", "voltages: at least one"),
        (wire.IdenticalPulses(devices=("A1",), voltages=(2.0, 1.0)), "request.bad_parameter", "rising"),
        (wire.IdenticalPulses(devices=("A1",), voltages=(-1.0, 1.0)), "request.bad_parameter", "positive"),
        (wire.IdenticalPulses(devices=("A1",), voltages=(1.0, 8.0)), "limit.exceeded", "voltage 8 V"),
        (wire.IdenticalPulses(devices=("A1",), pulses=0), "request.bad_parameter", "pulses 0"),
        (wire.IdenticalPulses(devices=("A1",), repetitions=0), "request.bad_parameter", "repetitions 0"),
        (wire.IdenticalPulses(devices=("A1",), width=0.0), "request.bad_parameter", "width 0.0"),
        (wire.IdenticalPulses(devices=("A1",), pulses=200), "limit.exceeded", "30000 write pulses of a device"),
        (wire.Staircase(devices=("A1", "Z1")), "request.unknown_device", "no device 'Z1'"),
        (wire.Staircase(devices=("A1",), cycles=0), "request.bad_parameter", "cycles 0"),
        (wire.Staircase(devices=("A1",), max_pulses=-1), "request.bad_parameter", "max_pulses -1"),
        (wire.Staircase(devices=("A1",), table="2026-b"), "request.unknown_table", "did you mean '2026-a'?"),
    ],
)
def test_what_is_wrong_with_a_staged_job_is_named(spec: Any, code: str, said: str) -> None:
    found, message = refused(spec)
    assert found == code
    assert said in message


@pytest.mark.parametrize(
    ("spec", "total"),
    [
        (wire.IvLoops(devices=("A1", "B1"), voltages=(0.0, 1.0), loops=7), 14),
        (wire.IdenticalPulses(devices=("A1", "B1"), voltages=(1.0, 2.0, 3.0), repetitions=2), 24),
        (wire.Staircase(devices=("A1", "B1"), cycles=5), 20),
    ],
)
def test_a_staged_job_counts_its_stages_on_all_devices(spec: Any, total: int) -> None:
    assert validate.submit(wire.Submit(job_id="j", spec=spec), {}, KNOWN) == total
