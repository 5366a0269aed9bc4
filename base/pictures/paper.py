"""What is drawn in a picture, apart from the paper that it is drawn on.

The paper is what a morphological closing (for dark ink) or opening (for light ink) leaves: it
keeps the edge of a shadow or of a desk sharp, and fills strokes, which are narrower than its
square (J. Serra, "Image Analysis and Mathematical Morphology", 1982).
"""

from typing import NamedTuple

from . import filters
from .arrays import Array, Arrays

# Of the longer side: strokes are narrower, of thick digits that fill the picture, too. In a larger
# square, the edge of a page and the digit on it are one.
_SQUARE_SHARE = 0.2
# Ink is lighter than its paper where without light ink at most this share of the paper's edges is
# left. What is as good as even, an empty page on a desk, counts as dark on light.
_LIGHT_SHARE = 0.95
# Darker paper reflects less of its light, but a camera's noise and a JPEG's do not shrink with
# it: as on paper of this level, of 255, at least.
_DARK_PAPER = 64.0
# At least this share of a picture is paper: a quantile tells the paper's level, and one of the
# deviations from it the noise. On blank paper with normal noise, the standard deviation is as many
# times it.
_PAPER_SHARE, _DEVIATION = 0.25, 2.5


class Ink(NamedTuple):
    """How much darker (or lighter) than the paper a picture is, float64 [H, W], 0 to 255.

    Attributes:
      levels: with the picture's border for a border of the paper.
      inner: the same, but that a dark area at the border, such as a desk's, is paper.
      noise: standard deviation of what lies on blank paper.
    """

    levels: Array
    inner: Array
    noise: Array


def lift(xp: Arrays, levels: Array, side: int) -> Ink:
    """Separates ink and paper.

    Args:
      xp: the library that the array is of.
      levels: float64 [H, W], whole numbers 0 to 255.
      side: the longer of H and W.
    """
    extent = int(_SQUARE_SHARE * side) // 2 * 2 + 1
    white, black = (filters.closed(xp, each, extent, True) for each in (levels, -levels))
    # Where strokes were filled, paper is even; where their holes were, it has the digit's shape.
    is_light = _LIGHT_SHARE * _variation(xp, white) > _variation(xp, black)
    sign = xp.where(is_light, xp.real(-1), xp.real(1))
    levels = sign * levels
    paper = xp.where(sign > 0, white, black)
    around = filters.closed(xp, levels, extent, False)
    inner = _difference(xp, paper, levels, sign)
    middle = _of_paper(xp, inner)
    noise = _DEVIATION * _of_paper(xp, xp.abs(inner - middle))
    zero = xp.real(0)
    return Ink(
        xp.maximum(_difference(xp, around, levels, sign) - middle, zero),
        xp.maximum(inner - middle, zero),
        noise,
    )


def _variation(xp: Arrays, levels: Array) -> Array:
    return xp.sum(xp.abs(levels[1:] - levels[:-1])) + xp.sum(xp.abs(levels[:, 1:] - levels[:, :-1]))


def _difference(xp: Arrays, paper: Array, levels: Array, sign: Array) -> Array:
    """By how much levels are lower; of dark ink in shares of the paper's light, of 255."""
    light = xp.where(sign > 0, xp.maximum(paper, xp.real(_DARK_PAPER)), 0.0 * paper + 255.0)
    return xp.rint((paper - levels) * (255.0 / light))


def _of_paper(xp: Arrays, levels: Array) -> Array:
    return filters.quantile(xp, levels, _PAPER_SHARE, 0.0 * levels + 1.0)
