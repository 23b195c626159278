"""Normal deviates in blocks: one at a time from numpy costs more than a whole reading."""

from __future__ import annotations

import numpy as np

_BLOCK = 2048


class Noise:
    """A seeded stream of standard normal deviates."""

    def __init__(self, *seed: int) -> None:
        self._generator = np.random.default_rng(seed)
        self._block: list[float] = []

    def normal(self) -> float:
        if not self._block:
            self._block = self._generator.standard_normal(_BLOCK).tolist()
        return self._block.pop()
