"""Picture files to raw pixels of one size, by Pillow."""

import dataclasses
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps

from ..base.errors import DataError, first_line

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
        raise _unreadable(path, error) from None


def decode(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """Decodes a picture, the first frame of an animation, turned as EXIF says.

    What is transparent becomes white. Another size is resized, with all pixels
    taken into account; the aspect is not kept.

    Args:
      path: of a PNG, JPEG, BMP or GIF file.
      shape: (height, width, channels) to give it; 1 or 3 channels.

    Returns:
      uint8 of that shape.

    Raises:
      DataError: it is missing, no picture, or damaged.
    """
    height, width, channels = shape
    try:
        with PIL.Image.open(path) as opened:
            picture = PIL.ImageOps.exif_transpose(opened)
            if picture.mode.startswith("I") or picture.mode == "F":
                picture = _to_8_bits(picture)
            if "A" in picture.getbands() or "transparency" in picture.info:
                picture = picture.convert("RGBA")
                paper = PIL.Image.new("RGBA", picture.size, "white")
                picture = PIL.Image.alpha_composite(paper, picture)
            picture = picture.convert("L" if channels == 1 else "RGB")
            if picture.size != (width, height):
                picture = picture.resize((width, height), PIL.Image.Resampling.BILINEAR)
            return np.asarray(picture).reshape(shape)
    except Exception as error:  # Each of Pillow's formats raises its own.
        raise _unreadable(path, error) from None


def _may_be_colour(opened: PIL.Image.Image) -> bool:
    if opened.mode == "P":
        palette = np.array(opened.getpalette("RGB") or [0, 0, 0]).reshape(-1, 3)
        return bool((palette != palette[:, :1]).any())
    return not (opened.mode in ("1", "L", "LA", "F") or opened.mode.startswith("I"))


def _to_8_bits(picture: PIL.Image.Image) -> PIL.Image.Image:
    """16-bit and float pictures by their full scale; Pillow's own conversion clips them."""
    values = np.asarray(picture, np.float32)
    full = 65535.0 if picture.mode.startswith("I") else max(float(values.max()), 1.0)
    return PIL.Image.fromarray(np.clip(values * (255.0 / full), 0, 255).astype(np.uint8))


def _unreadable(path: Path, error: Exception) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path}: no such file")
    if isinstance(error, PIL.UnidentifiedImageError):
        return DataError(f"{path}: does not decode: not a picture, or of an unknown kind")
    return DataError(f"{path}: does not decode: {first_line(error)}")
