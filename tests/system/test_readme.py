"""The README's code runs as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from rheostat.local import LocalDaemon

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = (README, ROOT / "hal" / "BRING-UP.md")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with LocalDaemon(tmp_path_factory.mktemp("data")) as daemon:
        yield daemon.ready(timeout=180.0)


def test_the_code_in_the_readme_programs_and_exports(address, tmp_path, monkeypatch):
    monkeypatch.setenv("RHEOSTAT_ADDRESS", address)
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert ran.returncode == 0, ran.stderr
    assert "of 4" in ran.stdout
    assert "{'verified': 4}" in ran.stdout
    with h5py.File(tmp_path / "trial.h5") as file:
        assert len(file) > 0


def test_the_commands_in_the_pages_exist(address, monkeypatch):
    monkeypatch.setenv("RHEOSTAT_ADDRESS", address)
    text = "\n".join(page.read_text() for page in PAGES)
    words = set(re.findall(r"(?:^ {4}|`)rheostat ([a-z][a-z-]*)", text, re.MULTILINE))
    assert {"calibrate", "program", "export", "read", "estop"} <= words
    for word in words:
        ran = subprocess.run([Path(sys.executable).parent / "rheostat", word, "--help"], capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
