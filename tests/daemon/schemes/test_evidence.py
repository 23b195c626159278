"""Acceptance on evidence: probabilities, the readings they need, noise learned from scatter."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rheostat.wire import Outcome
from rheostatd.schemes import evidence
from rheostatd.schemes.policy import ACCEPT, GIVE_UP, READ

OFFSETS = st.floats(-1.0, 1.0)
NOISES = st.floats(0.001, 1.0)
TOLERANCES = st.floats(0.01, 1.0)


def fresh(task_of, target_readings=(), **changes):
    params = np.array(evidence.pack(task_of(**changes), 2, 64))
    state = np.zeros(evidence.STATE)
    return params, state


@settings(deadline=None)  # the first example may compile
@given(OFFSETS, NOISES, TOLERANCES)
def test_probability_is_that_of_the_normal_posterior(offset, error, tolerance):
    expected = stats.norm.cdf(tolerance, offset, error) - stats.norm.cdf(-tolerance, offset, error)
    assert evidence.probability(offset, error, tolerance) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)  # the first example may compile
@given(OFFSETS, NOISES, TOLERANCES, st.floats(0.5, 0.999), st.integers(1, 200))
def test_readings_needed_is_the_least_number_that_verifies(offset, noise, tolerance, confidence, limit):
    needed = evidence.readings_needed(offset, noise, tolerance, confidence, float(limit))
    enough = [
        n
        for n in range(1, limit + 1)
        if abs(offset) < tolerance and evidence.probability(offset, noise / math.sqrt(n), tolerance) >= confidence
    ]
    # off the centre more readings always help, so the first that suffices is the answer
    assert needed == (enough[0] if enough and enough[-1] == limit else limit + 1)


@settings(deadline=None)  # the first example may compile
@given(st.floats(700.0, 900.0), st.lists(st.floats(-0.4, 0.4), min_size=8, max_size=60), st.floats(0.005, 0.3))
def test_an_accepted_estimate_always_lies_in_the_guarded_band(task_of, target, errors, noise):
    params, state = fresh(task_of, noise=noise)
    action, count = evidence.judge(params, state, target, math.nan, 0)
    for error in errors:
        if action != READ:
            break
        action, count = evidence.judge(params, state, target, target + error, count)
    if action == ACCEPT:
        mean, stderr = evidence.estimate(state)
        assert state[evidence.COUNT] >= 2
        assert stderr >= noise / math.sqrt(state[evidence.COUNT]) * (1.0 - 1e-12)
        assert evidence.probability(mean - target, stderr, 0.137) >= 0.95


def test_one_lucky_reading_is_not_accepted_where_the_noise_is_larger_than_the_tolerance(task_of):
    params, state = fresh(task_of, noise=0.3)
    state[evidence.PROBED] = 100.0
    action, count = evidence.judge(params, state, 800.0, 800.0, 1)
    assert action == READ
    assert count > 4


def test_a_reading_far_from_the_target_is_not_repeated(task_of):
    params, state = fresh(task_of)
    state[evidence.PROBED] = 100.0
    assert evidence.judge(params, state, 800.0, 803.0, 1) == (evidence.PULSE_NEEDED, 0)


def test_a_new_device_is_read_a_few_times_so_that_its_scatter_shows(task_of):
    params, state = fresh(task_of)
    random = np.random.default_rng(1)
    action, count = evidence.judge(params, state, 800.0, math.nan, 0)
    reads = 0
    while action == READ:
        reads += count
        action, count = evidence.judge(params, state, 800.0, 850.0 + random.normal() * 0.2, count)
    assert 4 <= reads <= 8
    assert evidence.noise_of(params, state) > 0.07


def test_scatter_within_the_measured_noise_does_not_lower_it(task_of):
    params, state = fresh(task_of)
    for _ in range(200):
        evidence.absorb(params, state, 800.0, 1)
    assert evidence.noise_of(params, state) == pytest.approx(0.02)


def test_a_reading_after_a_write_pulse_begins_a_new_estimate(task_of):
    params, state = fresh(task_of)
    evidence.absorb(params, state, 800.0, 2)
    state[evidence.PENDING] = 1.0
    evidence.absorb(params, state, 801.0, 1)
    assert evidence.estimate(state) == (801.0, pytest.approx(0.02))
    assert state[evidence.PREVIOUS] == 800.0


def test_a_pulse_whose_reading_never_came_leaves_no_estimate(task_of):
    params, state = fresh(task_of)
    evidence.absorb(params, state, 800.0, 2)
    state[evidence.PENDING] = 1.0
    evidence.forget(state)
    assert all(math.isnan(value) for value in evidence.estimate(state))


@pytest.mark.parametrize(
    ("reading", "outcome"),
    [
        (math.inf, Outcome.OPEN),
        (math.nan, Outcome.OPEN),
        (-5.0, Outcome.OPEN),
        (1e6, Outcome.OPEN),
        (90.0, Outcome.SHORTED),
    ],
)
def test_opens_and_shorts_are_believed_only_when_they_repeat(task_of, reading, outcome):
    params, state = fresh(task_of)
    assert evidence.judge(params, state, 800.0, reading, 1) == (READ, 1)
    assert evidence.judge(params, state, 800.0, 800.0, 1)[0] in (READ, ACCEPT)
    assert evidence.judge(params, state, 800.0, reading, 1) == (READ, 1)
    assert evidence.judge(params, state, 800.0, reading, 1) == (READ, 1)
    assert evidence.judge(params, state, 800.0, reading, 1) == (GIVE_UP + outcome, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tolerance": 0.0}, "tolerance"),
        ({"tolerance": math.nan}, "tolerance"),
        ({"confidence": 1.0}, "confidence"),
        ({"window": (880.0, 740.0)}, "window"),
        ({"max_voltage": 0.0}, "max_voltage"),
    ],
)
def test_tasks_that_cannot_be_are_refused_by_name(task_of, changes, message):
    with pytest.raises(ValueError, match=message):
        evidence.pack(task_of(**changes), 2, 64)
