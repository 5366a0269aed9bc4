"""A seeded, stratified cut of a class's examples into splits, index by index.

The cut of a class of n examples is exact: a pseudo-random permutation of 0 … n-1 sends each
example's rank to a place; the first places are the test split, the next the validation
split, the rest the training split. The permutation is computed, not stored, so workers that
each see a part of the class agree on it without talking.
"""

import dataclasses

import numpy as np

from ..permutation import permuted

SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class Cut:
    """How a training split is cut where the source has no split of that name.

    Attributes:
      validation, test: their shares, 0 or more, together below 1.
      seed: of the permutation.
    """

    validation: float
    test: float
    seed: int

    def sizes(self, count: int) -> tuple[int, int]:
        """The number of validation and of test examples among `count`; at least one is left.

        Of a class of three or more, each split that has a share gets at least one.
        """
        test = min(_share(count, self.test), max(count - 1, 0))
        return min(_share(count, self.validation), max(count - 1 - test, 0)), test

    def splits(self, label: str, count: int, ranks: np.ndarray) -> np.ndarray:
        """The split of each of a class's examples.

        Args:
          label: the class's name.
          count: the number of its examples in all.
          ranks: int64 [n], the examples' numbers in the class, from 0.

        Returns:
          int8 [n], indices into `SPLITS`.
        """
        validation, test = self.sizes(count)
        places = permuted(ranks, count, f"{self.seed} {label}")
        held_out = np.where(places < test, 2, 1)
        return np.where(places < test + validation, held_out, 0).astype(np.int8)


def _share(count: int, fraction: float) -> int:
    return max(int(count * fraction + 0.5), 1 if fraction and count > 2 else 0)
