"""A picture file of any size to the raw pixels that a model takes."""

from pathlib import Path

import numpy as np
import PIL.Image

from ..base import pictures
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

    For a model of digits, a digit drawn dark on light is inverted, and one in a picture of
    another size than the model's is cut out, centred and scaled as MNIST was. For other
    models the picture becomes what training saw of it.

    Args:
      path: PNG, JPEG, or what else Pillow reads; grey, colour or transparent.
      image_shape: (height, width, channels) of the model; 1 or 3 channels.
      labels: the model's.
      content: of the file, where `path` is only its name.

    Returns:
      uint8 [height, width, channels].

    Raises:
      DataError: it is missing, not a picture, or damaged.
    """
    if not is_of_digits(image_shape, labels):
        return pictures.decode(path, image_shape, content)
    height, width, channels = image_shape
    pixels = np.asarray(pictures.read(path, channels, _paper, content))
    if pixels.shape == (height, width):
        return digit.light_on_dark(pixels).reshape(image_shape)
    return digit.find_digit(pixels, height, width).reshape(image_shape)


def _paper(picture: PIL.Image.Image) -> str:
    """What lies below a transparent picture: white, unless what is drawn on it is light itself."""
    grey = np.asarray(picture.convert("L"), np.float32)
    cover = np.asarray(picture.getchannel("A"), np.float32)
    return "black" if (grey * cover).sum() / max(cover.sum(), 1) > 127 else "white"
