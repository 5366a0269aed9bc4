"""A seeded, stratified cut of a class's examples into splits, index by index.

The cut of a class of n examples is exact: a pseudo-random permutation of 0 … n-1 sends each
example's rank to a place; the first places are the test split, the next the validation
split, the rest the training split. The permutation is computed, not stored, so workers that
each see a part of the class agree on it without talking.

The permutation is a Feistel network with cycle walking: J. Black, P. Rogaway,
"Ciphers with Arbitrary Finite Domains", CT-RSA 2002, method 2.
"""

import dataclasses
import hashlib

import numpy as np

SPLITS = ("train", "validation", "test")
_ROUNDS = 6


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


def permuted(values: np.ndarray, count: int, key: str) -> np.ndarray:
    """Where a pseudo-random permutation of 0 … count-1 sends `values` (int64 [n])."""
    half = np.uint64(max(1, (max(count - 1, 1).bit_length() + 1) // 2))
    mask = np.uint64((1 << int(half)) - 1)
    digest = hashlib.blake2b(key.encode(), digest_size=8 * _ROUNDS).digest()
    round_keys = np.frombuffer(digest, "<u8")
    result = values.astype(np.uint64)
    outside = np.ones(len(result), bool)
    while outside.any():  # The domain is a power of four: walk on until inside the class.
        moved = result[outside]
        left, right = moved >> half, moved & mask
        for round_key in round_keys:
            left, right = right, left ^ (_mixed(right ^ round_key) & mask)
        result[outside] = (left << half) | right
        outside[outside] = result[outside] >= count
    return result.astype(np.int64)


def _mixed(values: np.ndarray) -> np.ndarray:
    """The finalizer of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): every bit moves every bit."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
