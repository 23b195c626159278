from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rheostat.weights.mapping import Mapping, MappingError

WEIGHTS = hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(-6.0, 6.0, allow_nan=False))
MAPPINGS = st.builds(
    Mapping,
    window=st.sampled_from([(740.0, 880.0), (255.0, 440.0)]),
    levels=st.integers(2, 1024),
    weight_range=st.sampled_from([None, 4.0, 6.0]),
    linear=st.sampled_from(["resistance", "conductance"]),
)


@given(WEIGHTS, MAPPINGS)
def test_a_weight_comes_back_within_half_a_level_of_its_clipped_value(weights, mapping):
    fitted = mapping.fit(weights)
    back = fitted.from_resistance(fitted.to_resistance(weights))
    half_level = fitted.scale / (mapping.levels - 1)
    assert np.all(np.abs(back - np.clip(weights, -fitted.scale, fitted.scale)) <= half_level * (1 + 1e-6))


@given(WEIGHTS, MAPPINGS)
def test_targets_never_leave_the_window(weights, mapping):
    targets = mapping.fit(weights).to_resistance(weights)
    lrs, hrs = mapping.window
    assert targets.min() >= lrs * (1 - 1e-12)
    assert targets.max() <= hrs * (1 + 1e-12)


@given(WEIGHTS, MAPPINGS)
def test_quantising_twice_changes_nothing(weights, mapping):
    fitted = mapping.fit(weights)
    assert np.array_equal(fitted.level_of(fitted.quantise(weights)), fitted.level_of(weights))


@given(WEIGHTS, MAPPINGS)
def test_resistance_falls_as_the_weight_rises(weights, mapping):
    ordered = np.sort(weights)
    assert np.all(np.diff(mapping.fit(weights).to_resistance(ordered)) <= 1e-9)


def test_half_a_level_of_512_on_the_papers_window_is_0_137_ohm():
    assert Mapping().half_level == pytest.approx(0.137, abs=5e-5)


def test_the_ends_of_the_range_are_the_ends_of_the_window():
    mapping = Mapping(weight_range=4.0)
    assert mapping.to_resistance([-4.0, 4.0]).tolist() == [880.0, 740.0]


def test_only_an_odd_number_of_levels_has_a_zero():
    odd, even = Mapping(levels=511, weight_range=1.0), Mapping(levels=512, weight_range=1.0)
    assert odd.has_zero
    assert odd.quantise([0.0])[0] == 0.0
    assert not even.has_zero
    assert abs(even.quantise([0.0])[0]) == pytest.approx(1 / 511)


def test_levels_are_evenly_spaced_in_what_the_mapping_is_linear_in():
    in_resistance = Mapping(levels=9).level_resistances()
    in_conductance = 1.0 / Mapping(levels=9, linear="conductance").level_resistances()
    for levels in (in_resistance, in_conductance):
        assert np.ptp(np.diff(levels)) == pytest.approx(0.0, abs=1e-9)


def test_half_a_level_in_conductance_is_the_smallest_of_the_window():
    mapping = Mapping(linear="conductance")
    steps = np.abs(np.diff(mapping.level_resistances()))
    assert 2 * mapping.half_level == steps.min() == steps[-1]


def test_every_layer_is_scaled_by_its_own_largest_weight_unless_a_range_is_given():
    assert Mapping().fit([0.5, -1.5]).scale == 1.5
    assert Mapping(weight_range=4.0).fit([0.5, -1.5]).scale == 4.0
    assert Mapping().fit([0.0, 0.0]).scale == 1.0


def test_weights_outside_the_range_are_clipped_and_counted_or_refused():
    weights = [-5.0, 0.0, 4.5]
    mapping = Mapping(weight_range=4.0)
    assert mapping.clipped(weights) == 2
    assert mapping.quantise(weights)[[0, 2]].tolist() == [-4.0, 4.0]
    with pytest.raises(MappingError, match=r"2 of 3 weights lie outside \+-4"):
        Mapping(weight_range=4.0, clip=False).to_resistance(weights)


def test_an_error_of_one_level_counts_one():
    for linear in ("resistance", "conductance"):
        mapping = Mapping(levels=64, linear=linear)
        levels = mapping.level_resistances()
        assert mapping.error_in_levels(levels[1:], levels[:-1]) == pytest.approx(np.ones(63))


def test_weights_that_are_no_numbers_are_refused():
    with pytest.raises(MappingError, match="1 of 2 weights are NaN or infinite"):
        Mapping().fit([np.nan, 0.0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": (880.0, 740.0)}, "0 < LRS < HRS"),
        ({"window": (740.0, float("inf"))}, "0 < LRS < HRS"),
        ({"levels": 1}, "at least 2"),
        ({"weight_range": 0.0}, "positive number"),
        ({"linear": "voltage"}, "resistance, conductance"),
    ],
)
def test_a_mapping_that_cannot_be_says_what_is_possible(settings, message):
    with pytest.raises(MappingError, match=message):
        Mapping(**settings)


def test_a_mapping_without_a_range_says_how_to_get_one():
    with pytest.raises(MappingError, match=r"give weight_range, or fit it to a layer with fit\(weights\)"):
        Mapping().to_resistance([0.5])
