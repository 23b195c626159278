"""The daemon, its processes and the client on a Python from which `without_posix` has taken what Windows lacks."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import psutil
import pytest

from rheostat import wire
from rheostat_hal.virtual.launch import VirtualBench, launch

TAKEN_AWAY = Path(__file__).parents[1] / "without_posix"
CTRL_BREAK = 21
State = wire.JobState
pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="NOT TESTED, needs Linux: its file locks, /proc"),
]


@pytest.fixture
def windows(tmp_path: Path) -> dict[str, str]:
    """The variables of a process without the POSIX parts, in a user's folders of its own."""
    local, shared = tmp_path / "AppData" / "Local", tmp_path / "ProgramData"
    for folder in (local, shared):
        folder.mkdir(parents=True)
    kernels = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return {
        "PYTHONPATH": os.pathsep.join((str(TAKEN_AWAY), os.environ.get("PYTHONPATH", ""))),
        "LOCALAPPDATA": str(local),
        "PROGRAMDATA": str(shared),
        "XDG_CACHE_HOME": str(kernels),  # its compiled kernels serve here, too
    }


@pytest.fixture(scope="module")
def instruments() -> Iterator[VirtualBench]:
    """Instruments that no daemon has started, in real time."""
    with launch(None, real_time=True) as bench:
        yield bench


def run(windows: dict[str, str], *arguments: str, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    environment = {**os.environ, **windows}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout)


def rheostatd(folder: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "rheostatd", "--data", str(folder), "--port", "0", *more]


def bench_file(folder: Path, instruments: VirtualBench) -> str:
    head, rest = resources.files("rheostat_hal").joinpath("embedded.toml").read_text().split("[virtual]")
    text = head + rest[rest.index("[[devices]]") :]
    text = text.replace("[analyser]", f'[analyser]\nresource = "{instruments.analyser}"')
    path = folder / "bench.toml"
    path.write_text(text.replace("[switch]", f'[switch]\nresource = "{instruments.switch}"'))
    return str(path)


def ask(address: str, question: bytes) -> str:
    _, host, port, _ = address.split("::")
    with socket.create_connection((host, int(port)), timeout=10.0) as connection:
        connection.sendall(question)
        return connection.makefile().readline().strip()


def in_mid_job(daemon: Any, device: str) -> None:
    daemon.call(wire.Submit(job_id=device, spec=wire.Initialise(devices=(device,), state="LRS")))
    end = time.monotonic() + 60.0
    while daemon.call(wire.GetJob(job_id=device)).pulses < 2:
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    "use",
    [
        "import fcntl",
        "import os; os.killpg",
        "import os; os.kill(os.getpid(), 0)",
        "import signal; signal.SIGKILL",
        "import socket; socket.AF_UNIX",
        "import os, select; select.select([os.pipe()[0]], [], [], 0)",
        "import subprocess, sys; subprocess.Popen([sys.executable], start_new_session=True)",
        "import os; os.open('.', os.O_RDONLY)",
        "import os, tempfile; kept = tempfile.NamedTemporaryFile(delete=False); os.unlink(kept.name)",
    ],
)
def test_what_only_posix_has_is_taken_away(windows: dict[str, str], use: str) -> None:
    assert run(windows, "-c", "pass").returncode == 0
    assert run(windows, "-c", use).returncode == 1


def test_a_client_starts_a_daemon_programs_devices_and_stops_it(windows: dict[str, str], tmp_path: Path) -> None:
    script = """
import sys, rheostat
from pathlib import Path
from rheostat.local import LocalDaemon
daemon = LocalDaemon(Path(sys.argv[1]))
with rheostat.connect(daemon.ready()) as rig:
    rig.calibrate("A1", others=["A2"], wait=True)
    result = rig.program([800.0, 790.0], devices=["A1", "A2"], tolerance=0.137, wait=True).result()
    print({str(name): count for name, count in result.outcomes().items() if count})
assert daemon.stop()
"""
    said = run(windows, "-c", script, str(tmp_path / "data"))
    assert (said.returncode, said.stdout) == (0, "{'verified': 2}\n"), said.stderr
    assert not (tmp_path / "data" / "daemon.lock").exists()
    assert not (tmp_path / "data" / "daemon.json").exists()
    assert list((tmp_path / "ProgramData" / "rheostat-instruments").iterdir()) == []


def test_data_lie_in_the_local_folder_of_the_user(windows: dict[str, str], tmp_path: Path) -> None:
    variables = dict(windows)
    variables |= {"XDG_DATA_HOME": "", "XDG_CACHE_HOME": "", "RHEOSTAT_HOME": ""}
    script = "from rheostatd import config; from rheostat import address; from rheostat_hal import platform\n"
    script += "print(config.load(None).data, address.data_folder(), platform.cache_home(), sep='\\n')"
    said = run(variables, "-c", script).stdout.splitlines()
    local = tmp_path / "AppData" / "Local"
    assert said == [str(local / "rheostat"), str(local / "rheostat"), str(local)]


def test_the_lock_refuses_a_second_daemon_and_ctrl_break_ends_the_first_in_order(
    windows: dict[str, str], tmp_path: Path, daemon_process: Any, instruments: VirtualBench
) -> None:
    config = ("--config", bench_file(tmp_path, instruments))
    daemon = daemon_process(rheostatd(tmp_path / "data", *config), tmp_path / "data", **windows)
    same_folder = run(windows, *rheostatd(tmp_path / "data", *config)[1:])
    assert same_folder.returncode == 3
    assert f"is held by the daemon with pid {daemon.process.pid} at {daemon.address}" in same_folder.stderr
    same_instruments = run(windows, *rheostatd(tmp_path / "other", *config)[1:])
    assert same_instruments.returncode == 3
    assert f"the instrument {instruments.analyser} is held by the daemon with pid" in same_instruments.stderr
    in_mid_job(daemon, "A1")
    assert daemon.stop(CTRL_BREAK) == 0
    assert "stopping" in daemon.log_path.read_text()
    assert not (tmp_path / "data" / "daemon.lock").exists()


def test_a_daemon_that_is_killed_leaves_the_rig_safe_and_its_locks_free(
    windows: dict[str, str], tmp_path: Path, daemon_process: Any, instruments: VirtualBench
) -> None:
    config = ("--config", bench_file(tmp_path, instruments))
    daemon = daemon_process(rheostatd(tmp_path / "data", *config), tmp_path / "data", **windows)
    in_mid_job(daemon, "A2")
    children = psutil.Process(daemon.process.pid).children()
    daemon.process.kill()  # as the task manager does
    assert psutil.wait_procs(children, timeout=30)[1] == []
    assert ask(instruments.analyser, b"*LRN? 0\r\n") == "CL"  # no output is on
    assert ask(instruments.switch, b'print(channel.getclose("allslots"))\n') == "nil"
    again = daemon_process(rheostatd(tmp_path / "data", *config), tmp_path / "data", **windows)
    assert again.call.wait("A2", timeout=30.0).state is State.INTERRUPTED
    assert again.stop(CTRL_BREAK) == 0
