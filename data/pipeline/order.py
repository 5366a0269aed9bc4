"""The order of examples in training: a pure function of (seed, position).

Position p is the p-th example that training sees. Which example that is, is computed by a
few graph ops on a batch of positions: nothing is shuffled in advance, no state is saved.
"""

from collections.abc import Callable, Sequence

import numpy as np

from ...base.tf import tf

# Positions are dealt out in blocks; in each, every group has its exact share.
_BLOCK = 1000
# Of the block cipher below the permutation. With TensorFlow's default, four, the
# permutations of an epoch and the next are seen to be alike.
_ROUNDS = 8

# 2**64 divided by the golden ratio, odd: SplitMix64's increment.
_GOLDEN = 0x9E3779B97F4A7C15

Order = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def shuffled(count: int, seed: int) -> Order:
    """All examples once in each epoch, in another order each time.

    Returns:
      A graph function from positions to epochs and indices (int64 [B] each).
    """

    def order(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        epoch = position // count
        return epoch, _permuted(
            tf.math.floormod(position, count), tf.constant(count, tf.int64), seed, epoch, epoch
        )

    return order


def mixed(groups: Sequence[np.ndarray], weights: Sequence[float], seed: int) -> Order:
    """Examples of several groups, by weight; each group is gone through evenly.

    In each block of about a thousand positions every group has its exact share (to one
    example), in shuffled places. A group is passed through before an example comes again.

    Args:
      groups: indices of the examples of each group, int64 [n] each.
      weights: of each group; only their ratios count.
      seed: of the order.

    Returns:
      A graph function from positions to the group's pass and the example's index (int64 [B]).
    """
    if len(groups) != len(weights) or not all(len(group) for group in groups):
        raise ValueError("Expected a weight for each group, and no empty group.")
    if min(weights) <= 0:
        raise ValueError(f"Expected weights > 0. Received: {list(weights)}")
    quotas = _quotas(np.asarray(weights, np.float64), max(_BLOCK, len(groups)))
    block = int(quotas.sum())
    ends = tf.constant(np.cumsum(quotas), tf.int64)
    quota = tf.constant(quotas, tf.int64)
    sizes = tf.constant([len(group) for group in groups], tf.int64)
    starts = tf.constant(np.cumsum([0, *(len(group) for group in groups[:-1])]), tf.int64)
    members = tf.constant(np.concatenate(groups), tf.int64)

    def order(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        number = position // block
        none = tf.zeros_like(number)
        place = _permuted(
            tf.math.floormod(position, block), tf.constant(block, tf.int64), seed, number, none - 1
        )
        group = tf.searchsorted(ends, place, side="right", out_type=tf.int64)
        its_quota, its_size = tf.gather(quota, group), tf.gather(sizes, group)
        turn = number * its_quota + place - (tf.gather(ends, group) - its_quota)
        passes = turn // its_size
        member = _permuted(turn % its_size, its_size, seed, passes, group)
        return passes, tf.gather(members, tf.gather(starts, group) + member)

    return order


def _quotas(weights: np.ndarray, block: int) -> np.ndarray:
    """Whole shares of a block by weight (largest remainders), at least one each."""
    exact = weights / weights.sum() * block
    whole = np.floor(exact).astype(np.int64)
    whole[np.argsort(whole - exact, kind="stable")[: block - whole.sum()]] += 1
    return np.maximum(whole, 1)


def _permuted(
    index: tf.Tensor, count: tf.Tensor, seed: int, first: tf.Tensor, second: tf.Tensor
) -> tf.Tensor:
    """Where a permutation of `count` takes each index; keyed by (seed, first, second).

    Unlike tf.random.experimental.index_shuffle, the raw op takes a key for each index.
    """
    # Hashed, since the cipher gives neighbouring keys much the same permutation.
    hashed = _mix(tf.bitcast(first, tf.uint64) + _u64(_GOLDEN * (2 * seed + 1) % 2**64))
    keys = tf.stack([tf.bitcast(hashed, tf.int64), first, second], axis=1)
    last = tf.broadcast_to(count - 1, tf.shape(index))
    return tf.raw_ops.RandomIndexShuffle(index=index, seed=keys, max_index=last, rounds=_ROUNDS)


def uniform(keys: tf.Tensor, numbers: int | tf.Tensor) -> tf.Tensor:
    """Random numbers, each a pure function of its example's key and its place.

    TensorFlow's stateless ops take one seed for a whole batch, so that an
    example's numbers would depend on its neighbours. Each number here is a hash by the
    finalizer of SplitMix64 (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom
    number generators", OOPSLA 2014).

    Args:
      keys: int64 [N, M].
      numbers: how many for each example.

    Returns:
      float32 [N, numbers], uniform in [0, 1).
    """
    state = tf.zeros([tf.shape(keys)[0]], tf.uint64)
    for part in tf.unstack(tf.bitcast(keys, tf.uint64), axis=1):
        state = _mix(state + part)
    place = tf.range(tf.cast(numbers, tf.int64))
    drawn = _mix(state[:, tf.newaxis] + tf.bitcast(place, tf.uint64)[tf.newaxis])
    # The upper 24 bits: all that float32 tells apart.
    return tf.cast(tf.bitcast(tf.bitwise.right_shift(drawn, _u64(40)), tf.int64), tf.float32) / (
        2.0**24
    )


def _mix(value: tf.Tensor) -> tf.Tensor:
    value = value * _u64(_GOLDEN) + _u64(_GOLDEN)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        value = tf.bitwise.bitwise_xor(value, tf.bitwise.right_shift(value, _u64(shift)))
        value = value * _u64(factor)
    return tf.bitwise.bitwise_xor(value, tf.bitwise.right_shift(value, _u64(31)))


def _u64(value: int) -> tf.Tensor:
    return tf.constant(value, tf.uint64)
