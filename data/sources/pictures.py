"""Picture files to raw pixels of one size, by Pillow."""

import dataclasses
from pathlib import Path

import numpy as np
import PIL.Image

from ...base import picture_file

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")

# The EXIF tag of the orientation; from 5 on, height and width are exchanged.
_ORIENTATION, _FIRST_TURNED = 0x0112, 5


@dataclasses.dataclass(frozen=True)
class Header:
    """What a picture's header says, as it will be seen.

    Attributes:
      size: (height, width).
      colour: whether it may hold other colours than grey.
    """

    size: tuple[int, int]
    colour: bool


def header(path: Path) -> Header:
    """Reads a picture's header alone.

    Raises:
      DataError: it is missing, or no picture.
    """
    try:
        with PIL.Image.open(path) as opened:
            width, height = opened.size
            if opened.getexif().get(_ORIENTATION, 1) >= _FIRST_TURNED:
                width, height = height, width
            return Header((height, width), _may_be_colour(opened))
    except Exception as error:  # Each of Pillow's formats raises its own.
        raise picture_file.unreadable(path, error) from None


def decode(path: Path, shape: tuple[int, int, int], content: bytes | None = None) -> np.ndarray:
    """Decodes a picture, the first frame of an animation, turned as EXIF says.

    What is transparent becomes white. Another size is resized, with all pixels
    taken into account; the aspect is not kept.

    Args:
      path: of a PNG, JPEG, BMP or GIF file.
      shape: (height, width, channels) to give it; 1 or 3 channels.
      content: of the file, where `path` is but its name.

    Returns:
      uint8 of that shape.

    Raises:
      DataError: it is missing, no picture, or damaged.
    """
    height, width, channels = shape
    picture = picture_file.read(path, "L" if channels == 1 else "RGB", content=content)
    if picture.size != (width, height):
        picture = picture.resize((width, height), PIL.Image.Resampling.BILINEAR)
    return np.asarray(picture).reshape(shape)


def _may_be_colour(opened: PIL.Image.Image) -> bool:
    if opened.mode == "P":
        palette = np.array(opened.getpalette("RGB") or [0, 0, 0]).reshape(-1, 3)
        return bool((palette != palette[:, :1]).any())
    return not (opened.mode in ("1", "L", "LA", "F") or opened.mode.startswith("I"))
