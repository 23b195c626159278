"""Data sets that need no network, split once and for all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rheostat.errors import InputError


@dataclass(frozen=True)
class DataSet:
    """Images (n, features) float32 between 0 and 1, labels (n,) int64, for training and for the accuracy reported."""

    name: str
    train_images: npt.NDArray[np.float32]
    train_labels: npt.NDArray[np.int64]
    test_images: npt.NDArray[np.float32]
    test_labels: npt.NDArray[np.int64]


def digits(test: int = 500, seed: int = 0) -> DataSet:
    """scikit-learn's bundled 8 x 8 handwritten digits: 1797 images of 64 pixels, `test` of them held back.

    The split depends on `seed` only. Raises InputError unless both parts keep an image.
    """
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    if not 0 < test < len(labels):
        raise InputError(f"of {len(labels)} images 1 to {len(labels) - 1} can be held back, not {test}")
    order = np.random.default_rng(seed).permutation(len(labels))
    pixels = (images[order] / 16.0).astype(np.float32)  # 17 grey levels, 0 to 16
    numbers = labels[order].astype(np.int64)
    return DataSet("digits", pixels[test:], numbers[test:], pixels[:test], numbers[:test])
