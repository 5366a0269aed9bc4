"""Filters of levels in a picture, for the digit finder: blur, morphology, resizing, histogram."""

import functools
import itertools
import math

from . import resample
from .arrays import Array, Arrays

# Lower than any level, for what lies outside of a picture.
_OUTSIDE = -1024
# Levels are from -LEVELS to LEVELS.
LEVELS = 255


def resized(xp: Arrays, levels: Array, size: tuple[Array, Array]) -> Array:
    """Levels float64 [h, w], whole numbers 0 to 255, in another size (height, width)."""
    narrow = resample.along_rows(xp, levels, resample.bilinear(xp, xp.size(levels, 1), size[1]))
    return resample.along_columns(xp, narrow, resample.bilinear(xp, xp.size(levels, 0), size[0]))


def blurred(xp: Arrays, levels: Array, sigma: float) -> Array:
    """A Gaussian blur, rounded to whole numbers after each axis."""
    up_to = _gaussian(sigma)
    levels = xp.rint(_band(xp, xp.size(levels, 0), up_to) @ levels / up_to[-1])
    return xp.rint(levels @ xp.transpose(_band(xp, xp.size(levels, 1), up_to)) / up_to[-1])


def _band(xp: Arrays, count: Array, up_to: tuple[float, ...]) -> Array:
    """A filter's weights of each old pixel in each new one, float64 [count, count].

    Beyond the ends, the outermost pixel is repeated: it has the weights of all that lies there.

    Args:
      up_to: the sum of the filter's weights before each of them, and of all.
    """
    reach = len(up_to) // 2 - 1
    pixels, bounds = xp.arange(count), xp.arange(count + 1)
    bounds = xp.where(bounds < 1, 0.0 * bounds - len(up_to), bounds)
    bounds = xp.where(bounds >= xp.real(count), bounds + len(up_to), bounds)
    steps = bounds[None, :] - pixels[:, None] + reach
    steps = xp.minimum(xp.maximum(steps, xp.real(0)), xp.real(len(up_to) - 1))
    sums = xp.take(up_to, steps)
    return sums[:, 1:] - sums[:, :-1]


@functools.cache
def _gaussian(sigma: float) -> tuple[float, ...]:
    """The sums of its weights from 0 on; the weights are whole numbers, which add up to 2^16."""
    reach = math.ceil(3 * sigma)
    values = [math.exp(-((step / sigma) ** 2) / 2) for step in range(-reach, reach + 1)]
    weights = [float(round(value / sum(values) * 2**16)) for value in values]
    weights[reach] += 2**16 - sum(weights)
    return tuple(itertools.accumulate(weights, initial=0.0))


def dilated(xp: Arrays, levels: Array, rows: int, columns: int) -> Array:
    """The largest level [h, w] of the picture in a rectangle, of odd sides, around each pixel."""
    return xp.call(_dilated, levels, rows, columns)


def _dilated(xp: Arrays, levels: Array, rows: int, columns: int) -> Array:
    wide = xp.framed(xp.compact(levels), (rows // 2, columns // 2), _OUTSIDE)
    return xp.real(xp.largest(wide, rows, columns))


def eroded(xp: Arrays, levels: Array, rows: int, columns: int) -> Array:
    """The smallest level, as `dilated`."""
    return -dilated(xp, -levels, rows, columns)


def closed(xp: Arrays, levels: Array, extent: int, across: bool) -> Array:
    """Fills what is darker than all around it and holds no square of `extent` pixels.

    Args:
      levels: [h, w].
      extent: odd.
      across: whether a square may lie across the border, so that what is dark there is not filled;
        else all of it lies in the picture.
    """
    return xp.call(_closed, levels, extent, across)


def _closed(xp: Arrays, levels: Array, extent: int, across: bool) -> Array:
    reach, height, width = extent // 2, xp.size(levels, 0), xp.size(levels, 1)
    if across:
        largest = dilated(xp, xp.framed(levels, (reach, reach), _OUTSIDE), extent, extent)
        filled = eroded(xp, largest, extent, extent)
        return filled[reach : reach + height, reach : reach + width]
    rows, columns = (xp.least(reach, (side - 1) // 2) for side in (height, width))
    largest = dilated(xp, levels, extent, extent)[rows : height - rows, columns : width - columns]
    return eroded(xp, xp.framed(largest, (rows, columns), -_OUTSIDE), extent, extent)


def quantile(xp: Arrays, levels: Array, share: float, weights: Array) -> Array:
    """The least level that this share does not exceed.

    Args:
      levels: whole numbers -255 to 255.
      weights: of each, whole numbers.
    """
    indices = xp.arange(2 * LEVELS + 1)
    counts = xp.cumsum(xp.sums(xp.ravel(levels) + LEVELS, xp.ravel(weights), 2 * LEVELS + 1))
    beyond = xp.where(counts >= share * counts[-1], 2 * LEVELS + 1 - indices, 0.0 * indices)
    return LEVELS + 1 - xp.max(beyond)
