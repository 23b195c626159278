"""Compiled kernels follow their sources, also those in other files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import rheostat
import rheostat_hal
import rheostatd

ASK = """
import numpy as np
from rheostatd.schemes import evidence, ffp, motion
state = np.zeros(motion.STATE)
ffp.begin(np.ones(ffp.PARAMS), state, 800.0)
print(state[evidence.BAD], sum(ffp.begin.stats.cache_hits.values()))
"""


def ask(folder: Path) -> list[str]:
    environment = os.environ | {"PYTHONPATH": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
    environment.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run([sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_an_edited_policy_is_the_one_that_runs_and_an_unchanged_one_is_not_compiled_again(tmp_path: Path) -> None:
    for package in (rheostat, rheostatd, rheostat_hal):
        root = Path(package.__path__[0])
        shutil.copytree(root, tmp_path / root.name, ignore=shutil.ignore_patterns("__pycache__"))
    assert ask(tmp_path) == ["0.0", "0"]
    assert ask(tmp_path) == ["0.0", "1"]
    called = tmp_path / "rheostatd" / "schemes" / "evidence.py"
    text = called.read_text()
    assert text.count("    state[BAD] = 0.0\n    state[CARRIED]") == 1
    called.write_text(
        text.replace("    state[BAD] = 0.0\n    state[CARRIED]", "    state[BAD] = 7.0\n    state[CARRIED]")
    )
    assert ask(tmp_path) == ["7.0", "0"]  # `begin` itself did not change


def test_a_cache_folder_that_cannot_be_made_is_replaced_by_a_temporary_one(tmp_path: Path) -> None:
    blocked = tmp_path / "cache"
    blocked.write_text("a file where a folder is wanted")
    environment = os.environ | {"XDG_CACHE_HOME": str(blocked), "TMPDIR": str(tmp_path)}
    code = "from rheostat_hal.kernels import keep; print(keep())"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).is_dir()
    assert Path(done.stdout.strip()).parent == tmp_path
