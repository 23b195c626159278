from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from rheostat import wire
from rheostat.figures import plots
from rheostat.wire import Outcome

TARGET = np.random.default_rng(3).uniform(745.0, 875.0, 60)


def linear_table():
    """A device whose step is proportional to the voltage, everywhere the same: 0.1 ohm a volt."""
    voltages, resistances = np.arange(0.5, 7.5, 0.5), np.linspace(740.0, 880.0, 15)
    steps = np.repeat(0.1 * voltages[:, None], 15, axis=1)
    info = wire.TableInfo(
        version="t", device="A1", created=0.0, width=0.8, window=(740.0, 880.0), gains={"A1": (1.0, 1.0)}
    )
    return wire.FeedforwardTable(info, voltages, resistances, steps, steps)


def figures():
    rng = np.random.default_rng(4)
    outcome = np.full(60, Outcome.VERIFIED)
    outcome[:3] = Outcome.STUCK
    achieved = TARGET + rng.normal(0, 0.05, 60)
    achieved[0] = np.nan
    of_event = np.repeat(np.arange(6), 10)
    walk = TARGET[of_event] + np.tile(np.linspace(-2, 0, 10), 6)
    return {
        "target": plots.target_against_achieved(TARGET, achieved, outcome, 0.137),
        "histogram": plots.error_histogram({"0": rng.normal(0, 0.2, 50), "2": rng.normal(0, 0.1, 10)}),
        "convergence": plots.convergence("A1", walk, of_event, TARGET, outcome, 0.137),
        "map": plots.step_map(linear_table(), [1.0, 7.0]),
    }


@pytest.mark.parametrize("name", ["target", "histogram", "convergence", "map"])
def test_every_axis_has_a_label_with_a_unit(name):
    axes = [a for a in figures()[name].axes if a.get_label() != "<colorbar>"]
    labels = [a.get_xlabel() for a in axes if a.get_xlabel()] + [a.get_ylabel() for a in axes if a.get_ylabel()]
    assert len(labels) >= 2
    counted = {"weights", "event (write pulse and read-verify)", "events before the last"}
    assert all(label in counted or re.search(r"\((Ω|V|levels)\)", label) for label in labels)


@pytest.mark.parametrize("name", ["target", "histogram", "convergence", "map"])
def test_a_figure_is_a_complete_svg_and_the_same_every_time(name):
    first, again = plots.svg(figures()[name]), plots.svg(figures()[name])
    assert ElementTree.fromstring(first).tag.endswith("svg")
    assert first == again
    assert "http" not in first.replace("http://www.w3.org", "")


def test_a_figure_is_also_a_png():
    assert plots.png(figures()["histogram"])[:8] == b"\x89PNG\r\n\x1a\n"


def test_outcomes_are_told_by_marker_and_count_not_by_colour_alone():
    above = figures()["target"].axes[0]
    drawn = {line.get_label(): line.get_marker() for line in above.lines[1:]}
    assert drawn == {"verified (57)": "o", "stuck (3)": "s"}


def test_every_verified_weight_lies_within_the_band_that_is_drawn():
    below = figures()["target"].axes[1]
    band = below.patches[0].get_extents().transformed(below.transData.inverted())
    assert band.y0 == pytest.approx(-0.137)
    assert band.y1 == pytest.approx(0.137)


def test_the_histogram_counts_every_weight_or_says_how_many_are_beyond():
    axes = plots.error_histogram({"0": np.concatenate([np.zeros(199), [50.0]])}).axes[0]
    assert "1 beyond the axis" in axes.get_xlabel()
    assert max(patch.get_height() for patch in axes.patches if hasattr(patch, "get_height")) == 199


def test_the_chosen_voltage_on_the_map_gives_the_step_aimed_at():
    figure = plots.step_map(linear_table())
    for axes, aim in zip(figure.axes, (0.262, 0.2405), strict=False):
        chosen = next(line for line in axes.lines if line.get_label().startswith("chosen"))
        assert np.asarray(chosen.get_ydata()) == pytest.approx(aim / 0.1)


def test_no_curve_of_the_last_steps_is_cut_or_hidden_by_a_legend():
    figure = figures()["convergence"]
    near = figure.axes[1]
    low, high = near.get_ylim()
    first, last = near.get_xlim()
    assert len(near.lines) == 4
    for line in near.lines:
        assert len(line.get_xdata()) >= 2
        assert np.all((low < line.get_ydata()) & (line.get_ydata() < high))
        assert np.all((first < line.get_xdata()) & (line.get_xdata() < last))
    plots.png(figure)  # lays it out
    for axes in figure.axes:
        assert axes.get_legend().get_window_extent().y1 < axes.bbox.y0


def test_empty_data_still_make_a_figure():
    nothing = np.empty(0)
    assert plots.svg(plots.error_histogram({}))
    assert plots.svg(plots.target_against_achieved(nothing, nothing, nothing, 0.1))
    assert plots.svg(plots.convergence("A1", nothing, nothing, nothing, nothing, 0.1))
