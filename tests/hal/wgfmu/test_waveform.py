"""Trains as vectors and windows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheostat_hal.drivers.wgfmu import waveform
from rheostat_hal.drivers.wgfmu.waveform import TICK, Timing
from rheostat_hal.errors import RefusedError
from rheostat_hal.values import Pulse

PAPER = Timing(edge=3, gap=2000, read=3000, settle=13)

timings = st.builds(
    Timing, edge=st.integers(1, 20), gap=st.integers(100, 5000), read=st.integers(200, 5000), settle=st.integers(1, 30)
)
pulses = st.builds(Pulse, st.floats(-2.0, 2.0), st.integers(21, 100).map(lambda n: n * TICK))
trains = st.lists(st.none() | pulses, min_size=1, max_size=12)


def at(vectors, tick):
    """V at a tick, from 0 V on."""
    now, volts = 0, 0.0
    for length, after in vectors:
        if tick <= now + length:
            return volts + (after - volts) * (tick - now) / length
        now, volts = now + length, after
    return volts


@given(trains, timings, st.integers(1, 5))
def test_vectors_are_whole_ticks_and_add_up_to_the_length_of_the_pattern_on_every_line(given, timing, readings):
    train = waveform.train(given, timing, -0.1, "states", readings)
    for line in (train.row, train.others):
        assert all(isinstance(length, int) and length >= 1 for length, _ in line)
        assert sum(length for length, _ in line) == train.ticks
    assert train.row[-1][1] == train.others[-1][1] == 0.0
    assert train.duration == pytest.approx(train.ticks * 1e-8)


@given(trains, timings, st.integers(1, 5))
def test_every_reading_lies_within_the_second_half_of_a_read_pulse(given, timing, readings):
    train = waveform.train(given, timing, -0.1, "states", readings)
    assert len(train.windows) == len(given)
    for window in train.windows:
        assert window.end <= train.ticks
        assert {at(train.row, tick) for tick in (window.begin, window.end)} == {-0.1}
        assert at(train.row, window.begin - (timing.read - timing.edge) // 3) == -0.1
        assert {at(train.others, tick) for tick in (window.begin, window.end)} == {0.0}


@given(pulses, timings)
def test_a_write_pulse_is_as_wide_as_asked_at_half_amplitude_and_half_as_high_on_the_other_lines(pulse, timing):
    train = waveform.train([pulse], timing, -0.1, "states")
    width = waveform.ticks(pulse.width)
    for tick in (timing.edge / 2, timing.edge / 2 + width):
        assert at(train.row, tick) == pytest.approx(pulse.voltage / 2)
        assert at(train.others, tick) == pytest.approx(pulse.voltage / 4)
    assert at(train.row, width) == pytest.approx(pulse.voltage)
    read = timing.edge / 2 + width + timing.gap  # the half-amplitude point of the read pulse
    assert at(train.row, read) == pytest.approx(-0.05)


@given(pulses, timings)
def test_the_integrals_of_a_pulse_are_those_of_its_vectors(pulse, timing):
    def integral(power):
        now = volts = total = 0.0
        for length, after in waveform.train([pulse], timing, 0.0, "states", 0).row:
            a, b = volts, after
            total += length * ((a + b) / 2 if power == 1 else (a * a + a * b + b * b) / 3)
            now, volts = now + length, after
        return total * TICK

    found = waveform.flux(pulse, timing.edge * TICK)
    assert found == pytest.approx((integral(1), integral(2)))


def test_a_long_read_pulse_averages_no_longer_than_the_instrument_can():
    timing = Timing(edge=3, gap=2000, read=100_000_000, settle=13)
    (window,) = waveform.train([None], timing, -0.1, "states").windows
    assert window.average * TICK <= 20.971512e-3  # s, User's Guide
    assert window.end <= 2000 + timing.read


def test_the_energy_is_measured_from_the_first_edge_until_the_range_has_settled_twice():
    train = waveform.train([Pulse(0.7, 160e-9), Pulse(0.9, 200e-9)], PAPER, -0.1, "energy")
    first, second = train.windows
    assert (first.begin, first.end) == (0, 3 + 16 + 2 * 13)
    assert first.raw
    assert first.data == 1 + 2 * (first.end - first.begin)
    assert at(train.row, second.begin) == 0.0
    assert at(train.row, second.begin + 3) == 0.9


def test_pulses_come_back_in_steps_of_10_ns_and_a_tenth_of_a_millivolt():
    assert waveform.programmed(Pulse(0.98765432, 163.7e-9)) == Pulse(pytest.approx(0.9877), 160e-9)


@pytest.mark.parametrize(
    ("pulse", "measure", "readings", "timing", "says"),
    [
        (Pulse(0.9, 30e-9), "states", 1, PAPER, "longer than its edges"),
        (Pulse(0.9, 2e-7), "states", 2000, PAPER, "at most 1498 fit"),
        (Pulse(0.9, 2e-7), "energy", 1, Timing(3, 20, 3000, 13), "the range settles"),
    ],
)
def test_what_does_not_fit_is_refused(pulse, measure, readings, timing, says):
    with pytest.raises(RefusedError, match=says):
        waveform.train([pulse], timing, -0.1, measure, readings)
