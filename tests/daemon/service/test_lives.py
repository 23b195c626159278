"""Crashes, restarts, signals and full disks: what is promised is kept, and the journal tells the truth afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from rheostat import wire

State = wire.JobState
HERE = Path(__file__).parent


def until(true: Callable[[], Any], what: str, timeout: float = 15.0) -> Any:
    end = time.monotonic() + timeout
    while not (found := true()):
        assert time.monotonic() < end, f"{what}: not within {timeout} s"
        time.sleep(0.02)
    return found


def journalled(data: Path) -> dict[str, str]:
    with contextlib.closing(sqlite3.connect(data / "jobs.db")) as connection:
        return dict(connection.execute("select job_id, state from jobs").fetchall())


# ---- the executor dies ---------------------------------------------------------------------------------------------


def test_an_executor_killed_in_mid_job_leaves_it_interrupted_with_what_its_record_knows(
    daemon: Any, program: Any
) -> None:
    daemon.behave("hang")
    daemon.call(*program("one"))
    until(lambda: (daemon.data / "one.begun").exists(), "the job begins")
    first = daemon.executor_pid()
    os.kill(first, signal.SIGKILL)
    job = daemon.call.wait("one")
    assert (job.state, job.error_code, job.pulses) == (State.INTERRUPTED, "job.interrupted", 5)
    assert job.outcomes == {"VERIFIED": 1, "INTERRUPTED": 1}
    daemon.call(wire.GetResult(job_id="one"))
    np.testing.assert_array_equal(daemon.call.arrays["achieved"], [800.0, np.nan])
    assert daemon.executor_pid() not in (None, first)
    names = [event.name for event in daemon.call(wire.ReplayEvents(after=0)).events]
    assert names.index("executor.lost") < names.index("job.finished") < len(names) - 1
    daemon.behave("")
    daemon.call(*program("two"))
    assert daemon.call.wait("two").state is State.DONE


def test_an_executor_that_keeps_dying_is_given_up_and_recover_tries_again(
    serve: Callable[..., Any], program: Any
) -> None:
    daemon = serve("--restarts", "1")
    daemon.behave("crash")
    daemon.call(*program("one"))
    daemon.call(*program("two"))
    daemon.call(*program("three"))
    assert daemon.call.wait("two").state is State.INTERRUPTED
    status = until(lambda: (s := daemon.call(wire.GetStatus())).state == "latched" and s, "giving up")
    assert "signal 9" in status.latch
    assert daemon.call(wire.GetJob(job_id="three")).state is State.QUEUED
    assert daemon.call(*program("four")).code == "rig.latched"
    daemon.behave("")
    assert daemon.call(wire.Recover()) == wire.Ok()
    assert daemon.call.wait("three").state is State.DONE


def test_questions_that_wait_for_a_dead_executor_are_answered(daemon: Any, program: Any) -> None:
    pid = daemon.executor_pid()
    os.kill(pid, signal.SIGSTOP)
    number = daemon.call.send(wire.Recover())
    assert isinstance(daemon.call(wire.GetStatus()), wire.Status)  # the daemon does not wait for it
    os.kill(pid, signal.SIGKILL)
    answered, reply, _ = daemon.call.receive()
    assert (answered, reply.code) == (number, "executor.failed")


def test_a_rig_that_cannot_be_opened_ends_the_daemon_with_the_reason(tmp_path: Path) -> None:
    command = [sys.executable, str(HERE / "serve.py"), "--data", str(tmp_path / "data")]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=30, env={**os.environ, "STANDIN_FAIL": "1"}, check=False
    )
    assert ended.returncode == 4
    assert ended.stdout == ""
    assert ended.stderr.splitlines()[-1] == (
        "executor.failed: the rig cannot be opened: nothing answers at GPIB0::17::INSTR [bus.unavailable]"
    )
    assert not (tmp_path / "data" / "daemon.json").exists()


# ---- the service dies or is stopped --------------------------------------------------------------------------------


def test_when_the_service_is_killed_the_executor_makes_safe_and_exits(serve: Callable[..., Any], program: Any) -> None:
    daemon = serve()
    daemon.behave("hang")
    daemon.call(*program("runs"))
    daemon.call(*program("waits"))
    executor = psutil.Process(daemon.executor_pid())
    daemon.process.kill()
    daemon.process.wait()
    executor.wait(10)
    assert (daemon.data / "safe.txt").exists()
    assert journalled(daemon.data) == {"runs": "running", "waits": "queued"}
    daemon.behave("")
    again = serve()
    assert again.call.wait("runs").state is State.INTERRUPTED
    assert again.call.wait("waits").state is State.DONE
    assert journalled(daemon.data) == {"runs": "interrupted", "waits": "done"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_daemon_is_safe_gone_and_leaves_waiting_jobs_for_the_next(
    serve: Callable[..., Any], program: Any, number: int
) -> None:
    daemon = serve()
    daemon.behave("hang")
    daemon.call(*program("runs"))
    daemon.call(*program("waits"))
    told = json.loads((daemon.data / "daemon.json").read_text())
    assert (told["address"], told["pid"]) == (daemon.address, daemon.process.pid)
    executor = psutil.Process(daemon.executor_pid())
    waiting = daemon.call.send(wire.Wait(job_id="runs", timeout=60.0))
    daemon.process.send_signal(number)
    daemon.process.send_signal(number)
    answered, job, _ = daemon.call.receive()
    assert (answered, job.state.final) == (waiting, False)
    assert daemon.stop(number) == 0
    assert not executor.is_running()
    assert (daemon.data / "safe.txt").exists()
    assert not (daemon.data / "daemon.json").exists()
    daemon.behave("")
    again = serve()
    assert again.call.wait("waits").state is State.DONE
    assert again.call.wait("runs").state is State.INTERRUPTED


def test_a_paused_queue_stays_paused_over_a_restart(serve: Callable[..., Any], program: Any) -> None:
    first = serve()
    first.call(wire.Pause())
    first.call(*program("one"))
    first.stop()
    second = serve()
    assert second.call.wait("one", timeout=0.3).state is State.QUEUED
    second.call(wire.Resume())
    assert second.call.wait("one").state is State.DONE


def test_a_second_daemon_on_the_same_folder_exits_at_once_and_says_who_holds_it(daemon: Any) -> None:
    command = [sys.executable, "-m", "rheostatd", "--data", str(daemon.data), "--port", "0"]
    second = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode == 3
    assert second.stderr == (
        f"rheostatd: the data folder {daemon.data} is held by the daemon with pid {daemon.process.pid} "
        f"at {daemon.address}\n"
    )
    assert isinstance(daemon.call(wire.GetStatus()), wire.Status)


def test_while_a_killed_daemons_executor_lives_nobody_else_gets_the_rig(serve: Callable[..., Any]) -> None:
    daemon = serve()
    executor = psutil.Process(daemon.executor_pid())
    executor.suspend()
    daemon.process.kill()
    daemon.process.wait()
    command = [sys.executable, "-m", "rheostatd", "--data", str(daemon.data), "--port", "0"]
    second = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode == 3
    assert f"what pid {daemon.process.pid} left behind" in second.stderr
    executor.resume()
    executor.wait(10)


# ---- the disk is full ----------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "data"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "none", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"NOT TESTED, a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    until(lambda: subprocess.run(["umount", str(folder)], check=False).returncode == 0, "unmounting")


def fill(folder: Path) -> Path:
    path = folder / "ballast"
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return path


def test_on_a_full_disk_new_jobs_are_refused_and_the_running_one_is_recorded(
    small_disk: Path, serve: Callable[..., Any], program: Any
) -> None:
    daemon = serve("--min-free-mb", "0")
    daemon.call(*program("before"))
    daemon.call.wait("before")
    daemon.behave("hang")
    daemon.call(*program("runs"))
    daemon.call.wait("runs", State.RUNNING)
    ballast = fill(small_disk)
    refused = daemon.call(*program("refused", targets=np.full(5000, 800.0), device=np.zeros(5000)))
    assert refused.code == "journal.full"
    assert str(small_disk) in refused.message
    daemon.call(wire.Cancel(job_id="runs"))
    assert daemon.call.wait("runs").state is State.CANCELLED  # the reserve is there for this
    assert not (small_disk / "reserve").exists()
    ballast.unlink()
    daemon.behave("")
    assert daemon.call(*program("refused")).state is State.QUEUED
    assert daemon.call.wait("refused").state is State.DONE
    assert journalled(small_disk) == {"before": "done", "runs": "cancelled", "refused": "done"}
    daemon.stop()


def test_too_little_free_space_refuses_jobs_before_the_disk_is_full(
    small_disk: Path, serve: Callable[..., Any], program: Any
) -> None:
    daemon = serve("--min-free-mb", "64")
    refused = daemon.call(*program("one"))
    assert refused.code == "journal.full"
    assert "min_free_mb" in refused.message
    daemon.stop()


def test_a_disk_that_is_full_at_the_start_is_said_with_what_to_do(small_disk: Path) -> None:
    fill(small_disk)
    command = [sys.executable, "-m", "rheostatd", "--data", str(small_disk / "data"), "--port", "0"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 5
    said = next(line for line in ended.stderr.splitlines() if line.startswith("rheostatd: "))
    assert said.startswith(f"rheostatd: {small_disk / 'data'}")
    assert "make room on the disk" in said
    assert "Traceback" not in ended.stderr  # nor does the virtual bench lose its head


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="NOT TESTED, needs Linux: limits of another process")
def test_the_end_of_a_job_waits_for_room_and_is_not_seen_before(daemon: Any, program: Any) -> None:
    daemon.behave("hang")
    daemon.call(*program("runs"))
    daemon.call.wait("runs", State.RUNNING)
    pid, (_, hard) = daemon.process.pid, resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (512, hard))  # every file is as large as it may become
    daemon.call(wire.Cancel(job_id="runs"))
    until(lambda: daemon.call(wire.GetStatus()).state == "latched", "the daemon says that it cannot write")
    assert daemon.call(wire.GetStatus()).latch.startswith("journal.full")
    assert daemon.call(wire.GetJob(job_id="runs")).state is State.RUNNING
    assert daemon.call(*program("refused")).code == "journal.full"
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
    assert daemon.call.wait("runs").state is State.CANCELLED
    assert daemon.call(wire.GetJob(job_id="refused")).code == "request.unknown_job"
    assert journalled(daemon.data) == {"runs": "cancelled"}


# ---- what the process consists of ----------------------------------------------------------------------------------


def test_the_running_service_carries_no_weight_of_others(tmp_path: Path, program: Any, daemon_process: Any) -> None:
    at_exit = "import atexit, runpy, sys; atexit.register(lambda: print(*sys.modules)); sys.argv = sys.argv[1:];"
    code = f"{at_exit} runpy.run_path(sys.argv[0], run_name='__main__')"
    (tmp_path / "data").mkdir()
    command = [sys.executable, "-c", code, str(HERE / "serve.py"), "--data", str(tmp_path / "data")]
    daemon = daemon_process(command, tmp_path / "data")
    daemon.call(*program("one"))
    daemon.call.wait("one")
    daemon.stop()
    loaded = set(daemon.process.stdout.read().split())
    ours = {name for name in loaded if name.split(".")[0] == "rheostat"}
    assert {name for name in ours if not name.startswith("rheostat.wire")} <= {"rheostat", "rheostat.curves"}
    heavy = {"torch", "aihwkit", "matplotlib", "numba", "scipy", "pyvisa", "lupa", "pandas"}
    assert not heavy & {name.split(".")[0] for name in loaded}
    assert "rheostatd.service.daemon" in loaded
