"""The [daemon] table, the environment and the command line; what the command says when something is wrong."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from rheostatd import config
from rheostatd.errors import ConfigError


def bench(folder: Path, text: str) -> Path:
    path = folder / "bench.toml"
    path.write_text(text)
    return path


def test_the_command_line_comes_before_the_table_and_that_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHEOSTAT_HOME", str(tmp_path / "home"))
    assert config.load(None).folder == tmp_path / "home"
    file = bench(tmp_path, f'[daemon]\ndata = "{tmp_path}/table"\nport = 9000\n')
    assert config.load(file).folder == tmp_path / "table"
    settings = config.load(file, data=str(tmp_path / "given"), port=0, log_level=None)
    assert (settings.folder, settings.port, settings.log_level) == (tmp_path / "given", 0, "info")
    monkeypatch.delenv("RHEOSTAT_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert config.load(None).folder == tmp_path / "xdg" / "rheostat"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[daemon]\nprot = 1", "has no key 'prot'; did you mean 'port'?"),
        ("[daemon]\nport = '1'", "port must be of type int, not '1'"),
        ("[daemon]\nallow_remote = 1", "allow_remote must be of type bool"),
        ("[daemon]\nport = 70000", "port = 70000 must lie from 0 to 65535"),
        ("[daemon]\nbind = 'localhost'", "must be an IP address"),
        ("[daemon]\nbind = '0.0.0.0'", "allow_remote = true"),
        ("[daemon]\nlog_level = 'loud'", "log_level 'loud'; possible: debug, info"),
        ("daemon = 3", "[daemon] must be a table"),
        ("[daemon", "is not TOML"),
    ],
)
def test_a_wrong_setting_is_named_with_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(bench(tmp_path, text))
    assert said in str(caught.value)
    assert str(tmp_path / "bench.toml") in str(caught.value)
    assert caught.value.code == "config.bad"


def test_other_machines_are_let_in_only_on_request(tmp_path: Path) -> None:
    settings = config.load(bench(tmp_path, "[daemon]\nbind = '0.0.0.0'\nallow_remote = true"))
    assert settings.bind == "0.0.0.0"


def rheostatd(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rheostatd", *arguments],
        capture_output=True, text=True, timeout=30, check=False, env={**os.environ, **environment},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read: No such file"),
        ("[daemon]\nprot = 1", "did you mean 'port'?"),
        ("name = 'x'\n[daemon]\nport = 0", "bench.toml"),
    ],
)
def test_a_wrong_configuration_ends_in_one_line_and_status_2(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "bench.toml" if text is None else bench(tmp_path, text)
    ended = rheostatd("--config", str(path), "--data", str(tmp_path / "data"))
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert ended.stderr.startswith("rheostatd: ")
    assert said in ended.stderr
    assert not (tmp_path / "data").exists()


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = rheostatd("--data", str(tmp_path / "file" / "data"))
    assert ended.returncode == 2
    assert "file/data cannot be made" in ended.stderr


def test_a_port_in_use_is_said_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        ended = rheostatd("--data", str(tmp_path / "data"), "--port", str(port))
    assert ended.returncode == 3
    assert f"127.0.0.1:{port} cannot be listened on" in ended.stderr
    assert "--port" in ended.stderr


def test_a_damaged_journal_is_named_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "jobs.db").write_bytes(b"these are not the jobs you are looking for" * 50)
    ended = rheostatd("--data", str(tmp_path), "--port", "0")
    assert ended.returncode == 5
    assert "jobs.db" in ended.stderr
    assert "move it away" in ended.stderr
    assert (tmp_path / "jobs.db").read_bytes().startswith(b"these are not")


def test_without_the_rig_extra_one_sentence_says_what_to_install(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True, timeout=60)
    bare = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    ended = subprocess.run(
        [str(bare), "-m", "rheostatd", "--data", str(tmp_path / "data")],
        capture_output=True, text=True, timeout=30, check=False,
        env={"PYTHONPATH": os.pathsep.join(str(root / room) for room in ("client", "daemon", "hal"))},
    )  # fmt: skip
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert "pip install 'rheostat[rig]'" in ended.stderr
    assert "pyvisa" in ended.stderr


def test_help_shows_an_example_and_version_the_version() -> None:
    assert "rheostatd --config bench.toml" in rheostatd("--help").stdout
    assert rheostatd("--version").stdout.startswith("rheostatd 0.")
