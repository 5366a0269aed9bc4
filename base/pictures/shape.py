"""A digit's ink to an image as MNIST's: its aspect, the width of its strokes, its place.

MNIST's digits fit a box of 20x20 pixels and have their centre of mass at the
centre of the 28x28 image (Y. LeCun, C. Cortes, C. Burges, "The MNIST database
of handwritten digits", http://yann.lecun.com/exdb/mnist/).
"""

from . import filters
from .arrays import Array, Arrays

# Shares of the image's side, from MNIST's 20 of 28.
_BOX_SHARE = 20 / 28
# Strokes are made wider and thinner in a digit of this size, in pixels of its longer side: a step
# of a pixel is a quarter of one in MNIST's box.
_SIDE = 80
# In shares of the height: strokes of 2.2 to 3 of 20 pixels, as those of most of MNIST's digits
# are, stay as they are; others become so.
_THINNEST, _THICKEST = 0.11, 0.15
# Steps by which strokes become wider or thinner at most: from 0 to 5.4 of 20 pixels.
_STEPS = 6
# From 1 to 99 % of MNIST's digits have widths from this to this share of the height, but ones.
_NARROW, _WIDE = 0.5, 1.25
# A one is straight: its ink lies this near to a line, as a standard deviation, in shares of the
# height; what an even stroke has by its width does not count.
_STRAIGHT = 0.035
# No digit of MNIST has strokes as long, in longer sides of its box, or more holes. A scribble has.
# Of 10,000 digits 44 have as many holes, nearly all an 8; 3 of them with strokes as long as this.
_LONGEST, _MOST_HOLES, _LONGEST_WITH_THEM = 3.8, 3, 2.75


def stroke_width(xp: Arrays, ink: Array) -> Array:
    """Area by half the outline: the total variation is the outline's, also where ink is blurred.

    Args:
      ink: [h, w], whole numbers 0 to 255.
    """
    wide = xp.framed(ink, (1, 1), 0.0)
    across, down = wide[:-1, 1:] - wide[:-1, :-1], wide[1:, :-1] - wide[:-1, :-1]
    # Rounded, to add up to the same in any order.
    variation = xp.sum(xp.rint(16.0 * xp.sqrt(across * across + down * down))) / 16.0
    return 2.0 * xp.sum(ink) / xp.maximum(variation, xp.real(1))


def as_mnist(xp: Arrays, ink: Array, several: Array, height: int, width: int) -> Array:
    """Brings ink to an image as MNIST's.

    Args:
      ink: float64 [h, w], whole numbers 0 to 255, cut to what is drawn.
      several: 1 if it is of several digits, and 0. Then it keeps its form, and fills the image in
        strokes half as wide, so that the gaps between the digits stay.
      height, width: of the result.

    Returns:
      float64 [height, width]; all black where the strokes are too long for a digit.
    """
    tall, wide = xp.real(xp.size(ink, 0)), xp.real(xp.size(ink, 1))
    own = wide / tall
    is_narrow = (own < _NARROW) & (_bend(xp, ink) > _STRAIGHT)
    aspect = xp.where(is_narrow, xp.real(_NARROW), xp.minimum(own, xp.real(_WIDE)))
    aspect = xp.where(several > 0, own, aspect)
    size = [
        xp.integer(xp.maximum(xp.rint(_SIDE * share), xp.real(1)))
        for share in (xp.minimum(1 / aspect, xp.real(1)), xp.minimum(aspect, xp.real(1)))
    ]
    ink = filters.resized(xp, ink, (size[0], size[1]))
    stroke = stroke_width(xp, ink)
    length = xp.sum(ink) / 255.0 / xp.maximum(stroke, xp.real(1))
    holes = _holes(xp, xp.real(ink >= 128)) * (1 - several)
    longest = xp.where(holes < _MOST_HOLES, xp.real(_LONGEST), xp.real(_LONGEST_WITH_THEM))
    is_digit = (length <= longest * _SIDE) & (holes <= _MOST_HOLES)
    ink *= xp.real(is_digit)
    high = xp.real(size[0])
    target = xp.minimum(xp.maximum(stroke, _THINNEST * high), _THICKEST * high)
    by = (xp.where(several > 0, stroke / 2, target) - stroke) / 2.0
    ink = cut(xp, _wider(xp, xp.framed(ink, (_STEPS, _STEPS), 0.0), by))
    share = xp.where(several > 0, xp.real(1), xp.real(_BOX_SHARE))
    return _centred(xp, ink, height, width, share)


def _holes(xp: Arrays, mask: Array) -> Array:
    """Holes in a mask [h, w] of 0 and 1, less the other parts than one that it has.

    S. Gray, "Local properties of binary images in two dimensions", IEEE Transactions on Computers
    20, 1971: from how many squares of 2x2 pixels have one pixel set, three, or two across.
    """
    wide = xp.framed(mask, (1, 1), 0.0)
    one, two, three, four = wide[:-1, :-1], wide[:-1, 1:], wide[1:, :-1], wide[1:, 1:]
    number = one + two + three + four
    across = xp.real((number > 1) & (number < 3) & (xp.abs(one - four) < 1))
    signs = xp.real(number > 0) * xp.real(number < 2) - xp.real((number > 2) & (number < 4))
    return 1.0 - (xp.sum(signs) - 2.0 * xp.sum(across)) / 4.0


def _bend(xp: Arrays, ink: Array) -> Array:
    """How far strokes lie from a line through them, as a standard deviation, in heights."""
    weight = xp.maximum(xp.sum(ink), xp.real(1))
    rows, columns = xp.arange(xp.size(ink, 0))[:, None], xp.arange(xp.size(ink, 1))[None, :]
    row, column = xp.sum(ink * rows) / weight, xp.sum(ink * columns) / weight
    down = xp.sum(ink * rows * rows) / weight - row * row
    across = xp.sum(ink * columns * columns) / weight - column * column
    both = xp.sum(ink * rows * columns) / weight - row * column
    mean, half = (down + across) / 2.0, (down - across) / 2.0
    least = mean - xp.sqrt(half * half + both * both)
    stroke = stroke_width(xp, ink)
    least = xp.maximum(least - stroke * stroke / 12.0, xp.real(0))
    return xp.sqrt(least) / xp.real(xp.size(ink, 0))


def _wider(xp: Arrays, ink: Array, by: Array) -> Array:
    """Moves the outline of ink outwards by so many pixels, or inwards."""
    sign = xp.where(by < 0, xp.real(-1), xp.real(1))
    ink, by = sign * ink, xp.abs(by)
    for step in range(_STEPS):
        if step % 2:  # With every other one, an octagon.
            around = filters.dilated(xp, ink, 3, 3)
        else:
            around = xp.maximum(filters.dilated(xp, ink, 3, 1), filters.dilated(xp, ink, 1, 3))
        share = xp.minimum(xp.maximum(by - step, xp.real(0)), xp.real(1))
        ink = xp.rint(ink + share * (around - ink))
    return sign * ink


def cut(xp: Arrays, ink: Array) -> Array:
    """The box around what is more than 0; all, where nothing is."""
    top, bottom = _span(xp, xp.sum(ink, axis=1))
    left, right = _span(xp, xp.sum(ink, axis=0))
    return ink[top:bottom, left:right]


def _span(xp: Arrays, profile: Array) -> tuple[Array, Array]:
    """The first index with ink and the one after the last; all, where there is no ink."""
    count, indices = xp.real(xp.size(profile, 0)), xp.arange(xp.size(profile, 0))
    first = count - xp.max(xp.where(profile > 0, count - indices, xp.real(0)))
    last = xp.max(xp.where(profile > 0, indices + 1.0, xp.real(0)))
    is_blank = last < 1
    return (
        xp.integer(xp.where(is_blank, xp.real(0), first)),
        xp.integer(xp.where(is_blank, count, last)),
    )


def _centred(xp: Arrays, ink: Array, height: int, width: int, share: Array) -> Array:
    """Scales ink [h, w] into a box of this share and puts its centre of mass at the centre."""
    size = xp.real(xp.size(ink, 0)), xp.real(xp.size(ink, 1))
    scale = xp.minimum(height * share / size[0], width * share / size[1])
    rows, columns = (xp.integer(xp.maximum(xp.rint(length * scale), xp.real(1))) for length in size)
    box = filters.resized(xp, ink, (rows, columns))
    weight = xp.maximum(xp.sum(box), xp.real(1))
    # Measured on MNIST: the mean centre of mass is at pixel (14.0, 14.0), not at 13.5,
    # the middle; half a pixel costs a third of a percent of accuracy.
    before = []
    for axis, length in ((0, height), (1, width)):
        count = xp.size(box, axis)
        centre = xp.sum(xp.sum(box, axis=1 - axis) * xp.arange(count)) / weight
        start = xp.rint(length / 2 - centre)
        latest = length - xp.real(count)
        before.append(xp.integer(xp.minimum(xp.maximum(start, xp.real(0)), latest)))
    return xp.margins(box, before, (height, width))
