import numpy as np
import pytest

from digitline.base.tf import tf
from digitline.data.pipeline import order


def epochs(count, seed, number):
    pick = order.shuffled(count, seed)
    epoch, index = pick(tf.range(count * number, dtype=tf.int64))
    np.testing.assert_array_equal(epoch, np.repeat(np.arange(number), count))
    return index.numpy().reshape(number, count)


def alike(first, second):
    return abs(np.corrcoef(first, second)[0, 1])


@pytest.mark.parametrize("count", [1, 2, 10, 1000, 55_000])
def test_an_epoch_is_a_permutation(count):
    for epoch in epochs(count, 0, 2):
        np.testing.assert_array_equal(np.sort(epoch), np.arange(count))


def test_orders_of_epochs_and_seeds_have_nothing_in_common():
    # Five standard deviations of what independent permutations give.
    bound = 5 / np.sqrt(20_000)
    found = [*epochs(20_000, 0, 3), *epochs(20_000, 1, 3), np.arange(20_000)]
    for at, first in enumerate(found):
        for second in found[:at]:
            assert alike(first, second) < bound
        assert at == 6 or alike(first[:-1], first[1:]) < bound


def test_batches_are_as_mixed_as_random_ones():
    low = epochs(20_000, 0, 1)[0][:19_968].reshape(-1, 64) < 10_000
    assert np.std(low.mean(axis=1)) == pytest.approx(0.5 / 8, rel=0.2)


def test_a_mix_gives_every_block_its_shares():
    groups = [np.arange(100), np.arange(100, 130), np.arange(130, 1000)]
    pick = order.mixed(groups, [2, 1, 1], 0)
    passes, index = (each.numpy() for each in pick(tf.range(3000, dtype=tf.int64)))
    for block in index.reshape(3, 1000):
        assert [np.isin(block, group).sum() for group in groups] == [500, 250, 250]
    # The small group comes around again and again, each of its examples as often.
    counts = np.bincount(index)[100:130]
    assert counts.sum() == 750
    assert set(counts) <= {25}
    assert passes[np.isin(index, groups[1])].max() == 24


def test_any_position_gives_what_the_whole_gives():
    for pick in (order.shuffled(77, 5), order.mixed([np.arange(9), np.arange(9, 20)], [1, 3], 5)):
        whole = pick(tf.range(5000, dtype=tf.int64))[1].numpy()
        part = pick(tf.constant([4321, 17, 999], tf.int64))[1].numpy()
        np.testing.assert_array_equal(part, whole[[4321, 17, 999]])


@pytest.mark.parametrize("weights", [[1, 0], [1, -2], [1]])
def test_rejects_weights_that_are_not_positive(weights):
    with pytest.raises(ValueError, match="Expected"):
        order.mixed([np.arange(3), np.arange(3)], weights, 0)


def test_uniform_numbers_are_uniform_and_independent():
    places = np.arange(20_000)
    keys = np.stack([np.zeros_like(places), np.zeros_like(places), places], 1)
    found = order.uniform(tf.constant(keys, tf.int64), 4).numpy()
    assert found.min() >= 0
    assert found.max() < 1
    np.testing.assert_allclose(found.mean(0), 0.5, atol=0.015)
    np.testing.assert_allclose(found.std(0), np.sqrt(1 / 12), atol=0.01)
    assert np.abs(np.corrcoef(found.T) - np.eye(4)).max() < 0.035
    for changed in (0, 1):  # Another seed, another epoch.
        other = keys.copy()
        other[:, changed] = 1
        numbers = order.uniform(tf.constant(other, tf.int64), 4).numpy()
        assert alike(found[:, 0], numbers[:, 0]) < 0.035
