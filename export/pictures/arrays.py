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
    real = staticmethod(lambda value: tf.cast(value, tf.float64))

    @staticmethod
    def take(table: Sequence[float], indices: Array) -> Array:
        return tf.gather(tf.constant(table, tf.float64), tf.cast(indices, tf.int32))

    @staticmethod
    def spread(values: Array, extent: int) -> Array:
        image = values[tf.newaxis, :, :, tf.newaxis]
        for window in ((extent, 1), (1, extent)):
            image = tf.nn.max_pool2d(image, window, 1, "SAME")
        return image[0, :, :, 0]

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
