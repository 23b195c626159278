"""Every way out ends safe, and the instruments themselves are asked: outputs off, no relay closed.

They are a virtual bench in real time that no daemon has started, so that it is still there afterwards.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import psutil
import pytest

from rheostat import wire
from rheostat_hal.virtual.launch import VirtualBench, launch

State = wire.JobState
pytestmark = pytest.mark.timeout(180)


def ask(address: str, question: bytes) -> str:
    """One question to an instrument, on a connection of its own."""
    _, host, port, _ = address.split("::")
    with socket.create_connection((host, int(port)), timeout=10.0) as connection:
        connection.sendall(question)
        said = b""
        while not said.endswith(b"\n"):
            said += connection.recv(4096)
    return said.decode().strip()


def closed_relays(bench: VirtualBench) -> str:
    return ask(bench.switch, b'print(channel.getclose("allslots"))\n').removeprefix("nil")


def energised(bench: VirtualBench) -> tuple[str, str]:
    """The outputs that are on and the relays that are closed, as the instruments say; ("", "") is safe."""
    return ask(bench.analyser, b"*LRN? 0\r\n").removeprefix("CL"), closed_relays(bench)


@pytest.fixture(scope="module")
def instruments() -> Iterator[VirtualBench]:
    with launch(None, real_time=True) as bench:
        yield bench


def bench_file(folder: Path, instruments: VirtualBench) -> Path:
    text = resources.files("rheostat_hal").joinpath("embedded.toml").read_text()
    head, rest = text.split("[virtual]")
    text = head + rest[rest.index("[[devices]]") :]
    text = text.replace("[analyser]", f'[analyser]\nresource = "{instruments.analyser}"')
    path = folder / "bench.toml"
    path.write_text(text.replace("[switch]", f'[switch]\nresource = "{instruments.switch}"'))
    return path


def serving(folder: Path, instruments: VirtualBench, daemon_process: Any, settings: str = "") -> Any:
    path = bench_file(folder, instruments)
    path.write_text(path.read_text() + settings)
    command = [sys.executable, "-m", "rheostatd", "--config", str(path), "--port", "0"]
    return daemon_process([*command, "--data", str(folder / "data")], folder / "data")


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory, daemon_process: Any) -> Iterator[tuple[Any, VirtualBench]]:
    """A daemon that survives what the tests do to its jobs, and its instruments."""
    with launch(None, real_time=True) as instruments:
        daemon = serving(tmp_path_factory.mktemp("lasting"), instruments, daemon_process)
        yield daemon, instruments
        daemon.stop()


@pytest.fixture
def on(tmp_path: Path, daemon_process: Any) -> Iterator[Callable[..., Any]]:
    """Starts a daemon on given instruments; it is stopped with the test."""
    started = []

    def start(instruments: VirtualBench, settings: str = "") -> Any:
        started.append(serving(tmp_path, instruments, daemon_process, settings))
        return started[-1]

    yield start
    for daemon in started:
        if daemon.process.poll() is None:
            daemon.stop()


@pytest.fixture
def daemon(on: Callable[..., Any], instruments: VirtualBench) -> Any:
    return on(instruments)


def in_mid_job(daemon: Any, instruments: VirtualBench, device: str) -> None:
    """Some pulses into job `device`."""
    daemon.call(wire.Submit(job_id=device, spec=wire.Initialise(devices=(device,), state="LRS")))
    end = time.monotonic() + 60.0
    while daemon.call(wire.GetJob(job_id=device)).pulses < 2:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert closed_relays(instruments)  # the analyser is not asked: its lines follow one another without a pause


def cancelled(daemon: Any, device: str) -> None:
    daemon.call(wire.Cancel(job_id=device))
    assert daemon.call.wait(device).state is State.CANCELLED


def stopped_in_an_emergency(daemon: Any, device: str) -> None:
    estop = type(daemon.call)(daemon.call(wire.GetStatus()).estop)
    assert estop(wire.EmergencyStop(reason="a test")) == wire.Ok()
    estop.socket.close()
    job = daemon.call.wait(device)
    assert (job.state, job.error_code) == (State.FAILED, "rig.estop")
    assert "a test" in job.error


def executor_killed(daemon: Any, device: str) -> None:
    os.kill(daemon.executor_pid(), signal.SIGKILL)
    job = daemon.call.wait(device, timeout=30.0)
    assert (job.state, job.error_code) == (State.INTERRUPTED, "job.interrupted")


def executor_terminated(daemon: Any, device: str) -> None:
    os.kill(daemon.executor_pid(), signal.SIGTERM)
    job = daemon.call.wait(device, timeout=30.0)
    assert (job.state, job.error_code) == (State.INTERRUPTED, "job.stopped")


def disk_full(daemon: Any, device: str) -> None:
    if not hasattr(resource, "prlimit"):
        pytest.skip("NOT TESTED, needs Linux: limits of another process")
    pids, (_, hard) = (daemon.process.pid, daemon.executor_pid()), resource.getrlimit(resource.RLIMIT_FSIZE)
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (512, hard))
    end = time.monotonic() + 30.0
    while daemon.call(wire.GetStatus()).state != "latched":
        assert time.monotonic() < end
        time.sleep(0.05)
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
    job = daemon.call.wait(device, timeout=30.0)
    assert (job.state, job.error_code) == (State.FAILED, "journal.full")


@pytest.mark.parametrize(
    ("way", "device"),
    [
        (cancelled, "A1"),
        (stopped_in_an_emergency, "A2"),
        (executor_terminated, "A3"),
        (executor_killed, "A4"),
        (disk_full, "B1"),
    ],
)
def test_a_job_that_ends_early_leaves_the_rig_safe(
    lasting: tuple[Any, VirtualBench], way: Callable[[Any, str], None], device: str
) -> None:
    daemon, instruments = lasting
    in_mid_job(daemon, instruments, device)
    way(daemon, device)
    assert energised(instruments) == ("", "")
    assert daemon.call(wire.GetJob(job_id=device)).pulses >= 2  # the journal has them
    if daemon.call(wire.GetStatus()).state == "latched":
        assert daemon.call(wire.Recover(), timeout=30.0) == wire.Ok()
    daemon.call(wire.Submit(job_id=f"{device}-read", spec=wire.Read(devices=(device,))))
    assert daemon.call.wait(f"{device}-read", timeout=30.0).state is State.DONE
    assert energised(instruments) == ("", "")


def asked_twice(daemon: Any) -> None:
    daemon.process.send_signal(signal.SIGINT)
    daemon.process.send_signal(signal.SIGINT)
    assert daemon.stop(signal.SIGINT) == 0


def terminated(daemon: Any) -> None:
    assert daemon.stop(signal.SIGTERM) == 0


def terminated_with_an_executor_that_dies_of_it(daemon: Any) -> None:
    executor = daemon.executor_pid()
    os.kill(executor, signal.SIGSTOP)  # it does not hear of the end
    daemon.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    os.kill(executor, signal.SIGKILL)
    assert daemon.stop() == 0


def terminated_while_an_executor_is_missing(daemon: Any) -> None:
    os.kill(daemon.executor_pid(), signal.SIGKILL)
    assert daemon.stop(signal.SIGTERM) == 0


def killed(daemon: Any) -> None:
    children = psutil.Process(daemon.process.pid).children()
    daemon.process.kill()
    daemon.stop()
    assert psutil.wait_procs(children, timeout=20)[1] == []


@pytest.mark.parametrize(
    ("way", "device"),
    [
        (asked_twice, "C1"),
        (terminated, "C2"),
        (terminated_with_an_executor_that_dies_of_it, "C3"),
        (terminated_while_an_executor_is_missing, "C4"),
        (killed, "D1"),
    ],
)
def test_a_daemon_that_ends_in_mid_job_leaves_the_rig_safe(
    daemon: Any, instruments: VirtualBench, way: Callable[[Any], None], device: str
) -> None:
    in_mid_job(daemon, instruments, device)
    way(daemon)
    assert energised(instruments) == ("", "")


def test_an_executor_that_is_given_up_leaves_the_rig_safe(on: Callable[..., Any], instruments: VirtualBench) -> None:
    daemon = on(instruments, "\n[daemon]\nrestarts = 0\n")
    in_mid_job(daemon, instruments, "D3")
    executor_killed(daemon, "D3")
    end = time.monotonic() + 30.0
    while (status := daemon.call(wire.GetStatus())).state != "latched":
        assert time.monotonic() < end
        time.sleep(0.02)
    assert "signal 9" in status.latch
    assert status.executor_pid is None
    assert energised(instruments) == ("", "")
    assert daemon.call(wire.Recover(), timeout=30.0) == wire.Ok()


def test_when_all_processes_are_killed_the_next_daemon_makes_the_rig_safe(
    daemon: Any, instruments: VirtualBench, on: Callable[..., Any]
) -> None:
    in_mid_job(daemon, instruments, "D2")
    os.kill(daemon.executor_pid(), signal.SIGSTOP)
    executor = daemon.executor_pid()
    daemon.process.kill()
    os.kill(executor, signal.SIGKILL)
    daemon.stop()
    outputs, closed = energised(instruments)  # nobody was left to do it
    assert outputs
    assert closed
    again = on(instruments)
    assert energised(instruments) == ("", "")
    assert again.call.wait("D2").state is State.INTERRUPTED


def test_a_daemon_that_cannot_leave_the_rig_safe_says_so(on: Callable[..., Any]) -> None:
    with launch(None) as instruments:
        daemon = on(instruments)
    assert daemon.stop() == 6
    last = daemon.log_path.read_text().splitlines()[-1]
    assert last.startswith("rheostatd: stopped, but the rig may not be safe: ")
    assert instruments.analyser in last or instruments.switch in last


def test_when_the_instruments_die_in_mid_job_it_fails_with_what_they_did_and_the_journal_has_its_pulses(
    tmp_path: Path, daemon_process: Any
) -> None:
    command = [sys.executable, "-m", "rheostatd", "--real-time", "--port", "0", "--data", str(tmp_path / "data")]
    daemon = daemon_process(command, tmp_path / "data")
    try:
        daemon.call(wire.Submit(job_id="one", spec=wire.Initialise(devices=("A1",), state="LRS")))
        while (before := daemon.call(wire.GetJob(job_id="one"))).pulses < 2:
            time.sleep(0.02)
        children = psutil.Process(daemon.process.pid).children()
        next(child for child in children if "rheostat_hal.virtual" in child.cmdline()).kill()
        job = daemon.call.wait("one", timeout=30.0)
        assert job.state is State.FAILED, job
        assert job.error_code.startswith("bus."), job
        assert "closed the connection" in job.error
        assert job.pulses >= before.pulses
        daemon.call(wire.GetTrace(job_id="one", device="A1"), timeout=30.0)
        end = time.monotonic() + 60.0
        while daemon.call(wire.Recover(), timeout=30.0) != wire.Ok():
            assert time.monotonic() < end
            time.sleep(0.1)
        assert [d.name for d in daemon.call(wire.ListDevices()).devices if d.suspect] == ["A1"]
        daemon.call(wire.Submit(job_id="read", spec=wire.Read(devices=("A1",))))
        assert daemon.call.wait("read", timeout=30.0).state is State.DONE
        assert not any(device.suspect for device in daemon.call(wire.ListDevices()).devices)
        daemon.call(wire.GetTrace(job_id="one", device="A1"))
        assert len(daemon.call.arrays["voltage"]) >= before.pulses
    finally:
        daemon.stop()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="NOT TESTED, needs /proc: signals a process catches")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("delay", [0.0, 0.2, 0.6])
def test_a_daemon_that_is_stopped_while_it_starts_ends_in_order(tmp_path: Path, number: int, delay: float) -> None:
    command = [sys.executable, "-m", "rheostatd", "--data", str(tmp_path / "data"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        caught = 0
        while not caught >> (number - 1) & 1:
            assert process.poll() is None
            status = Path(f"/proc/{process.pid}/status").read_text()
            caught = int(status.partition("SigCgt:")[2].split()[0], 16)
            if number == signal.SIGINT:  # Python itself catches it too, a little earlier
                caught &= -(caught >> (signal.SIGTERM - 1) & 1)
        time.sleep(delay)
        process.send_signal(number)
        said, complained = process.communicate(timeout=60)
    assert process.returncode == 0, complained
    assert "Traceback" not in complained
    assert said == ""
    assert not (tmp_path / "data" / "daemon.lock").exists()
