"""The envelope: nothing outside it is ever allowed, whatever a client or a scheme asks for."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheostat_hal.bench import TWO_TERMINAL, Limits
from rheostatd.executor.limits import Envelope, write_conductance

LIMITS = Limits(
    max_voltage=7.0, max_width=2.0, compliance=0.1, max_energy=2.0, max_pulses_per_device=100, read_voltage=0.1
)
anything = st.floats(allow_nan=True, allow_infinity=True)


@given(anything, anything, anything, st.integers(-1, 1000))
def test_whatever_is_allowed_lies_within_every_limit(
    voltage: float, width: float, conductance: float, pulses: int
) -> None:
    if Envelope(LIMITS).refusal(voltage, width, abs(conductance), pulses) is None:
        assert abs(voltage) <= 7.0
        assert 0.0 < width <= 2.0
        assert pulses < 100
        assert abs(voltage * conductance) <= 0.1 * 2  # T2 and T4
        assert voltage * voltage * abs(conductance) * width <= 2.0 * (1.0 + 1e-12)


@given(st.floats(-7.0, 7.0), st.floats(1e-4, 2.0), st.floats(1e-4, 0.0125), st.integers(0, 99))
def test_a_pulse_within_every_limit_is_allowed(voltage: float, width: float, conductance: float, pulses: int) -> None:
    assume_energy = voltage * voltage * conductance * width <= 2.0
    refusal = Envelope(LIMITS).refusal(voltage, width, conductance, pulses)
    assert (refusal is None) == assume_energy


@pytest.mark.parametrize(
    ("voltage", "width", "conductance", "pulses", "word"),
    [
        (7.001, 0.8, 0.012, 0, "max_voltage_v"),
        (-7.001, 0.8, 0.012, 0, "max_voltage_v"),
        (math.nan, 0.8, 0.012, 0, "max_voltage_v"),
        (1.0, 2.1, 0.012, 0, "max_width_s"),
        (1.0, 0.0, 0.012, 0, "width"),
        (1.0, math.nan, 0.012, 0, "width"),
        (6.0, 0.8, 0.1, 0, "compliance_a"),
        (7.0, 2.0, 0.025, 0, "max_energy_j"),
        (1.0, 0.8, 0.012, 100, "max_pulses_per_device"),
        (1.0, 0.8, math.inf, 0, "compliance_a"),
    ],
)
def test_a_refusal_names_the_limit_of_the_bench_file(
    voltage: float, width: float, conductance: float, pulses: int, word: str
) -> None:
    assert word in (Envelope(LIMITS).refusal(voltage, width, conductance, pulses) or "")


def test_a_pulse_timed_by_the_host_needs_the_permission_of_the_bench_file() -> None:
    long = Limits(
        max_voltage=7.0, max_width=100.0, compliance=0.1, max_energy=200.0, max_pulses_per_device=100, read_voltage=0.1
    )
    assert "host" in (Envelope(long).refusal(1.0, 10.0, 0.012, 0) or "")
    allowed = Limits(
        max_voltage=7.0, max_width=100.0, compliance=0.1, max_energy=200.0, max_pulses_per_device=100,
        read_voltage=0.1, host_timed=True,
    )  # fmt: skip
    assert Envelope(allowed).refusal(1.0, 10.0, 0.012, 0) is None


def test_an_unread_device_gets_no_pulse() -> None:
    assert Envelope(LIMITS).refusal(0.5, 0.1, Envelope(LIMITS).expected_conductance(None), 0) is not None
    assert Envelope(LIMITS).refusal(0.5, 0.1, Envelope(LIMITS).expected_conductance(math.nan), 0) is not None
    assert Envelope(LIMITS).refusal(6.0, 0.8, Envelope(LIMITS).expected_conductance(800.0), 0) is None


def test_a_two_terminal_device_is_written_through_its_read_path() -> None:
    envelope = Envelope(LIMITS, TWO_TERMINAL)
    assert envelope.expected_conductance(250.0) == pytest.approx(4e-3)
    assert envelope.refusal(1.0, 0.1, 0.099, 0) is None
    assert "compliance_a" in (envelope.refusal(1.0, 0.1, 0.101, 0) or "")


@given(st.floats(0.01, 7.0), st.floats(1e-6, 0.2))
def test_the_write_conductance_is_that_of_the_last_pulse(voltage: float, current: float) -> None:
    assert write_conductance(-voltage, -current) == pytest.approx(current / voltage)
    assert write_conductance(voltage, math.nan) is None
