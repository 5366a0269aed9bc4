"""Numbers of a table or an array to the pixels of images."""

import numpy as np

from ...base.errors import DataError


def scale_of(values: np.ndarray) -> int:
    """255 where pixels are fractions from 0 to 1 (or 0 and 1), else 1."""
    return 255 if values.size and 0 < np.nanmax(values) <= 1 else 1


def as_pixels(values: np.ndarray, scale: int) -> np.ndarray:
    """Numbers of any type and shape to uint8.

    Raises:
      DataError: one of them is no pixel; says which.
    """
    if values.dtype == np.uint8 and scale == 1:
        return np.asarray(values)
    scaled = values.astype(np.float64) * scale
    fits = (scaled >= 0) & (scaled <= 255)
    if scale == 1:
        fits &= scaled == np.floor(scaled)
    if not fits.all():
        index = int(np.flatnonzero(~fits)[0])
        expected = "a whole number from 0 to 255" if scale == 1 else "from 0 to 1, as others are"
        raise DataError(f"pixel {index} is {values.reshape(-1)[index]:g}, expected {expected}")
    return np.rint(scaled).astype(np.uint8)
