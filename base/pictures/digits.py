"""A digit in a picture to an image as MNIST's are: light on black, 28x28, centred.

MNIST's digits fit a box of 20x20 pixels and have their centre of mass at the
centre of the 28x28 image (Y. LeCun, C. Cortes, C. Burges, "The MNIST database
of handwritten digits", http://yann.lecun.com/exdb/mnist/). Pictures are
photographed or drawn: dark on light or light on dark, on paper that is grey,
unevenly lit and noisy.

The same code runs in NumPy and in a SavedModel's graph (`arrays.py`). So no line may depend on
a value by `if`, and what is summed is whole numbers: in float64 both come to the same bits.

Step by step: the paper is told from what is drawn on it (`paper.py`), printed lines are removed
(`lines.py`), the digit is chosen among what is left (`parts.py`), and brought to MNIST's form
(`shape.py`).

The constants were chosen on the part `develop` of benchmarks/digits.py.
"""

from . import filters, lines, paper, parts, shape
from .arrays import Array, Arrays

# Pictures are worked on at this size, in pixels of the longer side, and smoothed by so many pixels,
# against noise.
WORK_SIDE = 256
_SMOOTHING = 1.0
# Paler than this share of the ink, or than this many standard deviations of the paper's noise, is
# paper.
_INK_SHARE, _NOISE_SIGMAS = 0.35, 4.0
# Less contrast than this, of 255, is a blank picture.
_MIN_CONTRAST = 24


def light_on_dark(xp: Arrays, levels: Array) -> Array:
    """Makes the background black, as MNIST's is; inverts a picture that is dark on light.

    The background is the level of the picture's edge; what is drawn lies on the
    side of it that reaches further.

    Args:
      xp: the library that the array is of.
      levels: float64 [H, W], whole numbers 0 to 255.

    Returns:
      As `levels`; the same picture where the background was black already.
    """
    edge = xp.concatenate([levels[0], levels[-1], levels[:, 0], levels[:, -1]], axis=0)
    edge, count = xp.sort(edge), xp.size(edge, 0)
    ink = levels - (edge[(count - 1) // 2] + edge[count // 2]) / 2.0
    ink = xp.where(xp.max(-ink) > xp.max(ink), -ink, ink)
    return xp.maximum(xp.rint(ink), xp.real(0))


def work_size(xp: Arrays, height: Array, width: Array) -> tuple[Array, Array]:
    """The size that a picture is brought to, by Pillow's bilinear filter, before `find_digit`."""
    longer = xp.maximum(xp.real(height), xp.real(width))
    rows, columns = (
        xp.integer(xp.maximum(xp.rint(xp.real(side) * (WORK_SIDE / longer)), xp.real(1)))
        for side in (height, width)
    )
    return rows, columns


def find_digit(xp: Arrays, levels: Array, height: int, width: int) -> Array:
    """Cuts out, scales and centres the digit in a picture.

    Args:
      xp: the library that the array is of.
      levels: float64 [H, W], whole numbers 0 to 255, of `work_size`; light on dark or dark
        on light.
      height, width: of the result.

    Returns:
      float64 [height, width], whole numbers 0 to 255, light on black; all black if there is
      nothing that could be a digit.
    """
    ink = paper.lift(xp, filters.blurred(xp, levels, _SMOOTHING), WORK_SIDE)
    full = _contrast(xp, ink.inner)
    least = xp.maximum(_INK_SHARE * full, _NOISE_SIGMAS * ink.noise)
    mask = xp.real((ink.levels >= least) & (full >= _MIN_CONTRAST))
    coarse = lines.removed(xp, parts.coarse(xp, mask), WORK_SIDE // 2)
    numbers = parts.labels(xp, coarse)
    drawn = ink.levels * mask
    inner = parts.coarse(xp, ink.inner * xp.real(ink.inner >= least))
    every = parts.measured(xp, numbers, parts.coarse(xp, drawn), inner)
    chosen = parts.of_digit(xp, every, (xp.size(coarse, 0), xp.size(coarse, 1)))
    digit = shape.cut(xp, drawn * parts.fine(xp, xp.take(chosen, numbers), drawn))
    full = xp.maximum(_contrast(xp, digit), xp.real(1))
    digit = xp.rint(xp.minimum(digit / full, xp.real(1)) * 255.0)
    several = parts.are_several(xp, every, chosen)
    return shape.as_mnist(xp, digit, several, height, width)


def _contrast(xp: Arrays, levels: Array) -> Array:
    """The median of what is more than half of the strongest level."""
    is_strong = xp.real(levels > xp.max(levels) / 2.0)
    return filters.quantile(xp, levels, 0.5, is_strong)
