"""Printed lines in a picture, as of ruled and squared paper, which are no part of a digit."""

from . import filters, parts
from .arrays import Array, Arrays

# Of the picture's width or height: a line comes from its border, and is as long. Few strokes are.
_LENGTH = 0.75
# Of the longer side: a line is thinner than most strokes.
_THICKNESS = 0.03
# Of the longer side: a line is straight in pieces of this length, to a pixel up or down. So it
# may be tilted by 3 degrees, as a page is that is photographed by hand.
_PIECE = 0.13


def removed(xp: Arrays, mask: Array, side: int) -> Array:
    """Removes straight thin lines across a picture, and leaves the strokes that cross them.

    Args:
      xp: the library that the array is of.
      mask: float64 [h, w], 1 where ink is, and 0.
      side: the longer of h and w.
    """
    for _ in range(2):  # First along the rows, then along the columns.
        mask = xp.transpose(xp.call(_removed, mask, side))
    return mask


def _removed(xp: Arrays, mask: Array, side: int) -> Array:
    piece, thickness = int(_PIECE * side) | 1, int(_THICKNESS * side)
    high = filters.dilated(xp, mask, 3, 1)
    flat = filters.dilated(xp, filters.eroded(xp, high, 1, piece), 1, piece) * mask
    numbers = parts.labels(xp, flat)
    every = parts.measured(xp, numbers, flat, flat)
    length, end = every.right - every.left, xp.real(xp.size(flat, 1))
    is_line = (length >= _LENGTH * end) & ((every.left < 1) | (every.right >= end))
    is_line &= every.area > 0
    thick = filters.dilated(xp, filters.eroded(xp, mask, thickness + 2, 1), thickness + 2, 1)
    line = xp.take(xp.real(is_line), numbers) * flat * (1 - thick)
    rest = mask - line
    reach = 2 * thickness + 1
    crossed = filters.eroded(xp, filters.dilated(xp, rest, reach, 1), reach, 1)
    return xp.maximum(rest, line * crossed)
