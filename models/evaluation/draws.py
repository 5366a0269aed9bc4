"""Random numbers for a batch of images, whatever batch that is."""

import functools
from collections.abc import Sequence

import numpy as np


class Draws:
    """Random numbers for a batch of images: those of an image depend on its own key only."""

    def __init__(self, keys: Sequence[tuple[int, int, int, int]]):
        self._keys = keys

    @functools.cached_property
    def _generators(self) -> list[np.random.Generator]:
        # Philox counts in blocks of numbers: the first word of the counter is its own.
        return [
            np.random.Generator(np.random.Philox(key=seed, counter=[0, *key]))
            for seed, *key in self._keys
        ]

    def uniform(self, *shape: int) -> np.ndarray:
        """float32 [N, *shape], in [0, 1)."""
        return np.stack([each.random(shape, np.float32) for each in self._generators])

    def normal(self, *shape: int) -> np.ndarray:
        """float32 [N, *shape], of mean 0 and deviation 1."""
        return np.stack([each.standard_normal(shape, np.float32) for each in self._generators])

    def signs(self) -> np.ndarray:
        """float64 [N], each -1 or 1."""
        return np.where(self.uniform() < 0.5, -1.0, 1.0)

    def poisson(self, means: np.ndarray) -> np.ndarray:
        """float32, as many as there are means [N, …]."""
        pairs = zip(self._generators, means, strict=True)
        return np.stack([each.poisson(mean) for each, mean in pairs]).astype(np.float32)
