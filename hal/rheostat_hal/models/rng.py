"""A two-word random generator for compiled models: results depend on (seed, device) only, not on threads or order.

xoroshiro128++ (D. Blackman, S. Vigna, "Scrambled linear pseudorandom number generators", ACM TOMS 47, 2021), seeded
through splitmix64 (G. Steele et al., OOPSLA 2014). A generator is a uint64 array of two words, advanced in place.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

Generator = npt.NDArray[np.uint64]

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_TO_UNIT = 2.0**-53
_11 = np.uint64(11)
_15 = np.uint64(15)
_17 = np.uint64(17)
_21 = np.uint64(21)
_28 = np.uint64(28)
_36 = np.uint64(36)
_47 = np.uint64(47)
_49 = np.uint64(49)


def _splitmix(word: int) -> int:
    word = (word + _GOLDEN) & _MASK
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _MASK
    return word ^ (word >> 31)


def seed(seed: int, device: int) -> Generator:
    """The generator of one device, (2,) uint64. Negative seeds are taken modulo 2**64."""
    first = _splitmix(_splitmix(seed & _MASK) ^ (device & _MASK))
    second = _splitmix(first)
    return np.array([first, second or 1], dtype=np.uint64)


@njit(cache=True)
def next_word(rng: Generator) -> np.uint64:
    """The next 64 random bits."""
    a = rng[0]
    b = rng[1]
    total = a + b
    word: np.uint64 = ((total << _17) | (total >> _47)) + a
    b ^= a
    rng[0] = ((a << _49) | (a >> _15)) ^ b ^ (b << _21)
    rng[1] = (b << _28) | (b >> _36)
    return word


@njit(cache=True)
def uniform(rng: Generator) -> float:
    """Uniform in [0, 1), 53 bits."""
    return float(next_word(rng) >> _11) * _TO_UNIT


@njit(cache=True)
def normal(rng: Generator) -> float:
    """Standard normal (Box-Muller; the second one is dropped, so that the generator has no further state)."""
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(rng)))
    return radius * math.cos(2.0 * math.pi * uniform(rng))


@njit(cache=True)
def gamma(rng: Generator, shape: float) -> float:
    """Gamma variate of `shape` > 0 and scale 1 (G. Marsaglia, W. W. Tsang, ACM TOMS 26, 363, 2000)."""
    boost = 1.0
    if shape < 1.0:
        boost = (1.0 - uniform(rng)) ** (1.0 / shape)
        shape += 1.0
    d = shape - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = normal(rng)
        v = (1.0 + c * x) ** 3
        if v > 0.0 and math.log(1.0 - uniform(rng)) < 0.5 * x * x + d - d * v + d * math.log(v):
            return boost * d * v
