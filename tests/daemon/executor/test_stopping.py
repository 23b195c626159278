"""Every way in which a job can be stopped: asked, in an emergency, by the death of anybody it depends on."""

from __future__ import annotations

import signal
import time
from typing import Any

import numpy as np
import pytest
import zmq

from rheostat import wire
from rheostat.wire import JobState, Outcome
from rheostatd import messages

DEVICES = ("A1", "A2", "A3")


def long_program(kit: Any, devices: tuple[str, ...] = DEVICES) -> tuple[wire.Program, wire.Arrays]:
    """Many targets a device: seconds of work at full speed."""
    there_and_back = [float(ohm) for ohm in (*range(760, 860, 5), *range(860, 760, -5))] * 4
    return kit.program(devices, dict.fromkeys(devices, there_and_back), order="given", tolerance=0.15)


def started(executor: Any) -> messages.Progress:
    """Waits until some pulses have been applied."""
    return executor.until(messages.Progress, lambda report: report.pulses > 20)[0]


@pytest.fixture
def executor(kit: Any) -> Any:
    kit.add_table(DEVICES)
    return kit.executor()


def emergency(endpoint: str, timeout: float = 15.0) -> tuple[wire.Reply, float]:
    """Sends an emergency stop; the answer and after how many seconds it came."""
    context = zmq.Context.instance()
    with context.socket(zmq.REQ) as request:
        request.setsockopt(zmq.LINGER, 0)
        request.connect(endpoint)
        began = time.monotonic()
        request.send_multipart(wire.pack(wire.EmergencyStop(reason="smoke"), 5))
        assert request.poll(timeout * 1000), "an emergency stop was not answered"
        header = wire.unpack_header(request.recv_multipart()[0])
        assert header.number == 5
        return wire.unpack_reply(header), time.monotonic() - began


def test_a_cancelled_job_ends_within_an_event_and_keeps_what_was_done(executor: Any, kit: Any) -> None:
    spec, arrays = long_program(kit)
    executor.run("j1", spec, arrays)
    executor.until(messages.Progress, lambda report: report.done > 3)
    executor.send(messages.Cancel("another"))
    executor.send(messages.Cancel("j1"))
    began = time.monotonic()
    finished, result = executor.finished("j1")
    assert time.monotonic() - began < 2.0
    assert finished.state is JobState.CANCELLED
    assert finished.error_code == "job.cancelled"
    done = result["outcome"] != Outcome.CANCELLED
    assert done.sum() >= 3
    assert np.isfinite(result["achieved"][done]).all()
    assert not (result["outcome"] == Outcome.PENDING).any()
    assert sum(finished.totals.outcomes.values()) == len(spec.devices) * 160
    assert not any(device.suspect for device in finished.devices)
    executor.run("j2", wire.Read(devices=("A1",)))
    assert executor.finished("j2")[0].state is JobState.DONE


def test_a_paused_job_stands_still_until_it_is_resumed(executor: Any, kit: Any) -> None:
    spec, arrays = long_program(kit, ("A1",))
    executor.run("j1", spec, arrays)
    started(executor)
    executor.send(messages.Pause("j1"))
    executor.until(messages.Happened, lambda report: report.name == "job.paused")
    paused_at = next(r for r, _ in reversed(executor.reports) if isinstance(r, messages.Progress)).pulses
    executor.send(messages.FetchTrace(1, "j1", "A1"))  # answered meanwhile
    executor.until(messages.Fetched)
    time.sleep(0.3)
    executor.send(messages.Resume("j1"))
    executor.until(messages.Happened, lambda report: report.name == "job.resumed")
    again = executor.until(messages.Progress)[0]
    assert again.pulses - paused_at < 200
    executor.until(messages.Progress, lambda report: report.pulses > paused_at + 50)
    executor.send(messages.Pause("j1"))
    executor.until(messages.Happened, lambda report: report.name == "job.paused")
    executor.send(messages.Cancel("j1"))
    assert executor.finished("j1")[0].state is JobState.CANCELLED


def test_shutdown_in_mid_job_ends_the_job_and_then_the_process(executor: Any, kit: Any) -> None:
    executor.run("j1", *long_program(kit))
    started(executor)
    executor.send(messages.Shutdown())
    finished, _ = executor.finished("j1")
    assert finished.state is JobState.CANCELLED
    assert finished.error_code == "job.stopped"
    assert executor.wait() == 0


def test_an_emergency_stop_in_mid_job_is_answered_when_the_rig_is_safe_and_latches_it(executor: Any, kit: Any) -> None:
    executor.run("j1", *long_program(kit))
    started(executor)
    reply, took = emergency(executor.ready.estop)
    assert isinstance(reply, wire.Ok)
    assert took < 3.0
    latched, _ = executor.until(messages.Latched)
    assert latched.code == "rig.estop"
    assert "smoke" in latched.reason
    finished, result = executor.finished("j1")
    assert finished.state is JobState.FAILED
    assert finished.error_code == "rig.estop"
    assert (result["outcome"] == Outcome.INTERRUPTED).sum() == 1
    assert (result["outcome"] == Outcome.CANCELLED).any()

    executor.run("j2", wire.Read(devices=("A1",)))
    refused, _ = executor.finished("j2")
    assert refused.error_code == "rig.latched"
    assert "smoke" in refused.error
    executor.send(messages.Recover(9))
    recovered, _ = executor.until(messages.Recovered)
    assert (recovered.number, recovered.error) == (9, None)
    executor.run("j3", wire.Read(devices=("A1",)))
    assert executor.finished("j3")[0].state is JobState.DONE


def test_an_emergency_stop_while_nothing_runs_latches_too(executor: Any) -> None:
    reply, took = emergency(executor.ready.estop)
    assert isinstance(reply, wire.Ok)
    assert took < 3.0
    assert executor.until(messages.Latched)[0].code == "rig.estop"
    reply, _ = emergency(executor.ready.estop)
    assert isinstance(reply, wire.Ok)


def test_an_emergency_stop_passes_a_pulse_that_takes_two_real_seconds(kit: Any) -> None:
    kit.own_bench(real_time=True)
    executor = kit.executor(kit.real_time())
    executor.run("j1", wire.Calibrate(device="A1", voltages=(0.3, 0.4), width=2.0, max_train=100))
    executor.until(messages.Progress, lambda report: report.pulses >= 1)
    time.sleep(0.2)
    reply, took = emergency(executor.ready.estop)
    assert isinstance(reply, wire.Ok)
    assert took < 1.5
    finished, _ = executor.finished("j1")
    assert finished.error_code == "rig.estop"
    assert finished.devices[0].suspect


def test_anything_else_on_the_emergency_socket_is_refused_and_stops_nothing(executor: Any) -> None:
    context = zmq.Context.instance()
    with context.socket(zmq.DEALER) as dealer:
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.connect(executor.ready.estop)
        for frames in (wire.pack(wire.GetStatus(), 3), [b"nonsense"], [b"", b""]):
            dealer.send_multipart(frames)
            assert dealer.poll(5000)
            reply = wire.unpack_reply(wire.unpack_header(dealer.recv_multipart()[-1]))
            assert isinstance(reply, wire.Failure)
    executor.run("j1", wire.Read(devices=("A1",)))
    assert executor.finished("j1")[0].state is JobState.DONE


@pytest.mark.parametrize("way", ["stdin", "SIGTERM", "SIGINT"])
def test_the_end_of_the_service_or_a_signal_stops_the_job_and_the_process(executor: Any, kit: Any, way: str) -> None:
    executor.run("j1", *long_program(kit))
    started(executor)
    if way == "stdin":
        executor.process.stdin.close()
    else:
        executor.process.send_signal(signal.Signals[way])
    assert executor.wait() == 0
    assert "executor.stopping" in executor.said()
    record = kit.record()
    assert record.recover() == ()  # nothing was left open
    job = record.job("j1")
    assert job.state is JobState.INTERRUPTED
    again = kit.executor(unfinished=("j1",))
    finished, result = next((r, a) for r, a in again.reports if isinstance(r, messages.Finished))
    assert finished.state is JobState.INTERRUPTED
    assert (result["outcome"] == Outcome.INTERRUPTED).sum() == 1


def test_when_the_instruments_die_in_mid_job_the_job_fails_and_the_rig_is_latched(kit: Any) -> None:
    kit.own_bench()
    kit.add_table(DEVICES)
    executor = kit.executor()
    executor.run("j1", *long_program(kit))
    executor.until(messages.Progress, lambda report: report.done > 3)
    kit.bench().process.kill()
    latched, _ = executor.until(messages.Latched)
    assert latched.code.startswith(("bus.", "rig."))
    assert "NOT SAFE" in latched.reason
    finished, result = executor.finished("j1")
    assert finished.state is JobState.FAILED
    assert finished.error_code.startswith("bus.")
    outcome = result["outcome"]
    assert (outcome == Outcome.INTERRUPTED).sum() == 1
    assert (outcome == Outcome.VERIFIED).any()
    assert (outcome == Outcome.CANCELLED).any()
    assert finished.devices[-1].suspect
    executor.send(messages.Recover(1))
    assert executor.until(messages.Recovered)[0].error is not None
    reply, took = emergency(executor.ready.estop)
    assert isinstance(reply, wire.Failure)
    assert reply.code == "rig.unsafe"
    assert took < 10.0


def test_after_a_crash_the_device_is_suspect_until_it_is_read_and_the_record_gives_a_result(
    executor: Any, kit: Any
) -> None:
    spec, arrays = long_program(kit)
    executor.run("j1", spec, arrays)
    progress, _ = executor.until(messages.Progress, lambda report: report.done > 10)
    executor.kill()
    again = kit.executor(unfinished=("j1", "never"))
    assert again.ready.interrupted == ("j1",)
    suspects = [device.name for device in again.ready.devices if device.suspect]
    assert suspects == [progress.device]
    ends = [(r, a) for r, a in again.reports if isinstance(r, messages.Finished)]
    assert [r.job_id for r, _ in ends] == ["j1"]
    finished, result = ends[0]
    assert finished.state is JobState.INTERRUPTED
    assert finished.provenance["scheme"] == "ffp"
    np.testing.assert_array_equal(result["targets"], arrays["targets"])
    verified = result["outcome"] == Outcome.VERIFIED
    assert verified.sum() > 0
    assert np.abs(result["achieved"] - result["targets"])[verified].max() < 0.15
    assert (result["outcome"] == Outcome.INTERRUPTED).sum() == 1
    assert (result["outcome"] == Outcome.PENDING).any()
    again.run("j2", wire.Read(devices=tuple(suspects)))
    after, _ = again.finished("j2")
    assert not after.devices[0].suspect


def test_an_executor_without_its_instruments_says_which_resource_does_not_answer(kit: Any) -> None:
    executor = kit.process()
    nowhere = "TCPIP0::127.0.0.1::9::SOCKET"
    executor.send(messages.Open("", str(kit.data), {"analyser": nowhere, "switch": nowhere.replace("::9::", "::10::")}))
    failed, _ = executor.receive()
    assert isinstance(failed, messages.Failed)
    assert failed.code == "bus.unavailable"
    assert nowhere in failed.reason
    assert executor.wait() == 1


def test_a_second_executor_on_the_same_instruments_exits_and_says_who_holds_them(executor: Any, kit: Any) -> None:
    second = kit.process()
    virtual = kit.bench()
    second.send(messages.Open("", str(kit.folder / "elsewhere"), virtual.resources))
    failed, _ = second.receive()
    assert isinstance(failed, messages.Failed)
    assert failed.code == "daemon.locked"
    assert str(executor.process.pid) in failed.reason
    assert second.wait() == 1


def test_an_executor_whose_service_ends_before_it_said_anything_exits(kit: Any) -> None:
    executor = kit.process()
    executor.process.stdin.close()
    assert executor.wait() == 0
