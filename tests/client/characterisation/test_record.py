from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from rheostat.characterisation import compare, data, faults
from rheostat.characterisation.profile import Profile
from rheostat.characterisation.record import Characterisation
from rheostat.errors import InputError
from rheostat.figures import characterisation, comparison
from rheostat.wire import Outcome
from tests.client.characterisation import benches
from tests.client.figures.test_report import Page

h5py = pytest.importorskip("h5py")


def with_levels(profile: Profile, *counts: int) -> Profile:
    return replace(profile, analysis={**profile.analysis, "levels": counts})


@pytest.mark.parametrize("which", ["four_terminal", "two_terminal"])
def test_what_is_saved_comes_back_with_every_number(which: str, request, tmp_path):
    ours: Characterisation = request.getfixturevalue(which)
    path = ours.save(tmp_path / "of")
    assert path == tmp_path / "of" / "characterisation.h5"
    theirs = Characterisation.load(tmp_path / "of")
    assert (theirs.profile, theirs.devices, theirs.window) == (ours.profile, ours.devices, ours.window)
    assert (theirs.missing, theirs.about) == (ours.missing, ours.about)
    assert list(theirs.results) == list(ours.results)
    for step, jobs in ours.results.items():
        for one, other in zip(jobs, theirs.results[step], strict=True):
            assert (one.job, one.provenance) == (other.job, other.provenance)
            for name, array in one.arrays.items():
                np.testing.assert_array_equal(array, other.arrays[name], err_msg=name)
    assert repr(theirs.figures) == repr(ours.figures)
    assert (theirs.table is None) == (ours.table is None)
    if ours.table is not None and theirs.table is not None:
        assert theirs.table.info == ours.table.info
        np.testing.assert_array_equal(theirs.table.potentiation, ours.table.potentiation)


def test_the_file_says_its_units(four_terminal: Characterisation, tmp_path):
    with h5py.File(four_terminal.save(tmp_path / "one.h5")) as file:
        assert file["table/voltages"].attrs["unit"] == "V"
        assert file["steps/staircase/0/resistance_ohm"].attrs["unit"] == "ohm"
        figures = dict(zip(file["figures/key"].asstr()[:], file["figures/unit"].asstr()[:], strict=True))
        assert figures["power_potentiation"] == "W"
        assert json.loads(file.attrs["about"])["bench"] == "physics"


@pytest.mark.parametrize("which", ["four_terminal", "two_terminal"])
def test_every_array_in_the_file_names_as_many_axes_as_it_has(which: str, request, tmp_path):
    of: Characterisation = request.getfixturevalue(which)
    seen = set()

    def look(name: str, item) -> None:
        if "axes" in item.attrs:
            seen.add(name.split("/")[1] if name.startswith("steps") else "table")
            assert item.attrs["axes"].count(",") - item.attrs["axes"].count("(") == item.ndim - 1, name
            assert item.attrs["unit"]
        if name.endswith("/outcome"):
            assert "1 verified" in item.attrs["meanings"]

    with h5py.File(of.save(tmp_path)) as archive:
        archive.visititems(look)
        assert "/steps/NAME/K" in archive.attrs["readme"]
    assert set(of.results) <= seen


def test_a_file_of_another_kind_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no characterisation"):
        Characterisation.load(tmp_path)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.attrs["format"] = "something else"
    with pytest.raises(InputError, match="not a characterisation that rheostat saved"):
        Characterisation.load(tmp_path / "other.h5")
    (tmp_path / "broken.h5").write_text("no HDF5")
    with pytest.raises(InputError, match="not a characterisation that rheostat saved"):
        Characterisation.load(tmp_path / "broken.h5")


@pytest.mark.parametrize(("which", "figures"), [("four_terminal", 12), ("two_terminal", 5)])
def test_the_report_has_every_figure_and_needs_nothing_else(which: str, figures: int, request, tmp_path):
    of: Characterisation = request.getfixturevalue(which)
    text = of.report(tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.fetched == []
    assert text.count("<figure>") == text.count('role="img"') == figures
    assert page.tags.count("figcaption") == figures
    for figure in of.figures:
        assert figure.words in page.text
    assert "this device paper difference where" in page.text
    assert f"rheostat characterise --profile {of.profile.name}" in page.text
    assert "shortened" not in page.text


def test_the_report_says_what_was_left_out_and_that_it_is_shortened(four_terminal: Characterisation):
    little = {"retention": four_terminal.results["retention"]}
    short = replace(four_terminal, profile=replace(four_terminal.profile, short=True), results=little)
    text = Page(characterisation.document(short)).text
    assert "B1, staircase: 4 of 5 (1 stuck)." in text
    assert "This is the shortened form of the profile" in text


def test_the_report_says_at_once_that_devices_are_simulated_and_what_is_missing(four_terminal: Characterisation):
    text = Page(characterisation.document(four_terminal)).text
    begin = text[: text.index("This device and the paper")]
    assert "simulated devices" in begin
    assert "B1, staircase: 4 of 5 (1 stuck)." in begin
    real = replace(four_terminal, about={**four_terminal.about, "virtual": False}, missing=())
    text = Page(characterisation.document(real)).text
    assert "simulated" not in text
    assert "not as it was asked for" not in text


def test_the_table_beside_the_paper_holds_what_the_paper_prints_and_no_more(four_terminal: Characterisation):
    text = characterisation.beside_paper(four_terminal)
    assert text.count('<td class="number">') == 3 * len(four_terminal.profile.paper)
    assert "mean Pearson correlation" not in text
    assert "mean Pearson correlation" in characterisation.table(four_terminal)


def test_a_report_is_made_from_whatever_there_is(four_terminal: Characterisation):
    results = {"retention": four_terminal.results["retention"]}
    little = replace(four_terminal, results=results, table=None)
    assert characterisation.document(little).count("<figure>") == 1
    nothing = replace(four_terminal, results={}, table=None)
    assert characterisation.document(nothing).count("<figure>") == 0
    assert all(figure.shown == "not measured" for figure in nothing.figures)


@pytest.mark.filterwarnings("error")
def test_trains_that_were_never_applied_are_not_drawn(two_terminal: Characterisation):
    (result,) = two_terminal.results["train"]
    empty = {name: np.full_like(result.arrays[name], np.nan) for name in ("resistance", "energy")}
    never = replace(result, arrays={**result.arrays, **empty})
    nothing = replace(two_terminal, results={"train": (never,), "train_energy": (never,)})
    assert characterisation.document(nothing).count("<figure>") == 0


def test_a_notebook_shows_the_table_of_figures(two_terminal: Characterisation):
    page = Page(two_terminal._repr_html_())
    assert "S1 and 2 other devices on bench physics, profile xhameni2025" in page.text
    assert "81.077 µS" in page.text


def test_two_are_compared_figure_by_figure(four_terminal: Characterisation, tmp_path):
    table = benches.table("D4")
    sweeps = benches.Four(("D4",), 4).staircase(6, table)
    sweeps.arrays["energy"][:] *= 1.2
    other = replace(four_terminal, devices=("D4",), results={"staircase": (sweeps,)}, table=table)
    one, other = (replace(of, profile=with_levels(of.profile, 32)) for of in (four_terminal, other))
    of = compare.compare(one, other)
    rows = {row.figure.key: row for row in of.rows}
    assert rows["power_potentiation"].marked
    assert not rows["v_unbiased_potentiation_32"].marked
    assert rows["pearson_smallest_range_potentiation"].difference_shown == ""
    assert of.names == ("A1", "D4")
    assert of.notes == ("Simulated, on a virtual bench: A1 and D4.", "The devices differ: A1 and D4.")
    page = Page(of.report(tmp_path / "both.html").read_text(encoding="utf-8"))
    assert "A1 D4 difference" in page.text
    assert "> 2 σ" in page.text
    assert page.tags.count("figure") == 1


def test_what_keeps_two_from_being_compared_is_told(four_terminal: Characterisation, two_terminal: Characterisation):
    of = compare.compare(four_terminal, two_terminal)
    assert "The profiles differ: diao2025 and xhameni2025." in of.notes
    assert "The windows differ: 740 to 880 Ω and 255 to 400 Ω." in of.notes
    assert comparison.document(of).count("<figure>") == 1  # retention, that both have


def test_one_device_at_two_dates_is_told_apart_by_them(two_terminal: Characterisation):
    later = replace(two_terminal, about={**two_terminal.about, "ended": "2026-02-03 04:05:06"})
    assert compare.compare(two_terminal, later).names == ("S1, 2026-01-02 03:04:05", "S1, 2026-02-03 04:05:06")
    assert compare.compare(two_terminal, two_terminal).names == ("S1 (first)", "S1 (second)")
    assert not any(row.marked for row in compare.compare(two_terminal, two_terminal).rows)


def test_devices_that_failed_a_step_are_named(four_terminal: Characterisation):
    sweeps = benches.Four(("A1", "B1")).staircase(2)
    assert faults.found("staircase", sweeps) == ()
    sweeps.arrays["outcome"][1, 0, 1] = Outcome.STUCK
    assert faults.found("staircase.others", sweeps) == ("B1, staircase: 1 of 2 (1 stuck) sweeps in depression.",)
    train = benches.trains(("S1", "S2"), 3)
    train.arrays["resistance"][0, 2, 7:] = train.arrays["energy"][0, 2, 7:] = np.nan
    train.arrays["pulses"][0] = 87
    assert faults.found("train", train) == ("S1, train: 2 of 3 cycles, 87 write pulses.",)
    energies = benches.trains(("S1",), 2)
    energies.arrays["resistance"][:] = np.nan  # what a run of its own measures besides
    assert faults.found("train_energy", energies) == ()
    held = benches.held(("A1",))
    held.arrays["resistance"][0, -1] = np.nan
    assert faults.found("retention", held) == ("A1, retention: 7 of 8 readings.",)
    check = benches.check(("A1",))
    check.arrays["fits"][0] = 0
    assert "does not fit it: it travels 1.01 and 1.01 of what that predicts" in faults.found("check_table", check)[0]


def test_jobs_of_one_step_are_joined(four_terminal: Characterisation):
    one = benches.Four(("A1",))
    parts = one.staircase(2), one.staircase(3)
    joined = data.sweeps(parts)
    assert [sweep.cycle for sweep in joined if sweep.direction > 0] == [0, 1, 2, 3, 4]
    two = benches.Four(("A1",))
    identical = data.identical([two.identical((5.0, 1.0), 10, 2), two.identical((3.0,), 10, 2)])
    assert identical is not None
    assert identical.voltages.tolist() == [1.0, 3.0, 5.0]
    assert identical.resistance.shape == (2, 3, 2, 11)
