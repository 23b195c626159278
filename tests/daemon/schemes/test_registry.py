"""Schemes by name and their settings from a request's parameters."""

from __future__ import annotations

import dataclasses

import pytest

from rheostatd.schemes.registry import SCHEMES, build


def test_the_three_schemes_are_there_and_carry_their_names():
    assert set(SCHEMES) == {"ffp", "levels", "incremental"}
    assert all(scheme.name == name for name, scheme in SCHEMES.items())


@pytest.mark.parametrize("name", ["ffp", "levels", "incremental"])
def test_settings_are_frozen(name):
    with pytest.raises(dataclasses.FrozenInstanceError):
        build(name, {}).min_readings = 3


@pytest.mark.parametrize("name", ["ffp", "incremental"])
def test_every_setting_is_documented(name):
    settings = SCHEMES[name].settings
    assert all(field.name in settings.__doc__ for field in dataclasses.fields(settings))


def test_parameters_become_settings_and_whole_numbers_stay_whole():
    settings = build("levels", {"levels": 128.0, "landing": 2})
    assert settings.levels == 128
    assert isinstance(settings.levels, int)
    assert settings.landing == 2.0
    assert isinstance(settings.landing, float)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("fpp", {}, r"unknown scheme 'fpp' \(did you mean 'ffp'\?\); there are: ffp, incremental, levels"),
        ("ffp", {"strid": 2.0}, r"'strid' \(did you mean 'stride'\?\); it has: stride \(1\)"),
        ("ffp", {"stride": "fast"}, "stride must be a number, not 'fast'"),
        ("ffp", {"stride": True}, "stride must be a number"),
        ("ffp", {"stride": -1.0}, "stride must lie between 0.1 and 50"),
        ("ffp", {"stride": float("nan")}, "stride must lie between"),
        ("ffp", {"min_readings": 1.5}, "min_readings must be a whole number from 1 to 64"),
        ("levels", {"levels": 1}, "levels must be a whole number from 2"),
        ("incremental", {"start_voltage": 0.1}, "start_voltage must lie between 0.2 and 100 V"),
    ],
)
def test_wrong_names_and_values_are_refused_with_what_is_possible(name, parameters, message):
    with pytest.raises(ValueError, match=message):
        build(name, parameters)
