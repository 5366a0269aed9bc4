"""Which of the inks in a picture are the digit, and which are lines, frames, specks or shadows.

Inks that do not touch each other are told apart by their size and place, at half the picture's
resolution: a gap of a pixel in a stroke is none.
"""

import math
from typing import NamedTuple

from . import filters
from .arrays import Array, Arrays

# Of the picture's longer side: a digit is larger, or illegible in the network's image.
_LEAST_EXTENT = 0.04
# A digit's strokes are longer than wide; a blot, as long as wide, comes to 2.
_LEAST_STROKE = 2.5
# What touches the picture's border counts for less: it is rather something that lies there.
_AT_BORDER = 0.25
# What lies in a frame, in shares of its extent and its ink. A dot in a printed 0 is smaller.
_IN_FRAME, _INK_IN_FRAME = 0.35, 0.05
# A further part of the digit is longer than its strokes are wide, and so no speck, and than a share
# of its extent; its ink is nearly as dark.
_PART_STROKE, _PART_EXTENT, _PART_CONTRAST = 2.0, 0.15, 0.6
# A part of this share of the digit's extent may lie anywhere, as a second digit. A smaller one is
# as near as this share, or so near to another part, and that to another, as often.
_LARGE_PART, _NEAR, _FRAGMENTS = 0.5, 0.25, 4
# Digits beside each other have this share of the ink and of the height, and of the narrower one's
# width, they share this at most. Chosen on MNIST: see serving/prediction/inks.py.
LEAST_INK, LEAST_HEIGHT, MOST_SHARED = 0.2, 0.6, 0.25


class Parts(NamedTuple):
    """Inks that do not touch each other; each array is float64 [N], 0 where there is none.

    Attributes:
      area: in pixels of the coarse picture, as all lengths are.
      ink: amount.
      inner: amount, without what is paper if it is seen from beyond the picture's border.
      top, bottom, left, right: of the box around each: first rows and columns, and those after
        the last.
      stroke: width of the strokes.
    """

    area: Array
    ink: Array
    inner: Array
    top: Array
    bottom: Array
    left: Array
    right: Array
    stroke: Array


def coarse(xp: Arrays, values: Array) -> Array:
    """The largest of each 2x2 values: [ceil(h / 2), ceil(w / 2)]."""
    height, width = xp.size(values, 0), xp.size(values, 1)
    whole = xp.margins(values, (0, 0), (height + height % 2, width + width % 2))
    rows = xp.maximum(whole[::2], whole[1::2])
    return xp.maximum(rows[:, ::2], rows[:, 1::2])


def fine(xp: Arrays, values: Array, like: Array) -> Array:
    """The reverse: each value 2x2 times, cut to the size of another array."""
    return xp.doubled(values)[: xp.size(like, 0), : xp.size(like, 1)]


def labels(xp: Arrays, mask: Array) -> Array:
    """A number, from 1 on, for pixels that touch each other, also at corners; 0 elsewhere.

    Args:
      mask: [h, w], 0 or 1.
    """
    return xp.call(_labels, mask)


def _labels(xp: Arrays, mask: Array) -> Array:
    width = xp.real(xp.size(mask, 1))
    rows, columns = xp.arange(xp.size(mask, 0)), xp.arange(xp.size(mask, 1))
    indices = rows[:, None] * width + columns[None, :] + 1

    def step(numbers: Array) -> Array:
        """Each pixel gets the largest number around it, and that of the pixel of this number."""
        numbers = filters.dilated(xp, numbers, 3, 3) * mask
        for _ in range(2):
            numbers = xp.take(xp.ravel(numbers), xp.maximum(numbers - 1, xp.real(0))) * mask
        return numbers

    return xp.settled(step, indices * mask)


def measured(xp: Arrays, numbers: Array, ink: Array, inner: Array) -> Parts:
    """Measures inks.

    Args:
      numbers: of `labels`, [h, w].
      ink, inner: what adds up to the attributes of that name, [h, w].
    """
    rows = 0.0 * numbers + xp.arange(xp.size(numbers, 0))[:, None]
    columns = 0.0 * numbers + xp.arange(xp.size(numbers, 1))[None, :]
    mask = xp.real(numbers > 0)
    wide = xp.framed(mask, (1, 1), 0.0)
    edges = 4 * mask - wide[:-2, 1:-1] - wide[2:, 1:-1] - wide[1:-1, :-2] - wide[1:-1, 2:]
    flat, count = xp.ravel(numbers), xp.size(numbers, 0) * xp.size(numbers, 1) + 1

    def total(values: Array) -> Array:
        return xp.sums(flat, xp.ravel(values * mask), count)

    def most(values: Array) -> Array:
        return xp.where(area > 0, xp.tops(flat, xp.ravel(values), count), 0.0 * area)

    area = total(mask)
    outline = math.pi / 4 * total(edges * mask)  # In all directions alike.
    return Parts(
        area,
        total(ink),
        total(inner),
        -most(-rows),
        most(rows + 1),
        -most(-columns),
        most(columns + 1),
        2 * area / xp.maximum(outline, xp.real(1)),
    )


def of_digit(xp: Arrays, parts: Parts, size: tuple[Array, Array]) -> Array:
    """Which of the inks are the digit's, or those of several digits: float64 [N], 0 or 1.

    Args:
      size: height and width of the coarse picture.
    """
    at_border = (parts.top < 1) | (parts.left < 1)
    at_border |= (parts.bottom >= xp.real(size[0])) | (parts.right >= xp.real(size[1]))
    main, is_any = _main(xp, parts, at_border, xp.real(xp.maximum(*size)))
    extent = _extent(xp, parts)
    whole, stroke = _of(xp, extent, main), _of(xp, parts.stroke, main)
    is_large = extent >= _LARGE_PART * whole
    contrast = parts.ink / xp.maximum(parts.area, xp.real(1))
    is_part = (extent >= _PART_STROKE * stroke) & (extent >= _PART_EXTENT * whole)
    is_part &= contrast >= _PART_CONTRAST * _of(xp, contrast, main)
    is_part &= parts.inner >= 0.5 * parts.ink
    is_part &= ~at_border | is_large | (_of(xp, xp.real(at_border), main) > 0)
    is_part &= ~_encloses(xp, parts, main, inwards=False)
    is_main = xp.arange(xp.size(extent, 0)) == main
    chosen = is_main
    for _ in range(_FRAGMENTS):
        is_near = _gap(xp, parts, chosen) <= _NEAR * whole
        chosen = is_main | (is_part & (is_large | is_near))
    return xp.real(chosen & is_any)


def _main(xp: Arrays, parts: Parts, at_border: Array, side: Array) -> tuple[Array, Array]:
    """The index of the ink that is the digit's largest; whether there is any."""
    extent = _extent(xp, parts)
    is_stroke = (extent >= _LEAST_EXTENT * side) & (extent >= _LEAST_STROKE * parts.stroke)
    score = parts.inner * xp.real(is_stroke & (parts.area > 0))
    score *= xp.where(at_border, 0.0 * score + _AT_BORDER, 0.0 * score + 1.0)
    main = _largest(xp, score)
    for _ in range(2):  # A frame in a frame.
        is_inside = _encloses(xp, parts, main, inwards=True)
        is_inside &= extent >= _IN_FRAME * _of(xp, extent, main)
        is_inside &= parts.ink >= _INK_IN_FRAME * _of(xp, parts.ink, main)
        inside = score * xp.real(is_inside)
        main = xp.where(xp.max(inside) > 0, _largest(xp, inside), main)
    return main, xp.max(score) > 0


def _gap(xp: Arrays, parts: Parts, chosen: Array) -> Array:
    """How far each ink is from the box around the chosen ones."""
    top, left = (_least(xp, values, chosen) for values in (parts.top, parts.left))
    bottom, right = (xp.max(values * xp.real(chosen)) for values in (parts.bottom, parts.right))
    return xp.maximum(
        xp.maximum(top - parts.bottom, parts.top - bottom),
        xp.maximum(left - parts.right, parts.left - right),
    )


def are_several(xp: Arrays, parts: Parts, chosen: Array) -> Array:
    """Whether the chosen inks are digits beside each other: 1 or 0."""
    present = chosen > 0
    whole = xp.max(parts.bottom * chosen) - _least(xp, parts.top, present)
    is_tall = present & (parts.bottom - parts.top >= LEAST_HEIGHT * whole)
    is_tall &= parts.ink >= LEAST_INK * xp.sum(parts.ink * chosen)
    # The one that ends first, and what begins after it.
    width = parts.right - parts.left
    end = _least(xp, parts.right, is_tall)
    shared = end - parts.left
    is_beside = is_tall & (parts.right > end)
    first = xp.max(xp.where(is_tall & (parts.right <= end), width, 0.0 * width))
    narrower = xp.minimum(width, first)
    return xp.max(xp.real(is_beside & (shared <= MOST_SHARED * narrower)))


def _least(xp: Arrays, values: Array, where: Array) -> Array:
    return -xp.max(xp.where(where, -values, 0.0 * values - xp.real(1e9)))


def _extent(xp: Arrays, parts: Parts) -> Array:
    return xp.maximum(parts.bottom - parts.top, parts.right - parts.left)


def _largest(xp: Arrays, values: Array) -> Array:
    """The index of the largest value, the last of them."""
    indices = xp.arange(xp.size(values, 0))
    return xp.max(xp.where(values >= xp.max(values), indices, 0.0 * indices))


def _of(xp: Arrays, values: Array, index: Array) -> Array:
    return values[xp.integer(index)]


def _encloses(xp: Arrays, parts: Parts, main: Array, inwards: bool) -> Array:
    """Whether the box of the main ink lies around those of the others, or they around it."""
    sign = 1.0 if inwards else -1.0
    top, bottom, left, right = (
        sign * (values - _of(xp, values, main))
        for values in (parts.top, parts.bottom, parts.left, parts.right)
    )
    return (top > 0) & (bottom < 0) & (left > 0) & (right < 0)
