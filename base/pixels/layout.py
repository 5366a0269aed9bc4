"""Arrays of images in any usual order of dimensions to [N, H, W, C]; what is inferred is said."""

import math

import numpy as np

from .. import progress
from ..errors import DataError

_CHANNELS = (1, 3)
# A flat image has at least this many pixels.
_FEWEST_PIXELS = 9


def upright(
    array: np.ndarray, name: str, count: int | None, shape: tuple[int, int, int] | None = None
) -> np.ndarray:
    """[N, H, W, C] of images in another order of dimensions, where only one is possible.

    Args:
      array: the images; bool, whole numbers or fractions.
      name: how they are called in messages.
      count: the number of labels; None where it is not known.
      shape: of an image, where that is known.

    Raises:
      DataError: these are no images; says what was expected and what came.
    """
    seen = array.shape
    if array.dtype.kind not in "iufb":
        raise DataError(f"{name}: expected numbers, got {array.dtype} {list(seen)}")
    order = ""
    if len(seen) == 2 and (flat := _flat_shape(seen[1], shape)):
        array = array.reshape(-1, *flat)
        order = f"rows of {seen[1]:,} pixels, taken as {'x'.join(map(str, flat))}"
        if flat[2] > 1:
            order += ", red, green, blue of each pixel in turn (if not: reshape to [N, 3, H, W])"
    elif len(seen) == 3 and seen[2] == count != seen[0]:
        array, order = np.moveaxis(array, 2, 0)[..., np.newaxis], "images last [H, W, N], moved"
    elif len(seen) == 3:
        array = array[..., np.newaxis]
    elif shape and seen[1:] == shape:
        pass
    elif _is_channels_first(seen, shape):
        array, order = np.moveaxis(array, 1, 3), "channels first [N, C, H, W], moved to the end"
    elif len(seen) == 4 and seen[3] == count != seen[0] and seen[2] in _CHANNELS:
        array, order = np.moveaxis(array, 3, 0), "images last [H, W, C, N], moved to the front"
    if array.ndim != 4 or array.shape[3] not in _CHANNELS or 0 in array.shape[1:]:
        raise DataError(
            f"{name}: expected images [N, H, W] or [N, H, W, C] with 1 or 3 channels, got "
            f"{array.dtype} {list(seen)}"
        )
    if order:
        progress.say(f"{name}: {list(seen)}: {order}")
    return array


def _is_channels_first(seen: tuple[int, ...], shape: tuple[int, int, int] | None) -> bool:
    if len(seen) != 4:
        return False
    is_known = shape is not None and seen[1:] == (shape[2], *shape[:2])
    return is_known or (seen[3] not in _CHANNELS and seen[1] in _CHANNELS)


def _flat_shape(pixels: int, shape: tuple[int, int, int] | None) -> tuple[int, int, int] | None:
    """The shape of an image with this many pixels: the known one, or a square."""
    if shape and math.prod(shape) == pixels:
        return shape
    for depth in _CHANNELS:
        side = math.isqrt(pixels // depth)
        if side * side * depth == pixels >= _FEWEST_PIXELS:
            return side, side, depth
    return None
