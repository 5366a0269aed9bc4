"""Pillow's resizing as products with matrices, in the graph: the same pixels, bit for bit.

Pillow resizes 8-bit pixels along the rows, rounds them to 8 bits, and then along the columns
(`Resample.c`). Its weights are whole numbers, 22 bits after the point, so that in float64 every
sum is exact, in whatever order it is made.
"""

from typing import Any

from ...base.tf import tf

_BITS = 22


def bilinear(size: Any, new_size: Any) -> Any:
    """The weights of each old pixel in each new one, float64 [new_size, size], whole numbers.

    Args:
      size, new_size: int32 scalars.
    """
    old, new = tf.cast(size, tf.float64), tf.cast(new_size, tf.float64)
    scale = old / new
    stretch = tf.maximum(scale, 1.0)  # As far as a new pixel reaches, in old ones.
    centres = ((tf.range(new_size, dtype=tf.float64) + 0.5) * scale)[:, tf.newaxis]
    indices = tf.range(size, dtype=tf.float64)[tf.newaxis, :]
    first = tf.floor(tf.maximum(centres - stretch + 0.5, 0.0))
    beyond = tf.floor(centres + stretch + 0.5)
    distances = tf.abs((indices - centres + 0.5) * (1.0 / stretch))
    weights = tf.where((indices >= first) & (indices < beyond), 1.0 - distances, 0.0)
    weights = tf.maximum(weights, 0.0)
    weights /= tf.reduce_sum(weights, axis=1, keepdims=True)
    return tf.floor(weights * 2.0**_BITS + 0.5)


def along_rows(pixels: Any, weights: Any) -> Any:
    """Resizes uint8 [h, w, C] to uint8 [h, new width, C]; C is known."""
    channels = [
        _rounded(tf.matmul(tf.cast(channel, tf.float64), weights, transpose_b=True))
        for channel in tf.unstack(pixels, num=pixels.shape[2], axis=2)
    ]
    return tf.stack(channels, axis=2)


def along_columns(pixels: Any, weights: Any) -> Any:
    """Resizes uint8 [h, w, C] to uint8 [new height, w, C]."""
    height, width, channels = tf.unstack(tf.shape(pixels))
    values = tf.cast(tf.reshape(pixels, [height, width * channels]), tf.float64)
    return tf.reshape(_rounded(tf.matmul(weights, values)), [-1, width, channels])


def _rounded(sums: Any) -> Any:
    """The levels that weighted sums stand for, uint8."""
    levels = tf.floor((sums + 2.0 ** (_BITS - 1)) / 2.0**_BITS)
    return tf.cast(tf.clip_by_value(levels, 0.0, 255.0), tf.uint8)
