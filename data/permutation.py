"""A seeded permutation that is computed, not stored.

It is a Feistel network with cycle walking: J. Black, P. Rogaway, "Ciphers with Arbitrary Finite
Domains", CT-RSA 2002, method 2.
"""

import hashlib

import numpy as np

_ROUNDS = 6


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
