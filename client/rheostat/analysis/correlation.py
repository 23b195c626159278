"""How well a device repeats itself: Pearson's correlation of repeated pulse trains against their range.

Z. Diao et al., Nanoscale Horiz. 10, 780 (2025), equation 1 and Fig. 2(b).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]


def pearson(x: npt.ArrayLike, y: npt.ArrayLike) -> Values:
    """Pearson's correlation of x and y, (..., n) each -> (...) in [-1, 1] (equation 1).

    Leading axes broadcast. nan where a curve is constant or holds a nan: there is no correlation then.
    """
    first, second = np.broadcast_arrays(_curves(x), _curves(y))
    moving = (np.ptp(first, axis=-1) > 0.0) & (np.ptp(second, axis=-1) > 0.0)  # of a constant, rounding would correlate
    first = first - first.mean(axis=-1, keepdims=True)
    second = second - second.mean(axis=-1, keepdims=True)
    scale = np.sqrt(np.sum(first**2, axis=-1)) * np.sqrt(np.sum(second**2, axis=-1))
    shared = np.sum(first * second, axis=-1)
    return np.asarray(np.where(moving, np.clip(shared / np.where(moving, scale, 1.0), -1.0, 1.0), np.nan))


def mean_correlation(repetitions: npt.ArrayLike) -> Values:
    """Mean of the correlations of the last repetition with each one before it, (..., m, n) -> (...) (Fig. 2b).

    repetitions: m trains of the same pulses, n readings each. nan where one of them is constant or holds a nan. The
    m - 1 correlations share the last train: they are no independent sample, and their scatter is no standard error.
    """
    trains = _repetitions(repetitions)
    if trains.shape[-2] < 2:
        raise ValueError("a correlation needs two repetitions at least")
    return np.asarray(pearson(trains[..., -1:, :], trains[..., :-1, :]).mean(axis=-1))


def dynamic_range(repetitions: npt.ArrayLike) -> Values:
    """Rmax - Rmin of a train, mean over its repetitions, (..., m, n) -> (...), in the unit of the readings (Fig. 2b).

    Of a device that does not move this is the range of the read noise: about 5 times its rms in 100 readings.
    """
    return np.asarray(np.ptp(_repetitions(repetitions), axis=-1).mean(axis=-1))


def expected_correlation(curve: npt.ArrayLike, noise: npt.ArrayLike) -> Values:
    """Correlation to expect of two trains that differ in nothing but their read noise, (..., n) -> (...).

    curve: the readings without noise; noise: rms of one reading, in the same unit, (...) or one for all. With s^2 the
    variance of the curve it is s^2 / (s^2 + noise^2): what lies below it is the device's own variation, and no device
    of a range comparable with the noise can be near 1.
    """
    variance = _curves(curve).var(axis=-1)
    noise_variance = np.asarray(noise, dtype=np.float64) ** 2
    total = variance + noise_variance
    return np.asarray(np.where(total > 0.0, variance / np.where(total > 0.0, total, 1.0), np.nan))


def _curves(values: npt.ArrayLike) -> Values:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0 or array.shape[-1] < 2:
        raise ValueError(f"a curve needs two readings at least, not the shape {array.shape}")
    return array


def _repetitions(values: npt.ArrayLike) -> Values:
    array = _curves(values)
    if array.ndim < 2:
        raise ValueError(f"repetitions must be (..., m, n), not of shape {array.shape}")
    return array
