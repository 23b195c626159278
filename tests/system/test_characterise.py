"""`rheostat characterise` and `rheostat compare` as people run them, on virtual benches."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rheostat.characterisation.record import Characterisation

pytestmark = pytest.mark.timeout(300)
COMMAND = [sys.executable, "-m", "rheostat"]
STOPPED = """bench = "diao2025-virtual.toml"
[iv_loops]
voltages_v = [1.5, 6.0, -1.5, -6.0]
loops = 2
[identical_pulses]
voltages_v = [0.5, 1.0, 2.0, 3.0, 5.0, 7.0]
repetitions = 4
[calibrate]
voltages_v = [0.5, 1.0, 2.0, 3.0, 5.0, 7.0]
max_train = 60
[staircase]
cycles = 2
"""
ENVIRONMENT = {**os.environ, "COLUMNS": "180"}


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=240, env=ENVIRONMENT)


@pytest.fixture(scope="module")
def shortened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, str]]:
    """(folder, what was printed) of the short form of either profile."""
    found = {}
    for name in ("diao2025", "xhameni2025"):
        folder = tmp_path_factory.mktemp(name)
        ran = command("characterise", "--profile", name, "--virtual", "--short", "--out", str(folder))
        assert ran.returncode == 0, ran.stdout + ran.stderr
        found[name] = folder, ran.stdout
    return found


@pytest.mark.parametrize("name", ["diao2025", "xhameni2025"])
def test_the_short_form_of_a_profile_measures_every_step_and_says_that_it_is_short(shortened, name: str):
    folder, said = shortened[name]
    done = Characterisation.load(folder)
    assert done.missing == ()
    assert set(done.profile.steps) <= {step.removesuffix(".others") for step in done.results}
    measured = {figure.key for figure in done.figures if figure.shown != "not measured"}
    assert set(done.profile.paper) <= measured
    assert "in all" in said
    assert "This is the shortened form of the profile" in (folder / "report.html").read_text(encoding="utf-8")


def test_the_report_of_the_first_paper_has_its_figures(shortened):
    text = (shortened["diao2025"][0] / "report.html").read_text(encoding="utf-8")
    assert text.count("<figure>") == 12


def test_two_characterised_devices_are_compared(shortened, tmp_path: Path):
    first, second = (str(shortened[name][0]) for name in ("diao2025", "xhameni2025"))
    ran = command("compare", first, second, "--out", str(tmp_path / "both.html"))
    assert ran.returncode == 0, ran.stderr
    assert "The profiles differ: diao2025 and xhameni2025." in ran.stdout
    assert (tmp_path / "both.html").read_text(encoding="utf-8").count("<figure>") == 1
    assert "> 2 σ" not in command("compare", first, first).stdout


def test_a_dry_run_says_what_it_would_take_and_does_nothing(tmp_path: Path):
    ran = command("characterise", "--profile", "xhameni2025", "--virtual", "--dry-run", "--out", str(tmp_path / "out"))
    assert ran.returncode == 0, ran.stderr
    assert "train, others" in ran.stdout
    assert not (tmp_path / "out" / "programme.json").exists()


def test_ctrl_c_cancels_the_job_and_the_same_command_goes_on(tmp_path: Path):
    (tmp_path / "mine.toml").write_text(STOPPED)
    out = tmp_path / "out"
    asked = [
        "characterise",
        "--profile",
        str(tmp_path / "mine.toml"),
        "--virtual",
        "--devices",
        "B1",
        "--out",
        str(out),
    ]
    process = subprocess.Popen(
        [*COMMAND, *asked], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT
    )
    jobs = out / "programme.json"
    try:
        end = time.monotonic() + 120.0
        while not (jobs.exists() and "identical_pulses/0" in json.loads(jobs.read_text())["jobs"]):
            assert process.poll() is None, process.stdout.read()
            assert time.monotonic() < end
            time.sleep(0.05)
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[0]
    finally:
        process.kill()
    assert process.returncode == 130
    assert "The same command goes on from here" in said
    assert "Traceback" not in said
    ran = command(*asked)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "goes on: 2 of 4 steps were begun before" in ran.stdout
    ids = json.loads(jobs.read_text())["jobs"]
    assert (len(ids["iv_loops/0"]), len(ids["identical_pulses/0"]), len(ids["staircase/0"])) == (1, 2, 1)
    done = Characterisation.load(out)
    assert done.missing == ()
    assert done.identical is not None
    assert done.identical.whole.all()


def test_a_folder_of_another_programme_is_refused(shortened):
    folder = shortened["diao2025"][0]
    ran = command(
        "characterise", "--profile", "diao2025", "--virtual", "--short", "--devices", "C1", "--out", str(folder)
    )
    assert ran.returncode == 2
    assert "holds another programme" in ran.stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--profile", "diao2024"], "did you mean 'diao2025'"),
        (["--bench", "nowhere.toml"], "there is no bench file nowhere.toml"),
        (["--virtual", "--bench", "nowhere.toml"], "one of them"),
    ],
)
def test_what_is_misspelled_is_a_usage_error(words: list[str], complaint: str):
    ran = command("characterise", *words)
    assert ran.returncode == 2
    assert complaint in ran.stderr
