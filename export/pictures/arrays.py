"""TensorFlow's graph as the library that `base/pictures/arrays.py` asks for."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ...base.pictures.arrays import Array
from ...base.tf import tf


class TensorFlow:
    """Operations of TensorFlow under NumPy's names."""

    arange = staticmethod(lambda stop: tf.range(tf.cast(stop, tf.float64)))
    sum, max, cumsum = (
        staticmethod(tf.reduce_sum),
        staticmethod(tf.reduce_max),
        staticmethod(tf.cumsum),
    )
    sort, where = staticmethod(tf.sort), staticmethod(tf.where)
    maximum, minimum = staticmethod(tf.maximum), staticmethod(tf.minimum)
    abs, floor, rint = staticmethod(tf.abs), staticmethod(tf.floor), staticmethod(tf.round)
    concatenate, transpose = staticmethod(tf.concat), staticmethod(tf.transpose)
    ravel = staticmethod(lambda values: tf.reshape(values, [-1]))
    size = staticmethod(lambda values, axis: tf.shape(values)[axis])
    integer = staticmethod(lambda value: tf.cast(value, tf.int32))
    least = staticmethod(tf.minimum)
    # For int16 oneDNN writes an error line on some processors.
    compact = staticmethod(lambda values: tf.cast(values, tf.float32))
    sqrt = staticmethod(tf.sqrt)

    @staticmethod
    def real(value: Array) -> Array:
        # A number that is cast would be two operations.
        is_number = isinstance(value, (int, float))
        return tf.constant(value, tf.float64) if is_number else tf.cast(value, tf.float64)

    @staticmethod
    def take(table: Array | Sequence[float], indices: Array) -> Array:
        return tf.gather(tf.convert_to_tensor(table, tf.float64), tf.cast(indices, tf.int32))

    @staticmethod
    def sums(indices: Array, values: Array, count: Array) -> Array:
        return tf.math.unsorted_segment_sum(values, tf.cast(indices, tf.int32), count)

    @staticmethod
    def tops(indices: Array, values: Array, count: Array) -> Array:
        return tf.math.unsorted_segment_max(values, tf.cast(indices, tf.int32), count)

    @staticmethod
    def largest(values: Array, rows: int, columns: int) -> Array:
        # Few operations: each takes its time where a server makes a model's graph ready.
        for extent in (rows, columns):
            if extent > 1:  # A row is a pixel of many channels, which are worked on at once.
                pixels = values[tf.newaxis, :, tf.newaxis]
                values = tf.squeeze(tf.nn.max_pool2d(pixels, (extent, 1), 1, "VALID"), [0, 2])
            values = tf.transpose(values)
        return values

    @staticmethod
    def settled(function: Callable[[Array], Array], values: Array) -> Array:
        def following(values: Array, _: Array) -> tuple[Array, Array]:
            result = function(values)
            return result, tf.reduce_any(tf.not_equal(result, values))

        settled, _ = tf.while_loop(
            lambda _, is_new: is_new, following, (values, tf.constant(True)), parallel_iterations=1
        )
        return settled

    @staticmethod
    def framed(values: Array, margins: tuple[Array, Array], value: float) -> Array:
        rows, columns = margins
        paddings = [[rows, rows], [columns, columns]]
        return tf.pad(values, paddings, constant_values=tf.constant(value, values.dtype))

    @staticmethod
    def doubled(values: Array) -> Array:
        return tf.repeat(tf.repeat(values, 2, axis=0), 2, axis=1)

    def call(self, function: Callable[..., Array], /, *values: Array) -> Array:
        return _traced(function)(self, *values)

    @staticmethod
    def margins(values: Array, before: Sequence[Array], shape: Sequence[int]) -> Array:
        size = tf.shape(values)
        after = [shape[axis] - before[axis] - size[axis] for axis in (0, 1)]
        return tf.pad(values, [[before[axis], after[axis]] for axis in (0, 1)])


@functools.cache
def _traced(function: Callable[..., Array]) -> Any:
    return tf.function(function, autograph=False, reduce_retracing=True)
