"""A picture file of any size to the raw pixels that a model takes."""

from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps

from ..base.errors import DataError, first_line
from . import digit

_DIGITS = tuple("0123456789")


def load(path: Path, image_shape: tuple[int, int, int], labels: tuple[str, ...]) -> np.ndarray:
    """Reads a picture as a model's input.

    A picture of the model's own size is taken pixel by pixel. A digit drawn
    dark on light is inverted, and one in a picture of another size is cut out,
    centred and scaled as MNIST was. Anything else is resized.

    Args:
      path: PNG, JPEG, or what else Pillow reads; grey, colour or transparent.
      image_shape: (height, width, channels) of the model; 1 or 3 channels.
      labels: the model's; the treatment of digits is for models of the ten digits.

    Returns:
      uint8 [height, width, channels].

    Raises:
      DataError: it is missing, or no picture, or damaged.
    """
    height, width, channels = image_shape
    digits = channels == 1 and (labels == _DIGITS or not labels)
    picture = _read(path, "L" if channels == 1 else "RGB", light=not digits)
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


def _read(path: Path, mode: str, light: bool) -> PIL.Image.Image:
    """Decodes a picture; what is transparent becomes paper.

    The paper is white, unless what is drawn on it is light itself.
    """
    try:
        with PIL.Image.open(path) as opened:
            picture = PIL.ImageOps.exif_transpose(opened)
            if picture.mode.startswith("I") or picture.mode == "F":
                picture = _to_8_bits(picture)
            if "A" in picture.getbands() or "transparency" in picture.info:
                picture = picture.convert("RGBA")
                grey = np.asarray(picture.convert("L"), np.float32)
                cover = np.asarray(picture.getchannel("A"), np.float32)
                drawn = (grey * cover).sum() / max(cover.sum(), 1)
                dark_paper = not light and drawn > 127
                paper = PIL.Image.new("RGBA", picture.size, "black" if dark_paper else "white")
                picture = PIL.Image.alpha_composite(paper, picture)
            return picture.convert(mode)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise DataError(f"{path}: a folder, not a picture") from None
    except PIL.UnidentifiedImageError:
        raise DataError(f"{path}: not a picture (or of a kind that is not known)") from None
    except PIL.Image.DecompressionBombError:
        raise DataError(f"{path}: too large a picture; scale it down first") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a picture: {first_line(error)}") from None


def _to_8_bits(picture: PIL.Image.Image) -> PIL.Image.Image:
    """16-bit and float pictures; Pillow's own conversion clips them."""
    values = np.asarray(picture, np.float32)
    full = max(float(values.max()), 1.0)
    if picture.mode.startswith("I"):  # The camera's or scanner's depth, by what is used of it.
        full = next(2.0**bits - 1 for bits in (8, 10, 12, 16, 32) if full < 2**bits)
    return PIL.Image.fromarray(np.clip(values * (255.0 / full), 0, 255).astype(np.uint8))
