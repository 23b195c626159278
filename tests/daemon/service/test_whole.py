"""`rheostatd` as people start it: service, executor, drivers, pyvisa, virtual bench, each a real process or socket."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from rheostat import wire
from rheostat_hal.virtual.launch import VirtualBench, launch

State, Outcome = wire.JobState, wire.Outcome


@pytest.fixture
def rheostatd(tmp_path: Path, daemon_process: Any) -> Iterator[Callable[..., Any]]:
    """Starts the command on this test's data folder (or `folder`)."""
    started = []

    def start(*arguments: str, folder: str = "data", **environment: str) -> Any:
        data = tmp_path / folder
        command = [sys.executable, "-m", "rheostatd", "--data", str(data), "--port", "0", *arguments]
        started.append(daemon_process(command, data, **environment))
        return started[-1]

    yield start
    for daemon in started:
        if daemon.process.poll() is None:
            daemon.stop()


@pytest.fixture(scope="module")
def instruments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualBench]:
    """Instruments that no daemon has started."""
    with launch(None) as bench:
        yield bench


def bench_file(folder: Path, analyser: str, switch: str) -> str:
    """The embedded bench, but on given instruments, as if they were real."""
    text = resources.files("rheostat_hal").joinpath("embedded.toml").read_text()
    head, rest = text.split("[virtual]")
    text = head + rest[rest.index("[[devices]]") :]
    text = text.replace("[analyser]", f'[analyser]\nresource = "{analyser}"')
    text = text.replace("[switch]", f'[switch]\nresource = "{switch}"')
    path = folder / "bench.toml"
    path.write_text(text)
    return str(path)


def running(daemon: Any, job_id: str, done: Callable[[wire.Job], bool] = lambda job: job.pulses > 0) -> wire.Job:
    end = time.monotonic() + 60.0
    while not done(job := daemon.call(wire.GetJob(job_id=job_id))):
        assert not job.state.final, job
        assert time.monotonic() < end, job
        time.sleep(0.02)
    return job


def calibrated(daemon: Any) -> None:
    daemon.call(wire.Submit(job_id="calibration", spec=wire.Calibrate(device="A1", others=("A2",))))
    job = daemon.call.wait("calibration", timeout=120.0)
    assert job.state is State.DONE, job


def initialise(job_id: str, *devices: str) -> wire.Submit:
    return wire.Submit(job_id=job_id, spec=wire.Initialise(devices=devices, state="LRS"))


def test_a_daemon_without_a_bench_file_programs_devices_through_every_layer(rheostatd: Any, program: Any) -> None:
    daemon = rheostatd()
    assert (daemon.devices, daemon.bench) == (24, "virtual bench")
    status = daemon.call(wire.GetStatus())
    assert [instrument.model for instrument in status.instruments] == ["B1500A", "3706A-SNFP"]
    calibrated(daemon)
    targets = (800.0, 790.0, 805.0, 795.0)
    daemon.call(*program("one", targets=targets, device=(0, 1, 0, 1), traces=("A1",)))
    job = daemon.call.wait("one", timeout=60.0)
    assert (job.state, job.done, sum(job.outcomes.values())) == (State.DONE, 4, 4), job
    result = daemon.call(wire.GetResult(job_id="one"))
    arrays = daemon.call.arrays
    verified = arrays["outcome"] == Outcome.VERIFIED
    assert verified.sum() >= 3
    assert np.abs(arrays["achieved"] - targets)[verified].max() < 0.137
    assert arrays["pulses"].sum() == job.pulses
    assert job.rig_time > 0.8 * job.pulses  # s of the rig, which took none of ours
    assert result.provenance["scheme"] == "ffp"
    assert arrays["trace_0_voltage"].shape == arrays["trace_0_resistance"].shape
    daemon.call(wire.GetTrace(job_id="one", device="A2"))
    written = ~np.isnan(daemon.call.arrays["voltage"])
    assert written.sum() == arrays["pulses"][[1, 3]].sum()
    table = daemon.call(wire.GetTable())
    assert set(table.info.gains) == {"A1", "A2"}
    assert set(daemon.call.arrays) == {*wire.FeedforwardTable.ARRAYS, *wire.FeedforwardTable.ERRORS}
    device = daemon.call(wire.ListDevices()).devices[0]
    assert (device.name, device.suspect) == ("A1", False)
    assert device.resistance == pytest.approx(805.0, abs=2.0)
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < 10.0
    assert not (daemon.data / "daemon.json").exists()

    again = rheostatd()
    assert again.call(wire.GetResult(job_id="one")) == result
    assert again.call(wire.ListTables()).tables[0].version == table.info.version
    again.call(wire.Submit(job_id="read", spec=wire.Read(devices=("A1",), readings=8)))
    again.call.wait("read")
    again.call(wire.GetResult(job_id="read"))
    reading = np.mean(again.call.arrays["resistance"])  # of the same die, through contacts made anew
    assert reading == pytest.approx(device.resistance, abs=3.0)


def in_mid_job(rheostatd: Any, program: Any) -> Any:
    """A daemon on a virtual bench in real time, some pulses into job "one": four targets on A1, then one on A2."""
    first = rheostatd()
    calibrated(first)
    first.stop()
    daemon = rheostatd("--real-time")
    daemon.call(*program("one", targets=(745.0, 870.0, 750.0, 860.0, 750.0), device=(0, 0, 0, 0, 1)))
    running(daemon, "one")
    return daemon


def test_an_executor_killed_between_pulses_costs_only_its_job(rheostatd: Any, program: Any) -> None:
    daemon = in_mid_job(rheostatd, program)
    os.kill(daemon.executor_pid(), signal.SIGKILL)
    job = daemon.call.wait("one", timeout=60.0)
    assert (job.state, job.error_code) == (State.INTERRUPTED, "job.interrupted"), job
    result = daemon.call(wire.GetResult(job_id="one"))
    assert isinstance(result, wire.Result)
    assert daemon.call.arrays["outcome"].tolist() == [Outcome.INTERRUPTED, *[Outcome.PENDING] * 4]
    assert (daemon.call.arrays["pulses"][0], job.pulses > 0) == (job.pulses, True)
    suspects = [device.name for device in daemon.call(wire.ListDevices()).devices if device.suspect]
    assert suspects == ["A1"]
    daemon.call(wire.Submit(job_id="read", spec=wire.Read(devices=("A1",))))
    assert daemon.call.wait("read", timeout=30.0).state is State.DONE
    assert not any(device.suspect for device in daemon.call(wire.ListDevices()).devices)


def test_when_the_service_is_killed_its_processes_end_and_the_next_one_knows_what_was_done(
    rheostatd: Any, program: Any
) -> None:
    daemon = in_mid_job(rheostatd, program)
    children = psutil.Process(daemon.process.pid).children()
    assert len(children) == 2
    daemon.process.kill()
    _, alive = psutil.wait_procs(children, timeout=15)
    assert not alive
    again = rheostatd()
    job = again.call.wait("one", timeout=30.0)
    assert job.state.final
    assert job.state is not State.DONE
    again.call(wire.GetResult(job_id="one"))
    assert again.call.arrays["pulses"][0] > 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_mid_job_ends_everything_within_seconds(rheostatd: Any, number: int) -> None:
    daemon = rheostatd("--real-time")
    daemon.call(initialise("one", "A1"))
    running(daemon, "one")
    children = psutil.Process(daemon.process.pid).children()
    began = time.monotonic()
    assert daemon.stop(number) == 0
    assert time.monotonic() - began < 8.0
    assert not any(child.is_running() for child in children)
    again = rheostatd()
    assert again.call(wire.GetJob(job_id="one")).state in (State.CANCELLED, State.INTERRUPTED)


def test_a_virtual_bench_that_dies_is_started_again_with_its_executor(rheostatd: Any) -> None:
    daemon = rheostatd()
    before = daemon.executor_pid()
    bench = next(
        child for child in psutil.Process(daemon.process.pid).children() if "rheostat_hal.virtual" in child.cmdline()
    )
    bench.kill()
    end = time.monotonic() + 60.0
    while (status := daemon.call(wire.GetStatus())).executor_pid in (None, before) or status.state == "starting":
        assert time.monotonic() < end, status
        time.sleep(0.05)
    if status.state == "latched":
        assert daemon.call(wire.Recover(), timeout=30.0) == wire.Ok()
    daemon.call(wire.Submit(job_id="read", spec=wire.Read(devices=("A1",))))
    assert daemon.call.wait("read", timeout=30.0).state is State.DONE


def test_an_absent_instrument_ends_the_daemon_and_is_named(tmp_path: Path, instruments: VirtualBench) -> None:
    absent = "TCPIP0::127.0.0.1::1::SOCKET"
    bench = bench_file(tmp_path, absent, instruments.switch)
    command = [sys.executable, "-m", "rheostatd", "--config", bench, "--data", str(tmp_path / "d"), "--port", "0"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 4
    assert ended.stdout == ""
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("rheostatd: the rig cannot be opened: ")
    assert absent in last
    assert "Traceback" not in ended.stderr


def test_an_instrument_that_is_something_else_ends_the_daemon_and_is_named(
    tmp_path: Path, instruments: VirtualBench
) -> None:
    bench = bench_file(tmp_path, instruments.switch, instruments.analyser)  # swapped
    command = [sys.executable, "-m", "rheostatd", "--config", bench, "--data", str(tmp_path / "d"), "--port", "0"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 4
    assert ended.stderr.splitlines()[-1].startswith("rheostatd: the rig cannot be opened: ")


def test_a_second_daemon_on_the_same_instruments_exits_and_says_who_holds_them(
    tmp_path: Path, instruments: VirtualBench, rheostatd: Any
) -> None:
    bench = bench_file(tmp_path, instruments.analyser, instruments.switch)
    first = rheostatd("--config", bench)
    assert first.bench == "bench tio2x-die-virtual"
    command = [sys.executable, "-m", "rheostatd", "--config", bench, "--data", str(tmp_path / "2"), "--port", "0"]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 3
    last = second.stderr.splitlines()[-1]
    assert f"{instruments.analyser} is held by the daemon with pid" in last
    assert str(first.executor_pid()) in last
    first.call(wire.Submit(job_id="read", spec=wire.Read(devices=("A1",))))
    assert first.call.wait("read").state is State.DONE


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="NOT TESTED, needs Linux: limits of another process")
def test_a_disk_that_fills_in_mid_job_stops_it_safe_and_loses_nothing(rheostatd: Any) -> None:
    daemon = rheostatd("--real-time")
    daemon.call(initialise("one", "A1"))
    before = running(daemon, "one")
    pids, (_, hard) = (daemon.process.pid, daemon.executor_pid()), resource.getrlimit(resource.RLIMIT_FSIZE)
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (512, hard))
    end = time.monotonic() + 30.0
    while (status := daemon.call(wire.GetStatus())).state != "latched":
        assert time.monotonic() < end, status
        time.sleep(0.05)
    assert status.latch.startswith("journal.full")
    refused = daemon.call(initialise("two", "A2"))
    assert refused.code == "journal.full"
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
    job = daemon.call.wait("one", timeout=30.0)
    assert (job.state, job.error_code) == (State.FAILED, "journal.full"), job
    daemon.call(wire.GetResult(job_id="one"))
    assert daemon.call.arrays["pulses"][0] >= before.pulses
    assert daemon.call(wire.GetJob(job_id="two")).code == "request.unknown_job"
    told = json.loads((daemon.data / "daemon.json").read_text())
    assert told["pid"] == daemon.process.pid


def test_an_emergency_stop_passes_the_running_pulse_and_latches_until_recovered(rheostatd: Any, caller: Any) -> None:
    daemon = rheostatd("--real-time")
    daemon.call(initialise("one", "A1"))
    running(daemon, "one")
    estop = caller(daemon.call(wire.GetStatus()).estop)
    began = time.monotonic()
    assert estop(wire.EmergencyStop(reason="smoke")) == wire.Ok()
    assert time.monotonic() - began < 2.0
    job = daemon.call.wait("one", timeout=10.0)
    assert job.state.final
    assert job.state is not State.DONE
    status = daemon.call(wire.GetStatus())
    assert (status.state, "smoke" in status.latch) == ("latched", True)
    assert daemon.call(initialise("two", "A1")).code == "rig.latched"
    assert daemon.call(wire.Recover(), timeout=30.0) == wire.Ok()
    daemon.call(wire.Submit(job_id="read", spec=wire.Read(devices=("A1",))))
    assert daemon.call.wait("read", timeout=30.0).state is State.DONE
    estop.socket.close()


def test_scripted_faults_are_met_by_a_whole_daemon_and_the_job_goes_on(rheostatd: Any, tmp_path: Path) -> None:
    faults = tmp_path / "faults.toml"
    faults.write_text("[[fault]]\nwhat = 'opens'\ndevice = 'A1'\npulse = 2\n")
    daemon = rheostatd("--faults", str(faults))
    daemon.call(initialise("one", "A1", "A2"))
    job = daemon.call.wait("one", timeout=60.0)
    assert job.state is State.DONE
    assert job.outcomes == {"open": 1, "verified": 1}


def test_faults_that_are_wrong_or_for_real_instruments_are_refused_before_anything_starts(tmp_path: Path) -> None:
    faults = tmp_path / "faults.toml"
    faults.write_text("[[fault]]\nwhat = 'opens'\ndevice = 'Z1'\npulse = 2\n")
    real = bench_file(tmp_path, "GPIB0::17::INSTR", "TCPIP0::192.0.2.1::5025::SOCKET")
    command = [sys.executable, "-m", "rheostatd", "--data", str(tmp_path / "data"), "--faults", str(faults)]
    for more, said in (([], "'Z1' is not a device of the bench"), (["--config", real], "is for a virtual bench")):
        done = subprocess.run([*command, *more], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2
        assert said in done.stderr
    assert not (tmp_path / "data").exists()
