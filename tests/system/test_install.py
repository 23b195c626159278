"""The halves install alone: a client machine without the daemon's parts, a rig without the client's, in clean venvs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONSTRAINTS = ROOT / "deploy" / "constraints.txt"
DOWNLOADS = 240  # s, with an empty pip cache


class Machine:
    """A clean virtual environment with one choice of extras."""

    def __init__(self, folder, wheel, extras):
        self.bin = folder / "bin"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        wanted = f"{wheel}[{extras}]" if extras else str(wheel)
        pip = [sys.executable, "-m", "pip", "--python", self.bin / "python", "install", "-q", "--no-compile"]
        installed = subprocess.run([*pip, "-c", CONSTRAINTS, wanted], capture_output=True, text=True, timeout=DOWNLOADS)
        assert installed.returncode == 0, installed.stderr
        self.environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
        self.environment["RHEOSTAT_HOME"] = str(folder / "home")
        self.folder = folder

    def run(self, command, *arguments, timeout=60):
        return subprocess.run(
            [self.bin / command, *arguments],
            capture_output=True, text=True, timeout=timeout, env=self.environment, cwd=self.folder,
        )  # fmt: skip

    def imports(self, *modules):
        ran = self.run("python", "-c", "import " + ", ".join(modules))
        assert ran.returncode == 0, ran.stderr

    def lacks(self, *modules):
        code = f"import importlib.util as u; print([m for m in {modules!r} if u.find_spec(m)])"
        assert self.run("python", "-c", code).stdout.strip() == "[]"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The distribution, built once."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, str(ROOT)]
    subprocess.run(build, check=True)
    return next(folder.glob("rheostat-*.whl"))


@pytest.fixture(scope="module")
def client_machine(wheel, tmp_path_factory):
    return Machine(tmp_path_factory.mktemp("client"), wheel, "client")


@pytest.fixture(scope="module")
def rig_machine(wheel, tmp_path_factory):
    return Machine(tmp_path_factory.mktemp("rig"), wheel, "rig")


@pytest.fixture(scope="module")
def daemon_address(rig_machine):
    """Where the daemon of the rig's clean environment answers, on its virtual bench."""
    with (rig_machine.folder / "log").open("w+") as log:
        process = subprocess.Popen(
            [rig_machine.bin / "rheostatd", "--port", "0"],
            stdout=subprocess.PIPE, stderr=log, text=True, env=rig_machine.environment, cwd=rig_machine.folder,
        )  # fmt: skip
        assert process.stdout is not None
        line = process.stdout.readline()  # the test's timeout covers a daemon that never says it
        assert "ready" in line, (rig_machine.folder / "log").read_text()
        yield line.split("ready: ")[1].split(",")[0]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        process.stdout.close()


def test_the_base_alone_speaks_the_wire_and_its_commands_say_what_they_lack(wheel, tmp_path):
    machine = Machine(tmp_path / "base", wheel, "")
    machine.imports("rheostat", "rheostat.wire")
    machine.lacks("scipy", "numba", "pyvisa", "matplotlib", "torch", "aihwkit", "msgpack")
    for command, extra in (("rheostat", "rheostat[client]"), ("rheostatd", "rheostat[rig]")):
        ran = machine.run(command, *(["demo"] if command == "rheostat" else []))
        assert ran.returncode != 0
        assert extra in ran.stderr
        assert "Traceback" not in ran.stderr


def test_a_client_machine_installs_no_instruments_and_says_what_a_daemon_would_need(client_machine):
    client_machine.imports("rheostat", "rheostat.client", "rheostat.aio", "rheostat.export", "rheostat.figures")
    client_machine.lacks("pyvisa", "pyvisa_py", "structlog", "lupa", "torch", "aihwkit")
    assert client_machine.run("rheostat", "--help").returncode == 0
    ran = client_machine.run("rheostatd")
    assert ran.returncode == 2
    assert "rheostat[rig]" in ran.stderr


def test_a_client_without_a_daemon_is_told_how_to_start_one(client_machine):
    ran = client_machine.run("rheostat", "--address", "tcp://127.0.0.1:1", "--timeout", "1", "status")
    assert ran.returncode == 3
    assert "rheostatd" in ran.stderr


def test_a_rig_installs_no_figures_and_no_networks(rig_machine):
    rig_machine.imports("rheostatd.service.front", "rheostatd.executor.loop", "rheostat_hal.virtual")
    rig_machine.lacks("matplotlib", "h5py", "rich", "torch", "aihwkit")
    assert rig_machine.run("rheostatd", "--help").returncode == 0
    ran = rig_machine.run("rheostat", "status")
    assert "Traceback" not in ran.stderr


def test_a_client_machine_works_with_the_daemon_of_a_rig(client_machine, daemon_address):
    def rheostat(*arguments):
        ran = client_machine.run("rheostat", "--address", daemon_address, *arguments)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    begin = time.monotonic()
    assert "idle" in rheostat("status")
    assert "A1" in rheostat("--json", "read", "A1")
    assert time.monotonic() - begin < 30.0
