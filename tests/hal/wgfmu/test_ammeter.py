"""What a channel measures of a known current."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rheostat_hal.virtual.wgfmu import ammeter, playback
from rheostat_hal.virtual.wgfmu.playback import Pieces, Waveform

TICK = 1e-8
RNG = [1, 2, 3]


def column(events, length, ranges=()):
    """The pattern of a channel at 0 V for `length` ticks, with events (begin, points, interval, average, raw)."""
    pattern = {"times": [0, length], "volts": [0.0, 0.0], "measure": events, "ranges": list(ranges)}
    return Waveform.of([("p", 1)], {"p": pattern})


def measured(waveform, widths, begin, end=None, code=6004):
    end = begin if end is None else end
    arrays = (np.array(each, float) for each in (widths, begin, end))
    return playback.results(waveform, *arrays, code, True, np.random.default_rng(RNG))


@pytest.mark.parametrize(("code", "settling"), [(6005, 125e-9), (6004, 200e-9), (6003, 820e-9), (6002, 5.8e-6)])
def test_a_step_has_settled_to_0_6_percent_after_the_time_of_the_users_guide(code, settling):
    full = ammeter.CURRENT[code].full
    wide, tick = 100.0 * settling, np.array([settling])
    shown = ammeter.Shown.of(
        np.array([0.0, 1e-6, 1e-6 + wide]), *[np.array([0.0, 0.5 * full])] * 2,
        np.full(2, ammeter.CURRENT[code].lag), np.zeros(2, bool),
    )  # fmt: skip
    assert shown.at(1e-6 + tick)[0] == pytest.approx(0.5 * full * (1 - 0.006), rel=1e-6)
    assert shown.at(1e-6 + 4 * tick)[0] == pytest.approx(0.5 * full, rel=1e-4)


def test_charge_is_kept_whatever_the_lag():
    """The integral of what is shown, until it has settled, is the integral of the current."""
    starts = np.array([0.0, 3e-8, 2e-7, 2.3e-7, 5e-6])
    begin, end = np.array([0.0, 2e-3, 2.2e-3, 0.0]), np.array([2e-3, 2.2e-3, 0.0, 0.0])
    true = float(np.sum(np.diff(starts) * (begin + end) / 2))
    for tau in (1e-9, 2.4e-8, 1.6e-7):
        shown = ammeter.Shown.of(starts, begin, end, np.full(4, tau), np.zeros(4, bool))
        assert shown.area[-1] == pytest.approx(true, rel=1e-9)
        assert shown.mean(np.zeros(1), np.array([5e-6]))[0] * 5e-6 == pytest.approx(true, rel=1e-9)
        samples = shown.at(np.arange(0.0, 5e-6, 5e-10))
        assert np.sum(samples) * 5e-10 == pytest.approx(true, rel=2e-2)


@pytest.mark.parametrize(
    ("code", "window", "noise"), [(6005, 20e-9, 1.9e-6), (6004, 40e-9, 280e-9), (6003, 130e-9, 47e-9)]
)
def test_noise_over_the_recommended_window_is_that_of_the_users_guide(code, window, noise):
    ticks = round(window / TICK)
    points = 4000
    waveform = column([[0, points, ticks, ticks, 0]], points * ticks)
    _, values = measured(waveform, [points * window], [0.3 * ammeter.CURRENT[code].full], code=code)
    assert np.std(values) == pytest.approx(noise, rel=0.06)
    assert np.mean(values) == pytest.approx(0.3 * ammeter.CURRENT[code].full, abs=4 * noise / math.sqrt(points))


def test_beyond_the_range_it_reads_its_end():
    _, values = measured(column([[0, 3, 1, 1, 0]], 10), [1e-7], [3.9e-3])
    assert values == pytest.approx([1.05e-3] * 3)


def test_raw_samples_have_the_converters_resolution():
    _, values = measured(column([[0, 1, 10, 10, 1]], 10), [1e-7], [1e-4])
    step = 2e-3 / 2**14
    assert len(values) == 21
    assert values / step == pytest.approx(np.round(values / step))


def test_a_change_of_range_settles_within_150_us():
    waveform = column([[0, 1, 10, 10, 0], [5000, 4, 5000, 100, 0]], 40000, ranges=[(4000, 6005)])
    widths, current = [4e-5, *[1e-5] * 36], 3e-4
    times, values = measured(waveform, widths, [current] * 37)
    share = values / current
    assert share[0] == pytest.approx(1.0, abs=0.01)
    since = times[1:] - 4e-5
    assert share[1:] == pytest.approx(1 - np.exp(-since / ammeter.CHANGE), abs=0.02)
    assert share[1] < 0.5
    assert share[-1] == pytest.approx(1.0, abs=0.01)


def test_pieces_follow_the_vectors_of_all_channels_in_small_steps():
    row = {"times": [0, 3, 20, 23, 100], "volts": [0.0, 0.9, 0.9, 0.0, 0.0], "measure": [], "ranges": []}
    other = {"times": [0, 50, 51], "volts": [0.0, 0.0, 0.2], "measure": [], "ranges": []}
    pieces = Pieces.of([Waveform.of([("a", 2)], {"a": row}), Waveform.of([("b", 1)], {"b": other})])
    assert pieces.widths.sum() == pytest.approx(2e-6)
    assert pieces.widths.min() >= TICK * (1 - 1e-9)
    assert pieces.volts[:5, 0] == pytest.approx([0.15, 0.45, 0.75, 0.9, 0.75])
    assert pieces.volts[-1] == pytest.approx([0.0, 0.2])  # a channel that has ended stays where it is
    flux = float(np.sum(pieces.volts[:, 0] * pieces.widths))
    assert flux == pytest.approx(2 * 0.9 * 200e-9)


def test_chunks_end_where_everything_is_at_0_volt():
    row = {"times": [0, 3, 20, 23, 100], "volts": [0.0, 0.9, 0.9, 0.0, 0.0], "measure": [], "ranges": []}
    pieces = Pieces.of([Waveform.of([("a", 500)], {"a": row})])
    chunks = list(pieces.chunks())
    assert len(chunks) > 5
    assert [part.start for part in chunks[1:]] == [part.stop for part in chunks[:-1]]
    assert chunks[-1].stop == len(pieces.widths)
    assert all(not pieces.volts[part][-1].any() for part in chunks)
