"""Numbers to pixels: which scale they are on, decided once for a whole file, and said.

Pixels are from 0 to 255. Where no image has one over 1, they are fractions (or 0 and 1, or false
and true) and are multiplied by 255. Fractions beyond 1, as averages have them, are rounded.
"""

import dataclasses
import math
from collections.abc import Iterable

import numpy as np

from .. import progress
from ..errors import DataError

# A white that is darker than this is worth a word.
_DARK = 32
# Numbers that are looked at at once.
_BLOCK = 1 << 22


@dataclasses.dataclass(frozen=True)
class Seen:
    """What the pixels of some images show.

    Attributes:
      dim: the images that have no pixel over 1, though some over 0.
      fine: the dim ones that have fractions.
      bright: those that have one over 1.
      outside: those that have one below 0 or over 255.
      fractions: the bright ones that have fractions.
      low, high: of all pixels.
    """

    dim: int = 0
    fine: int = 0
    bright: int = 0
    outside: int = 0
    fractions: int = 0
    low: float = math.inf
    high: float = -math.inf

    def __add__(self, other: "Seen") -> "Seen":
        return Seen(
            self.dim + other.dim,
            self.fine + other.fine,
            self.bright + other.bright,
            self.outside + other.outside,
            self.fractions + other.fractions,
            min(self.low, other.low),
            max(self.high, other.high),
        )

    @property
    def is_clear(self) -> bool:
        """Whether most images are bright: others like them will not change the scale."""
        return self.bright > self.dim + self.outside


def look(images: np.ndarray) -> Seen:
    """Looks at images [N, …] of any type of numbers; those with NaN count for nothing."""
    if not images.size:  # Rows of no length have no number of pixels.
        return Seen()
    values = images.reshape(len(images), -1)
    step = max(1, _BLOCK // max(1, values.shape[1]))
    parts = (_look(values[start : start + step]) for start in range(0, len(values), step))
    with np.errstate(over="ignore", invalid="ignore"):  # Of NaN, and of 16 bytes to 8.
        return sum(parts, Seen())


def _look(values: np.ndarray) -> Seen:
    lows, peaks = (ends.astype(np.float64) for ends in (values.min(axis=1), values.max(axis=1)))
    outside = (lows < 0) | (peaks > 255)
    bright = (peaks > 1) & ~outside
    dim = (peaks > 0) & (peaks <= 1) & ~outside
    return Seen(
        int(dim.sum()),
        _with_fractions(values[dim]),
        int(bright.sum()),
        int(outside.sum()),
        _with_fractions(values[bright]),
        float(np.fmin.reduce(lows, initial=math.inf)),
        float(np.fmax.reduce(peaks, initial=-math.inf)),
    )


def _with_fractions(values: np.ndarray) -> int:
    return 0 if values.dtype.kind != "f" else int((values % 1 != 0).any(axis=1).sum())


def scale_of(seen: Seen, name: object, usual: int = 0) -> int:
    """What pixels are multiplied by, 1 or 255; says what is not plain.

    Args:
      seen: in the images of a file.
      name: of the file, for messages.
      usual: of the model's training images; decides where 1 may be white or nearly black. 0: it is
        not known.

    Raises:
      DataError: most images have pixels below 0 or over 255.
    """
    if seen.outside > seen.dim + seen.bright:
        raise DataError(
            f"{name}: expected pixels from 0 to 255, or from 0 to 1, got {seen.low:g} to "
            f"{seen.high:g}"
        )
    if seen.dim > seen.bright and not seen.fine and usual == 1:
        progress.say(
            f"{name}: pixels are all 0 or 1; taken to be of 255, as the model's training images"
        )
        return 1
    if seen.dim > seen.bright:
        progress.say(f"{name}: pixels from 0 to 1, multiplied by 255")
        return 255
    if seen.fractions or seen.fine:
        progress.say(f"{name}: pixels with fractions are rounded to whole numbers")
    if seen.bright and seen.high < _DARK:
        progress.say(
            f"{name}: the brightest pixel is {seen.high:g} of 255, so the images are nearly black; "
            "if that is white, multiply them"
        )
    return 1


def common_scale(parts: Iterable[tuple[str, Seen]], name: object) -> int:
    """As `scale_of`, of what was seen in several arrays or files, by their names.

    Raises:
      DataError: they are on different scales.
    """
    by_part: dict[str, Seen] = {}
    for part, seen in parts:
        by_part[part] = by_part.get(part, Seen()) + seen
    total = sum(by_part.values(), Seen())
    dim = [part for part, seen in by_part.items() if seen.dim > seen.bright + seen.outside]
    bright = [part for part, seen in by_part.items() if seen.is_clear]
    if dim and bright:
        differ = (
            f"{name}: pixels of {dim[0]} are from 0 to 1, those of {bright[0]} from 0 to "
            f"{by_part[bright[0]].high:g}"
        )
        if total.dim > total.bright or any(by_part[part].fine for part in dim):
            raise DataError(f"{differ}: bring all to one scale")
        progress.say(f"{differ}: taken as they are, so that the former are nearly black")
    return scale_of(total, name)


def are_pixels(images: np.ndarray, scale: int) -> np.ndarray:
    """Whether numbers are pixels on the scale, bool of the same shape; NaN is none."""
    return (images >= 0) & (images <= 255 // scale)


def expected(scale: int) -> str:
    """What a pixel is, in words."""
    return "a number from 0 to 255" if scale == 1 else "a number from 0 to 1, as in most images"


def levels(images: np.ndarray, scale: int) -> np.ndarray:
    """Numbers, all `are_pixels`, to uint8 of the same shape."""
    if images.dtype == np.uint8 and scale == 1:
        return np.ascontiguousarray(images)
    if images.dtype.kind == "f":
        return np.rint(images * scale).astype(np.uint8)
    return images.astype(np.uint8) * np.uint8(scale)
