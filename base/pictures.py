"""Picture files to 8-bit grey or colour pixels: the same for training data and for predictions."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps

from .errors import DataError, first_line


def white(picture: PIL.Image.Image) -> str:
    """The paper below what is transparent, whatever the picture."""
    del picture
    return "white"


def read(
    path: Path,
    mode: str,
    paper: Callable[[PIL.Image.Image], str] = white,
    content: bytes | None = None,
) -> PIL.Image.Image:
    """Decodes a picture, the first frame of an animation, turned as EXIF says.

    Args:
      path: of a PNG, JPEG, BMP or GIF file, or what else Pillow reads.
      mode: `L`, grey, or `RGB`.
      paper: from a picture with transparency (RGBA) to the colour below it.
      content: of the file, where `path` is but its name.

    Returns:
      The picture in that mode. 16 bits are scaled to 8 by their full range, as
      TensorFlow's decoder does.

    Raises:
      DataError: it is missing, no picture, or damaged.
    """
    try:
        with PIL.Image.open(path if content is None else io.BytesIO(content)) as opened:
            picture = PIL.ImageOps.exif_transpose(opened)
            if picture.mode.startswith("I") or picture.mode == "F":
                picture = _to_8_bits(picture)
            if "A" in picture.getbands() or "transparency" in picture.info:
                picture = picture.convert("RGBA")
                below = PIL.Image.new("RGBA", picture.size, paper(picture))
                picture = PIL.Image.alpha_composite(below, picture)
            return picture.convert(mode)
    except Exception as error:  # Each of Pillow's formats raises its own.
        raise unreadable(path, error) from None


def _to_8_bits(picture: PIL.Image.Image) -> PIL.Image.Image:
    """16-bit and float pictures; Pillow's own conversion clips them."""
    values = np.asarray(picture, np.float32)
    full = 65535.0 if picture.mode.startswith("I") else max(float(values.max()), 1.0)
    return PIL.Image.fromarray(np.clip(values * (255.0 / full), 0, 255).astype(np.uint8))


def unreadable(path: Path, error: Exception) -> DataError:
    """Pillow's error, or the system's, in words."""
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path}: no such file")
    if isinstance(error, IsADirectoryError):
        return DataError(f"{path}: a folder, not a picture")
    if isinstance(error, PIL.UnidentifiedImageError):
        return DataError(f"{path}: not a picture, or of a kind that is not known")
    if isinstance(error, PIL.Image.DecompressionBombError):
        return DataError(f"{path}: too large a picture; scale it down first")
    return DataError(f"{path}: cannot be read as a picture: {first_line(error)}")
