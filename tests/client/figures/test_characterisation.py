"""What can be read off the figures of a characterisation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from matplotlib.text import Annotation

from rheostat.analysis.states import linear_part
from rheostat.characterisation.data import Identical, Sweep
from rheostat.figures import characterisation_levels, characterisation_pulses, characterisation_trains
from tests.client.characterisation import benches

WINDOW = benches.WINDOW


def identical(ends: list[float]) -> Identical:
    curves = np.array([np.linspace(800.0, end, 21) for end in ends])
    return Identical(np.arange(1.0, 1.0 + len(ends)), np.tile(curves[None, :, None, :], (2, 1, 3, 1)), 2.0)


@pytest.mark.parametrize("ends", [[799.9, 799.8, 799.7, 799.6, 700.0], [701.0, 700.5, 700.0, 799.0], [750.0]])
def test_names_of_curves_keep_apart_in_their_order_inside_the_axes(ends: list[float]):
    axes = characterisation_pulses.identical_pulses(identical(ends)).axes[0]
    named = [text for text in axes.texts if isinstance(text, Annotation)]
    low, high = axes.get_ylim()
    places = [text.xyann[1] for text in named]
    assert [text.xy[1] for text in named] == pytest.approx(sorted(ends))
    assert min(np.diff(places), default=math.inf) >= 0.04 * (high - low)
    assert low <= min(places)
    assert max(places) <= high


def test_standard_errors_of_steps_are_drawn_only_where_there_is_a_step():
    figure = characterisation_pulses.step_curves(benches.table())
    for axes in figure.axes:
        for band in axes.collections:
            for path in band.get_paths():
                assert np.all(path.vertices[:, 1] > 0.9 * characterisation_pulses.LEAST)


def test_every_bin_of_a_pair_lies_inside_the_axes():
    states = 2e-3 + 80e-6 * np.arange(16) + 20e-6 * np.random.default_rng(1).normal(size=(50, 16))
    axes = characterisation_trains.pair_bins(linear_part(states, 16), 2.0).axes[0]
    boxes = [(box.get_y(), box.get_y() + box.get_height()) for box in axes.patches]
    low, high = axes.get_ylim()
    assert len(boxes) == 31
    assert low < min(boxes)[0]
    assert max(boxes)[1] < high


def test_a_segmented_sweep_shows_the_pulses_between_its_starred_levels():
    readings = np.linspace(740.0, 880.0, 281)
    sweep = Sweep("A1", 0, -1, readings[:-1], np.linspace(-1.0, -5.0, 280), np.ones(280), 880.0, True)
    figure = characterisation_levels.segments(sweep, WINDOW, 8)
    (stars,) = [line for line in figure.axes[0].lines if line.get_marker() == "*"]
    for axes, level in zip(figure.axes[1:], stars.get_xdata(), strict=True):
        pulses = axes.lines[0].get_xdata()
        assert axes.get_title(loc="left") == f"from level {level - 1} to {level}: {len(pulses)} pulses"
        assert readings[pulses[-1]] == pytest.approx(740.0 + 20.0 * (level - 1), abs=0.3)
        assert readings[pulses[0] - 1] == pytest.approx(740.0 + 20.0 * (level - 2), abs=0.3)
