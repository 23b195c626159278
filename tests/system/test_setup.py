"""The set-up script and the Makefile's search for a Python, on copies in folders of their own."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tree(tmp_path):
    """A project folder with nothing but what the set-up reads."""
    for name in ("pyproject.toml", "Makefile", "deploy/setup_env.py", "deploy/constraints.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def script(tree):
    """The set-up of that folder as a module."""
    spec = importlib.util.spec_from_file_location("setup_env_of_test", tree / "deploy" / "setup_env.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def environment_of(script, tree):
    return script.Environment(".venv", [tree / "pyproject.toml"])


def fake(folder, name, body):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)


def make(tree, path):
    return subprocess.run(
        ["make", "setup"], cwd=tree, env={"PATH": path, "HOME": str(tree)}, capture_output=True, text=True, timeout=60
    )


def test_a_python_that_does_not_run_or_is_too_old_is_passed_over(tree):
    fake(tree / "bin", "python3", "echo 'pyenv: python3: command not found' >&2; exit 127")
    fake(tree / "bin", "python3.13", "exit 1")
    fake(tree / "bin", "python3.12", 'test "$1" = -c && exit 0; echo "this one runs $1"')
    made = make(tree, f"{tree / 'bin'}:/usr/bin:/bin")
    assert made.returncode == 0, made.stderr
    assert made.stdout.strip() == "this one runs deploy/setup_env.py"


def test_without_any_python_one_line_says_what_is_needed(tree):
    for name in ("python3", "python3.13", "python3.12", "python3.11"):
        fake(tree / "bin", name, "exit 1")
    made = make(tree, f"{tree / 'bin'}:/usr/bin:/bin")
    assert made.returncode != 0
    assert "needs Python 3.11 or newer" in made.stderr


def test_a_complete_environment_is_left_alone(tree, script, capsys):
    environment = environment_of(script, tree)
    environment.path.joinpath("bin").mkdir(parents=True)
    Path(environment.python).symlink_to(sys.executable)
    assert not environment.complete()
    environment.finish()
    begin = time.monotonic()
    ran = subprocess.run([sys.executable, "deploy/setup_env.py"], cwd=tree, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "")
    assert time.monotonic() - begin < 5.0


@pytest.mark.parametrize("name", ["pyproject.toml", "deploy/constraints.txt", "deploy/setup_env.py"])
def test_a_changed_input_makes_the_environment_incomplete(tree, script, name):
    environment = environment_of(script, tree)
    environment.path.joinpath("bin").mkdir(parents=True)
    Path(environment.python).symlink_to(sys.executable)
    environment.finish()
    assert environment_of(script, tree).complete()
    with (tree / name).open("a") as file:
        file.write("\n# changed\n")
    assert not environment_of(script, tree).complete()


def test_an_environment_left_half_made_is_made_anew(tree, script):
    environment = environment_of(script, tree)
    environment.path.mkdir()
    environment.unfinished.touch()
    (environment.path / "rubbish").touch()
    environment.prepare(script.Steps())
    assert not (environment.path / "rubbish").exists()
    assert not environment.unfinished.exists()
    assert environment.output("print(6 * 7)") == "42"
    (environment.path / "kept").touch()
    environment.prepare(script.Steps())
    assert (environment.path / "kept").exists()


def test_a_failing_step_shows_the_end_of_its_output_and_where_all_of_it_is(script):
    with pytest.raises(script.SetupError, match=r"(?s)the reason.*trying: failed \(status 3\).*setup\.log"):
        script.Steps().run("trying", [sys.executable, "-c", "print('the reason'); raise SystemExit(3)"])


def test_what_only_root_can_install_is_named_in_one_line(tree, script, monkeypatch):
    environment = environment_of(script, tree)
    monkeypatch.setattr(environment, "output", lambda _: "True")  # Python's headers are there
    monkeypatch.setattr(script, "links_openblas", lambda: False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(script.SetupError) as told:
        script.system_packages(environment, script.Steps())
    assert "sudo apt-get install libopenblas-dev" in str(told.value)
    assert "\n" not in str(told.value)


def test_without_a_compiler_the_set_up_says_so(script, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(script.SetupError, match=r"no C\+\+ compiler: install one"):
        script.links_openblas()


def test_an_interrupted_set_up_stops_what_it_started_and_can_be_repeated(tree):
    process = subprocess.Popen(
        [sys.executable, "deploy/setup_env.py"], cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    unfinished = tree / ".venv" / "rheostat-setup-unfinished"
    deadline = time.monotonic() + 60
    while not unfinished.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "run the same command again" in said
    assert unfinished.exists()
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, env=os.environ).stdout
    assert str(tree / ".venv") not in running
