"""Pillow's resizing as products with matrices: the same pixels, bit for bit, in either library.

Pillow resizes 8-bit pixels along the rows, rounds them to 8 bits, and then along the columns
(`Resample.c`). Its weights are whole numbers, 22 bits after the point, so that in float64 every
sum is exact, in whatever order it is made.
"""

from .arrays import Array, Arrays

_BITS = 22


def bilinear(xp: Arrays, size: Array, new_size: Array) -> Array:
    """The weights of each old pixel in each new one, float64 [new_size, size], whole numbers."""
    return xp.call(_weights, size, new_size)


def _weights(xp: Arrays, size: Array, new_size: Array) -> Array:
    """Of a triangle that reaches one pixel far to each side."""
    scale = xp.real(size) / xp.real(new_size)
    stretch = xp.maximum(scale, xp.real(1))  # Of the triangle, in old pixels.
    centres = ((xp.arange(new_size) + 0.5) * scale)[:, None]
    indices = xp.arange(size)[None, :]
    first = xp.floor(xp.maximum(centres - stretch + 0.5, xp.real(0)))
    beyond = xp.floor(centres + stretch + 0.5)
    distances = (indices - centres + 0.5) * (1.0 / stretch)
    values = xp.maximum(1.0 - xp.abs(distances), xp.real(0))
    values *= xp.real((indices >= first) & (indices < beyond))
    weights = values / xp.sum(values, axis=1)[:, None]
    return xp.floor(weights * 2.0**_BITS + 0.5)


def along_rows(xp: Arrays, levels: Array, weights: Array) -> Array:
    """Resizes levels float64 [h, w] to [h, new width], rounded to whole numbers."""
    return _rounded(xp, levels @ xp.transpose(weights))


def along_columns(xp: Arrays, levels: Array, weights: Array) -> Array:
    """Resizes levels float64 [h, w] to [new height, w], rounded to whole numbers."""
    return _rounded(xp, weights @ levels)


def _rounded(xp: Arrays, sums: Array) -> Array:
    levels = xp.floor((sums + 2.0 ** (_BITS - 1)) / 2.0**_BITS)
    return xp.minimum(xp.maximum(levels, xp.real(0)), xp.real(255))
