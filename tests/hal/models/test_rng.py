"""The compiled generator: repeatable, independent of order, with the right distributions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rheostat_hal.models import rng


def draws(function, generator, n, *arguments):
    return np.array([function(generator, *arguments) for _ in range(n)])


def test_first_words_are_those_of_the_published_algorithm():
    # xoroshiro128++ 1.0 in plain integers
    a, b = (int(word) for word in rng.seed(11, 4))
    generator = rng.seed(11, 4)
    mask = (1 << 64) - 1

    def rotl(x, k):
        return ((x << k) | (x >> (64 - k))) & mask

    for _ in range(50):
        expected = (rotl((a + b) & mask, 17) + a) & mask
        b ^= a
        a, b = rotl(a, 49) ^ b ^ ((b << 21) & mask), rotl(b, 28)
        assert int(rng.next_word(generator)) == expected


def test_same_seed_and_device_repeat_and_others_differ():
    first = draws(rng.uniform, rng.seed(1, 2), 5)
    assert np.array_equal(first, draws(rng.uniform, rng.seed(1, 2), 5))
    assert not np.array_equal(first, draws(rng.uniform, rng.seed(1, 3), 5))
    assert not np.array_equal(first, draws(rng.uniform, rng.seed(2, 2), 5))
    assert rng.seed(-1, 0).dtype == np.uint64


def test_uniform_numbers_are_uniform():
    values = draws(rng.uniform, rng.seed(3, 0), 20000)
    assert values.min() >= 0.0
    assert values.max() < 1.0
    assert stats.kstest(values, "uniform").pvalue > 0.001


def test_normal_numbers_are_normal():
    assert stats.kstest(draws(rng.normal, rng.seed(3, 1), 20000), "norm").pvalue > 0.001


@pytest.mark.parametrize("shape", [0.3, 1.0, 5.0, 44.4])
def test_gamma_numbers_follow_the_gamma_law(shape):
    assert stats.kstest(draws(rng.gamma, rng.seed(3, 2), 20000, shape), stats.gamma(shape).cdf).pvalue > 0.001
