"""A picture file of any size to the raw pixels that a model takes."""

from pathlib import Path

import numpy as np
import PIL.Image

from ..base import picture_file
from . import digit

_DIGITS = tuple("0123456789")


def is_of_digits(image_shape: tuple[int, int, int], labels: tuple[str, ...]) -> bool:
    """Whether a model's images are digits as MNIST's are: grey, and of the ten digits."""
    return image_shape[2] == 1 and (labels == _DIGITS or not labels)


def load(
    path: Path,
    image_shape: tuple[int, int, int],
    labels: tuple[str, ...],
    content: bytes | None = None,
) -> np.ndarray:
    """Reads a picture as a model's input.

    A picture of the model's own size is taken pixel by pixel. A digit drawn
    dark on light is inverted, and one in a picture of another size is cut out,
    centred and scaled as MNIST was. Anything else is resized.

    Args:
      path: PNG, JPEG, or what else Pillow reads; grey, colour or transparent.
      image_shape: (height, width, channels) of the model; 1 or 3 channels.
      labels: the model's; the treatment of digits is for models of the ten digits.
      content: of the file, where `path` is but its name.

    Returns:
      uint8 [height, width, channels].

    Raises:
      DataError: it is missing, or no picture, or damaged.
    """
    height, width, channels = image_shape
    digits = is_of_digits(image_shape, labels)
    mode = "L" if channels == 1 else "RGB"
    picture = picture_file.read(path, mode, _paper if digits else picture_file.white, content)
    same_size = picture.size == (width, height)
    if digits:
        pixels = np.asarray(picture)
        found = (
            digit.light_on_dark(pixels) if same_size else digit.find_digit(pixels, height, width)
        )
        return found.reshape(image_shape)
    if not same_size:
        picture = picture.resize((width, height), PIL.Image.Resampling.BILINEAR)
    return np.asarray(picture).reshape(image_shape)


def _paper(picture: PIL.Image.Image) -> str:
    """What lies below a transparent picture: white, unless what is drawn on it is light itself."""
    grey = np.asarray(picture.convert("L"), np.float32)
    cover = np.asarray(picture.getchannel("A"), np.float32)
    return "black" if (grey * cover).sum() / max(cover.sum(), 1) > 127 else "white"
