"""Arrays of images in any usual form to uint8 [N, H, W, C]; what is inferred is said."""

import math

import numpy as np

from ....base import progress
from ....base.errors import DataError

_CHANNELS = (1, 3)
# A flat image has at least this many pixels; a white that is darker than this is worth a word.
_FEWEST_PIXELS, _DARK = 9, 32


def images(array: np.ndarray, name: str, brightest: int, count: int) -> np.ndarray:
    """Uint8 [N, H, W, C] of whole numbers from 0 to 255, or from 0 to 1, or fractions of 1.

    Args:
      array: the images, in any usual order of dimensions; bool, whole numbers or fractions.
      name: how they are called in messages.
      brightest: the largest of all whole numbers in the file; 1: they are black and white.
      count: the number of labels.

    Raises:
      DataError: these are no images; says what was expected and what came.
    """
    if array.dtype.kind not in "iufb":
        raise DataError(f"{name}: expected numbers, got {array.dtype}")
    array = _upright(array, name, count)
    if array.dtype.kind == "b":
        array, brightest = array.astype(np.uint8), 1
    low, high = array.min(initial=0), array.max(initial=0)
    if not np.isfinite([low, high]).all():
        index = int(np.flatnonzero(~np.isfinite(array).all(axis=(1, 2, 3)))[0])
        raise DataError(f"{name}: the image at index {index:,} has pixels that are not numbers")
    if not (low >= 0 and high <= 255):
        raise DataError(
            f"{name}: expected pixels from 0 to 255, or from 0 to 1, got {low:g} to {high:g}"
        )
    is_float = array.dtype.kind == "f"
    if not is_float:
        array = array.astype(np.uint8)
    if high <= 1 if is_float else brightest == 1:
        progress.say(f"{name}: pixels from 0 to 1, multiplied by 255")
        array = array * np.uint8(255)
    elif max(high, brightest) < _DARK:
        progress.say(
            f"{name}: the brightest pixel is {max(high, brightest):g} of 255, so the images are "
            "nearly black; if that is white, multiply them"
        )
    return np.ascontiguousarray(np.rint(array) if is_float else array, np.uint8)


def _upright(array: np.ndarray, name: str, count: int) -> np.ndarray:
    """[N, H, W, C] of images in another order of dimensions, where only one is possible."""
    shape = array.shape
    order = ""
    if len(shape) == 2 and (flat := _flat_shape(shape[1])):
        array = array.reshape(-1, *flat)
        order = f"rows of {shape[1]:,} pixels, taken as {'x'.join(map(str, flat))}"
    elif len(shape) == 3:
        array = array[..., np.newaxis]
    elif len(shape) == 4 and shape[3] not in _CHANNELS and shape[1] in _CHANNELS:
        array, order = np.moveaxis(array, 1, 3), "channels first [N, C, H, W], moved to the end"
    elif len(shape) == 4 and shape[3] == count != shape[0] and shape[2] in _CHANNELS:
        array, order = np.moveaxis(array, 3, 0), "images last [H, W, C, N], moved to the front"
    if array.ndim != 4 or array.shape[3] not in _CHANNELS or 0 in array.shape[1:]:
        raise DataError(
            f"{name}: expected images [N, H, W] or [N, H, W, C] with 1 or 3 channels, got "
            f"{list(shape)}"
        )
    if order:
        progress.say(f"{name}: {list(shape)}: {order}")
    return array


def _flat_shape(pixels: int) -> tuple[int, int, int] | None:
    """The shape of a square image with this many pixels."""
    for depth in _CHANNELS:
        side = math.isqrt(pixels // depth)
        if side * side * depth == pixels >= _FEWEST_PIXELS:
            return side, side, depth
    return None
