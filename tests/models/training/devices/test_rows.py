"""How a batch is shared out."""

import numpy as np
import pytest

from digitline.base.errors import UsageError
from digitline.base.tf import tf
from digitline.models.training.devices import rows


@pytest.mark.parametrize(("size", "replicas"), [(128, 1), (128, 2), (128, 3), (5, 5), (64, 7)])
def test_shares_are_all_of_it_and_as_even_as_may_be(size, replicas):
    places = rows.bounds(size, replicas)
    assert (places[0], places[-1], len(places)) == (0, size, replicas + 1)
    assert {*np.diff(places)} <= {size // replicas, -(-size // replicas)}


def test_a_batch_of_fewer_images_than_devices_is_refused():
    with pytest.raises(UsageError, match="--batch_size=2 cannot be shared out among 3 devices"):
        rows.bounds(2, 3)


@pytest.mark.parametrize("places", [(0, 6), (0, 3, 6), (2, 4, 5, 8)])
def test_cut_gives_each_part_in_turn(places):
    values = np.arange(2 * 12).reshape(2, 6, 2)  # Two batches.
    batches = tf.data.Dataset.from_tensor_slices((values, values[..., 0]))
    cut = list(rows.cut(batches, places).as_numpy_iterator())
    shifted = np.array(places) - places[0]
    for column, whole in enumerate((values, values[..., 0])):
        parts = [part for batch in whole for part in np.split(batch, shifted[1:-1])]
        for part, found in zip(parts, cut, strict=True):
            np.testing.assert_array_equal(found[column], part)
