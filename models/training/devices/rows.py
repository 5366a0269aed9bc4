"""Which rows of a batch are whose: each replica has its share, as even as may be."""

import itertools

from ....base.errors import UsageError
from ....base.tf import tf


def bounds(batch_size: int, replicas: int) -> tuple[int, ...]:
    """Where the rows of each replica begin, and where those of the last one end.

    Raises:
      UsageError: one would have none.
    """
    if batch_size < replicas:
        raise UsageError(
            f"--batch_size={batch_size} cannot be shared out among {replicas} devices: give at "
            f"least {replicas}"
        )
    return tuple(batch_size * replica // replicas for replica in range(replicas + 1))


def cut(batches: tf.data.Dataset, places: tuple[int, ...]) -> tf.data.Dataset:
    """Each batch as several, one after another.

    Args:
      batches: tuples of tensors [N, …].
      places: where the rows of each part begin, and where those of the last one end.
    """
    parts, size = len(places) - 1, places[1] - places[0]
    if parts == 1:
        return batches
    if all(end - start == size for start, end in itertools.pairwise(places)):

        def even(*batch: tf.Tensor) -> tf.data.Dataset:  # Their shape stays known.
            shapes = ([parts, size, *tensor.shape[1:]] for tensor in batch)
            return tf.data.Dataset.from_tensor_slices(
                tuple(
                    tf.reshape(tensor, shape) for tensor, shape in zip(batch, shapes, strict=True)
                )
            )

        return batches.flat_map(even)
    first = tf.constant(places, tf.int64) - places[0]

    def uneven(*batch: tf.Tensor) -> tf.data.Dataset:
        return tf.data.Dataset.range(parts).map(
            lambda part: tuple(tensor[first[part] : first[part + 1]] for tensor in batch)
        )

    return batches.flat_map(uneven)
