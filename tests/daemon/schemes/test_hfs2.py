"""Incremental pulses and initialisation on HfOxSy/HfS2: all 31 bins of a pair, whose pulses scatter by 20 uS."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from rheostat.wire import Outcome
from rheostat_hal.models import hfs2, rng
from rheostatd.executor.initialise import Drive, initialise
from rheostatd.schemes import evidence
from rheostatd.schemes.drive import drive
from rheostatd.schemes.policy import Task
from rheostatd.schemes.registry import SCHEMES, build

WINDOW = (255.0, 400.0)  # ohm
MAX_VOLTAGE, MAX_WIDTH = 1.05, 400e-9  # half of it, on the lines beside a device, does not write
ZERO, BIN = 2.64e-3, 81e-6  # S: the start of the linear part, and the step of the paper
HALF_BIN = 0.5 * BIN
TRAIN = {  # the twenty pulses of the paper, and further
    "start_voltage": 0.7,
    "voltage_step": (0.995 - 0.7) / 19,
    "start_width": 160e-9,
    "width_growth": (350.0 / 160.0) ** (1.0 / 19.0),
}


class FastPlant:
    """A modelled device behind 1 ohm of relays, written with trapezoids of 30 ns edges; noise: S rms of a reading."""

    def __init__(self, params, seed, noise=1e-6):
        self.params = params
        self.state = hfs2.pristine_states(params[None], seed)[0]
        self.noise = noise
        self.path = 1.0
        self.edge = 30e-9
        self.generator = rng.seed(seed, 0)
        self.random = np.random.default_rng(seed)
        self.scatter = (0.0, 0)
        self.log: list[tuple[float, float]] = []

    @property
    def true(self) -> float:
        """What a reading without noise would say, S."""
        return float(self.state[0] / (1.0 + self.path * self.state[0]))

    def read(self, readings: int) -> float:
        degrees = max(0, readings - 1)  # a mean and the scatter around it are independent of each other
        ohm = self.noise / self.true**2
        self.scatter = (ohm**2 * float(self.random.chisquare(degrees)) if degrees else 0.0, degrees)
        return 1.0 / (self.true + self.noise * float(self.random.normal()) / math.sqrt(readings))

    def apply(self, voltage: float, width: float, readings: int) -> float:
        self.log.append((voltage, width))
        for share in (1 / 6, 3 / 6, 5 / 6):
            self.move(share * voltage, self.edge / 3.0)
        self.move(voltage, width - self.edge)
        for share in (5 / 6, 3 / 6, 1 / 6):
            self.move(share * voltage, self.edge / 3.0)
        return self.read(readings)

    def move(self, voltage: float, width: float) -> None:
        hfs2.step(self.state, self.params, voltage / (1.0 + self.path * self.state[0]), width, self.generator)

    def wait(self, duration: float) -> None:
        raise AssertionError("no scheme waits for this device")


class Programmer:
    """The incremental scheme on the devices of a die; conductances in S."""

    def __init__(self, count, seed=0, spread=None, noise=1e-6):
        self.scheme = SCHEMES["incremental"]
        task = Task(
            tolerance=1.0,  # of each target its own, see `to`
            confidence=0.95,
            window=WINDOW,
            noise=noise / ZERO**2,
            max_voltage=MAX_VOLTAGE,
            max_width=MAX_WIDTH,
        )
        self.params, self.shared = self.scheme.pack(build("incremental", TRAIN), task)
        self.plants = [
            FastPlant(p, 97 * seed + k, noise) for k, p in enumerate(hfs2.params_of_die(seed, count, spread))
        ]
        self.states = [np.zeros(self.scheme.state_size) for _ in self.plants]
        self.attempts: list = []

    def to(self, device: int, conductance: float, within: float):
        """One target, verified within `within` S; the true error in S beside the attempt."""
        target = 1.0 / conductance
        self.params[evidence.TOLERANCE] = target * target * within
        attempt = drive(
            self.scheme, self.params, self.shared, self.states[device], target, self.plants[device], max_pulses=300
        )
        self.attempts.append(attempt)
        return attempt, self.plants[device].true - conductance


def outcomes(programmer):
    return Counter(attempt.outcome.name for attempt in programmer.attempts)


@pytest.fixture(scope="module")
def pairs():
    """2,000 random bins on 24 pairs, each device within a quarter of a bin: (verified, errors of device, of pair)."""
    programmer = Programmer(48)
    random = np.random.default_rng(1)
    verified, errors, differences = [], [], []
    for _ in range(2000):
        pair, value = 2 * int(random.integers(24)), int(random.integers(-15, 16))
        plus, off_plus = programmer.to(pair, ZERO + max(value, 0) * BIN, HALF_BIN / 2.0)
        minus, off_minus = programmer.to(pair + 1, ZERO + max(-value, 0) * BIN, HALF_BIN / 2.0)
        verified.append((plus.outcome == Outcome.VERIFIED, minus.outcome == Outcome.VERIFIED))
        errors.append((off_plus, off_minus))
        differences.append(off_plus - off_minus)
    return programmer, np.array(verified), np.array(errors), np.array(differences)


def test_random_targets_on_all_31_bins_end_verified_within_half_a_bin_of_the_pair(pairs):
    _, verified, _, differences = pairs
    both = verified.all(axis=1)
    assert both.mean() >= 0.99
    assert np.mean(np.abs(differences[both]) <= HALF_BIN) >= 0.999


def test_what_is_verified_is_true(pairs):
    _, verified, errors, _ = pairs
    assert np.mean(np.abs(errors[verified]) > 1.02 * HALF_BIN / 2.0) <= 0.01  # the band is even in ohm, not in S


def test_a_target_takes_about_ten_pulses(pairs):
    programmer, *_ = pairs
    pulses = np.array([attempt.pulses for attempt in programmer.attempts])
    assert pulses.mean() < 13.0
    assert np.percentile(pulses, 95) < 35.0
    assert np.mean([attempt.reads for attempt in programmer.attempts]) < 25.0


def test_no_pulse_leaves_the_limits(pairs):
    programmer, *_ = pairs
    log = np.array([pulse for plant in programmer.plants for pulse in plant.log])
    assert np.max(np.abs(log[:, 0])) <= MAX_VOLTAGE
    assert np.max(log[:, 1]) <= MAX_WIDTH
    assert np.min(np.abs(log[:, 0])) >= 0.7


def test_the_second_device_of_a_pair_may_absorb_the_error_of_the_first():
    """Then half a bin is enough for each, and takes fewer pulses."""
    programmer = Programmer(16, seed=3)
    random = np.random.default_rng(2)
    off = []
    for _ in range(300):
        pair, value = 2 * int(random.integers(8)), int(random.integers(-15, 16))
        first, second = (pair, pair + 1) if value >= 0 else (pair + 1, pair)
        reached, _ = programmer.to(first, ZERO + abs(value) * BIN, HALF_BIN)
        programmer.to(second, 1.0 / reached.estimate - abs(value) * BIN, HALF_BIN)
        difference = programmer.plants[pair].true - programmer.plants[pair + 1].true
        off.append(difference - value * BIN)
    assert outcomes(programmer) == {"VERIFIED": 600}
    assert np.mean(np.abs(off) <= 1.05 * HALF_BIN) >= 0.99
    assert np.mean([attempt.pulses for attempt in programmer.attempts]) < 9.0


@pytest.mark.parametrize("noise", [0.3e-6, 3e-6])
def test_quiet_and_noisy_readings_are_both_served(noise):
    programmer = Programmer(8, seed=4, noise=noise)
    random = np.random.default_rng(3)
    off = [programmer.to(k % 8, ZERO + random.integers(16) * BIN, HALF_BIN / 2.0)[1] for k in range(200)]
    assert outcomes(programmer) == {"VERIFIED": 200}
    assert np.mean(np.abs(off) <= 1.02 * HALF_BIN / 2.0) >= 0.97


def test_with_the_spread_of_the_literature_only_what_a_device_cannot_reach_is_saturated():
    """30 % in g_min and g_max: many devices have not the window of the nominal one, and it is said of those alone."""
    programmer = Programmer(40, seed=5, spread=0.3)
    random = np.random.default_rng(4)
    for k in range(240):
        plant = programmer.plants[k % 40]
        conductance = ZERO + random.integers(16) * BIN
        attempt, _ = programmer.to(k % 40, conductance, HALF_BIN / 2.0)
        low, high = (
            hfs2.target(plant.params, sign * 0.996 * MAX_VOLTAGE) for sign in (-1.0, 1.0)
        )  # less the drop over the relays
        if attempt.outcome == Outcome.SATURATED:
            assert not low + 60e-6 < conductance < high - 60e-6
        else:
            assert attempt.outcome == Outcome.VERIFIED
            assert low - 60e-6 < conductance < high + 60e-6
    assert outcomes(programmer)["SATURATED"] > 10


def test_a_saturated_device_is_left_near_where_it_saturated():
    for seed in range(8):
        programmer = Programmer(1, seed=seed)
        plant = programmer.plants[0]
        plant.params[hfs2.G_MAX] = 3.7e-3
        programmer.to(0, 3.4e-3, HALF_BIN / 2.0)
        attempt, _ = programmer.to(0, 3.8e-3, HALF_BIN / 2.0)
        assert attempt.outcome == Outcome.SATURATED
        assert plant.true > 3.4e-3  # one gentle pulse back shows that it moves; the strongest would go to 2.2 mS


def test_a_device_that_no_longer_moves_is_stuck():
    programmer = Programmer(1)
    programmer.plants[0].move = lambda voltage, width: None
    attempt, _ = programmer.to(0, ZERO + 10 * BIN, HALF_BIN / 2.0)
    assert attempt.outcome == Outcome.STUCK
    assert attempt.pulses < 60
    assert max(abs(v) for v, _ in programmer.plants[0].log) == pytest.approx(MAX_VOLTAGE)


def test_both_ends_of_the_window_are_reached_by_initialisation():
    lrs, hrs = WINDOW
    drive_to = Drive().within(MAX_VOLTAGE, MAX_WIDTH, shortest=60e-9, half_level=0.5 * (hrs - lrs) / 15)
    for seed, params in enumerate(hfs2.params_of_die(6, 24)):
        plant = FastPlant(params, seed)
        for goal in (hrs, lrs, hrs, lrs):
            attempt = initialise(plant, goal, drive_to, 100, window=(lrs, hrs))
            assert attempt.outcome == Outcome.VERIFIED
            assert abs(1.0 / plant.true - goal) < drive_to.tolerance + 0.6
        assert all(abs(v) <= MAX_VOLTAGE and 60e-9 <= w <= MAX_WIDTH for v, w in plant.log)
        assert len(plant.log) < 80


def test_initialisation_within_the_limits_of_a_slow_bench_is_as_it_was():
    assert Drive().within(7.0, 2.0, half_level=0.137) == Drive()
