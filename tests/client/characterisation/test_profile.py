from __future__ import annotations

import math
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheostat.characterisation import profile, quantities
from rheostat.characterisation.steps import choose, steps
from rheostat.errors import InputError, UnitError
from rheostat.wire import PAPER_VOLTAGES, Device

ROOT = Path(__file__).resolve().parents[3]
SMALL = "[staircase]\ncycles = 5\n"


def test_the_profiles_of_both_papers_ship_and_ask_for_what_the_papers_measured():
    assert profile.known() == ("diao2025", "xhameni2025")
    first, second = (profile.load(name) for name in profile.known())
    assert first.steps["identical_pulses"]["voltages_v"] == first.steps["calibrate"]["voltages_v"] == PAPER_VOLTAGES
    assert (first.steps["identical_pulses"]["width_s"], first.steps["calibrate"]["width_s"]) == (2.0, 0.8)
    assert (first.steps["iv_loops"]["loops"], first.steps["staircase"]["cycles"]) == (20, 66)
    assert first.paper["power_potentiation"].value == pytest.approx(0.2407)
    assert second.steps["train"]["widths_s"][::20] == (160e-9, 160e-9)
    assert second.steps["train"]["voltages_v"][19:21] == (0.995, -0.7)
    assert second.steps["train"]["cycles"] - second.steps["train"]["skip"] == 100
    assert second.paper["bin_width_potentiation"].value == pytest.approx(81.077e-6)
    assert second.paper["cycle_energy"].uncertainty == pytest.approx(1.26e-9)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[stairs]\n", "unknown key 'stairs'; did you mean 'staircase'"),
        ("[staircase]\ncycle = 5\n", "staircase: unknown key 'cycle'; did you mean 'cycles'"),
        ("[staircase]\ncycles = 0\n", "staircase.cycles: a whole number, at least 1, not 0"),
        ("[staircase.others]\ncyles = 5\n", "staircase.others: unknown key 'cyles'; did you mean 'cycles'"),
        (SMALL + "[analysis]\nlevel = [3]\n", "analysis: unknown key 'level'; did you mean 'levels'"),
        (SMALL + "[paper]\nbins = { value = 31 }\n", "paper.bins: needs value and source"),
        ("[train]\nvoltages_v = [1]\n", "train: needs voltages_v and widths_s"),
        ("[iv_loops]\nvoltages_v = [{ start = 1, stop = 2 }]\n", "a range needs start, stop and count"),
        ('[retention]\ntimes_s = ["a"]\n', "retention.times_s: a number, not 'a'"),
        ('[calibrate]\ntrains = "other"\n', '"own" or "identical_pulses", not \'other\''),
        ("title = 'nothing'\n", "has no steps"),
        ("cycles = [\n", "profile mine"),
    ],
)
def test_what_is_wrong_in_a_profile_is_refused_with_the_nearest_possibility(text: str, words: str):
    with pytest.raises(InputError) as refused:
        profile.parse(text, "mine")
    assert words in str(refused.value)


def test_a_profile_that_is_not_there_is_named_with_those_that_are(tmp_path):
    with pytest.raises(InputError, match="no profile 'diao2024'; did you mean 'diao2025'"):
        profile.load("diao2024")
    with pytest.raises(InputError, match="there is no file"):
        profile.load(tmp_path / "mine.toml")
    (tmp_path / "mine.toml").write_text(SMALL)
    assert profile.load(tmp_path / "mine.toml").steps == {"staircase": {"cycles": 5}}


def test_an_unknown_unit_of_a_printed_figure_is_refused():
    with pytest.raises(UnitError, match=r"profile mine: paper\.x\.unit: unknown unit 'furlong'"):
        profile.parse(SMALL + "[paper]\nx = { value = 1, unit = 'furlong', source = 's' }\n", "mine")


@given(start=st.floats(-10, 10), stop=st.floats(-10, 10), count=st.integers(1, 50))
def test_a_range_begins_and_ends_where_it_says(start: float, stop: float, count: int):
    given = profile.parse(f"[retention]\ntimes_s = {{start={start!r}, stop={stop!r}, count={count}}}\n", "mine")
    times = given.steps["retention"]["times_s"]
    assert len(times) == count
    assert times[0] == pytest.approx(start, abs=1e-10)
    assert count == 1 or times[-1] == pytest.approx(stop, abs=1e-10)


def test_the_short_form_asks_for_less_of_the_same_steps():
    whole = profile.load("diao2025")
    short = profile.load("diao2025", short=True)
    assert short.short
    assert list(short.steps) == list(whole.steps)
    assert short.steps["staircase"]["cycles"] < whole.steps["staircase"]["cycles"]
    voltages = short.steps["identical_pulses"]["voltages_v"]
    assert len(voltages) < 15
    assert (voltages[0], voltages[-1]) == (0.3, 7.0)
    train = profile.load("xhameni2025", short=True).steps["train"]
    assert len(train["voltages_v"]) == 40
    assert train["cycles"] < 101


def test_steps_become_jobs_of_the_devices_they_are_meant_for():
    made = steps(profile.load("diao2025"), ("A1", "B2", "C3"))
    assert [step.name for step in made] == [
        *("iv_loops", "identical_pulses", "calibrate", "check_table", "staircase", "staircase.others", "retention"),
    ]
    by_name = {step.name: step for step in made}
    assert by_name["iv_loops"].arguments()["devices"] == by_name["staircase"].devices == ("A1",)
    assert by_name["check_table"].devices == by_name["retention"].devices == ("A1", "B2", "C3")
    asked = by_name["calibrate"].arguments(trains="j-1")
    assert (asked["device"], asked["others"], asked["width"]) == ("A1", ("B2", "C3"), 0.8)
    assert "trains" not in asked
    assert by_name["staircase.others"].arguments("t-1") == {
        "devices": ("B2", "C3"),
        "cycles": 10,
        "max_pulses": 2000,
        "table": "t-1",
    }


def test_trains_of_the_step_before_are_fitted_where_the_profile_says_so():
    text = "[identical_pulses]\nwidth_s = 0.8\n[calibrate]\ntrains = 'identical_pulses'\nwidth_s = 0.8\n"
    calibrate = steps(profile.parse(text, "mine"), ("A1",))[1]
    assert calibrate.arguments(trains="j-1") == {"device": "A1", "others": (), "trains": "j-1"}


@pytest.mark.parametrize("jobs", [1, 2, 4, 9])
def test_a_step_of_several_jobs_asks_for_all_of_it_once(jobs: int):
    text = f"[identical_pulses]\nvoltages_v = [1, 2, 3, 4, 5]\njobs = {jobs}\n[staircase]\ncycles = 7\njobs = {jobs}\n"
    made = steps(profile.parse(text, "mine"), ("A1",))
    voltages = [v for step in made if step.kind == "identical_pulses" for v in step.options["voltages"]]
    assert sorted(voltages) == [1, 2, 3, 4, 5]
    assert sum(step.options["cycles"] for step in made if step.kind == "staircase") == 7
    assert len({step.key for step in made}) == len(made)


def test_devices_with_lines_of_their_own_come_before_those_of_a_crossbar():
    def device(name: str, row: str, column: str) -> Device:
        return Device(name=name, kind="hfs2-2t", channels={"row": row, "column": column}, window=(255.0, 400.0))

    known = (device("X11", "R1", "C1"), device("X12", "R1", "C2"), device("S1", "P1", "N1"), device("S2", "P2", "N2"))
    assert choose(known, None, 2) == ("S1", "S2", "X11")
    assert choose(known, ["X12", "S2"], 0) == ("X12", "S2")
    assert choose(known, "X12, S2", 0) == ("X12", "S2")
    with pytest.raises(InputError, match="no device 'S9'; it has X11, X12, S1, S2"):
        choose(known, ["S9"], 0)


@pytest.mark.parametrize(
    ("value", "uncertainty", "unit", "words"),
    [
        (81.3e-6, 0.21e-6, "S", "81.30 ± 0.21 µS"),
        (4.95e-3, 0.08e-3, "1", "(4.95 ± 0.08) × 10⁻³"),
        (-3e-7, 2.9e-6, "1", "(−0.3 ± 2.9) × 10⁻⁶"),
        (494.0, 11.0, "1", "494 ± 11"),
        (0.2407, math.nan, "W", "240.7 mW"),
        (31.0, math.nan, "1", "31"),
        (math.nan, math.nan, "J", "not measured"),
        (math.inf, math.nan, "1", "∞"),
        (95.6, 0.27, "J", "95.60 ± 0.27 J"),
        (-0.04, 0.4, "%", "0.0 ± 0.4 %"),
        (10.4941, math.nan, "%", "10.49 %"),
        (0.999172, math.nan, "1", "0.99917"),
        (1234.6, math.nan, "ohm", "1235 Ω"),
    ],
)
def test_numbers_are_shown_as_precisely_as_they_are_known(value: float, uncertainty: float, unit: str, words: str):
    assert quantities.shown(value, uncertainty, unit) == words


def test_what_a_paper_prints_keeps_its_digits():
    assert quantities.shown(23.74e-9, 1.26e-9, "J", exactly=True) == "23.74 ± 1.26 nJ"
    assert quantities.shown(81.077e-6, math.nan, "S", exactly=True) == "81.077 µS"


def test_the_profiles_are_in_the_wheel(tmp_path):
    built = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(ROOT)]
    ran = subprocess.run(built, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    assert {f"rheostat/characterisation/profiles/{name}.toml" for name in profile.known()} <= set(names)
