"""Picture files to 8-bit grey or colour pixels: the same for training data and for predictions.

One way to turn a picture as EXIF says, to fill what is transparent, to scale 16 bits to 8, and
to resize.
"""

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL.Image
import PIL.ImageOps

from ..errors import DataError, first_line
from . import digits
from .arrays import NumPy
from .config import MOST_PIXELS, PictureConfig

# The formats that are read, as Pillow calls them: of pixels only. Others run a program
# (PostScript), or hold layers and vectors; a file of those is not opened, whatever its name is.
FORMATS = ("PNG", "JPEG", "BMP", "DIB", "GIF", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF")
# Files in a folder that are taken for pictures; their content may be of any of the formats.
SUFFIXES = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".bmp", ".dib", ".gif"),
    *(".webp", ".tif", ".tiff", ".pbm", ".pgm", ".ppm", ".pnm", ".jp2", ".j2k", ".avif"),
)

_KINDS = ", ".join(FORMATS)
# Pillow's own bound is twice as high, and its warning comes before the error here. What else it
# finds odd, it reads all the same, or raises an error too.
warnings.filterwarnings("ignore", category=PIL.Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module="PIL")

# The EXIF tag of the orientation; from 5 on, height and width are exchanged.
_ORIENTATION, _FIRST_TURNED = 0x0112, 5


class Header(NamedTuple):
    """What a picture's header says: (height, width), turned as EXIF says; whether it has colour."""

    size: tuple[int, int]
    colour: bool


def header(path: Path, content: bytes | None = None) -> Header:
    """Reads the header of a picture file, and nothing more; else as `read`."""
    with _opened(path, content) as picture:
        width, height = picture.size
        if picture.getexif().get(_ORIENTATION, 1) >= _FIRST_TURNED:
            width, height = height, width
        return Header((height, width), _may_be_colour(picture))


def load(path: Path, config: PictureConfig, content: bytes | None = None) -> np.ndarray:
    """Decodes a picture to an image of a dataset: the one way, for training and for predictions.

    Args:
      path: see `read`.
      config: what is done with it.
      content: see `read`.

    Returns:
      uint8 [height, width, channels].

    Raises:
      DataError: as `read`.
    """
    picture = read(path, _channels(config), content)
    with _errors_of(str(path)):
        return _made(picture, config)


def made(image: np.ndarray, config: PictureConfig, name: str) -> np.ndarray:
    """Pixels uint8 [H, W, 1 or 3] of a row or an array to an image, as `load`; `name` as below."""
    if image.shape == config.image_shape and not config.digits:
        return image
    picture = PIL.Image.fromarray(image if image.shape[2] == 3 else image[:, :, 0])
    with _errors_of(name):
        return _made(picture.convert("L" if _channels(config) == 1 else "RGB"), config)


def of_picture(picture: PIL.Image.Image, name: str, config: PictureConfig) -> np.ndarray:
    """An image, as `load` makes it of a file, of a picture that is open; `name` is for errors."""
    with _errors_of(name):
        return _made(_plain(picture, _channels(config)), config)


def _channels(config: PictureConfig) -> int:
    return 1 if config.digits else config.image_shape[2]


def _made(picture: PIL.Image.Image, config: PictureConfig) -> np.ndarray:
    height, width, channels = config.image_shape
    if config.digits:
        digit = find_digit(picture, height, width)
        return np.repeat(digit[:, :, np.newaxis], channels, axis=2)
    return np.asarray(fitted(picture, config.fit, height, width)).reshape(config.image_shape)


def find_digit(picture: PIL.Image.Image, height: int, width: int) -> np.ndarray:
    """The digit in a grey picture as MNIST's are, uint8 [height, width]; see `digits`.

    A picture of this size already is taken pixel by pixel.
    """
    if picture.size == (width, height):
        digit = digits.light_on_dark(NumPy(), np.asarray(picture, np.float64))
    else:
        work_height, work_width = digits.work_size(NumPy(), picture.height, picture.width)
        small = picture.resize((work_width, work_height), PIL.Image.Resampling.BILINEAR)
        digit = digits.find_digit(NumPy(), np.asarray(small, np.float64), height, width)
    return digit.astype(np.uint8)


def fitted(picture: PIL.Image.Image, fit: str, height: int, width: int) -> PIL.Image.Image:
    """A picture in mode L or RGB, resized to one size with all its pixels taken into account.

    Args:
      fit: as in `PictureConfig`.
    """
    if picture.size == (width, height):
        return picture
    bilinear = PIL.Image.Resampling.BILINEAR
    if fit == "stretch":
        return picture.resize((width, height), bilinear)
    scales = height / picture.height, width / picture.width
    scale = min(scales) if fit == "pad" else max(scales)
    inner_height = max(1, round(picture.height * scale))
    inner_width = max(1, round(picture.width * scale))
    if inner_height * inner_width > MOST_PIXELS:  # Cropped, of sides that differ that much.
        raise DataError(
            f"its {picture.width}x{picture.height} pixels become {inner_width}x{inner_height} "
            f"before they are cropped; expected at most {MOST_PIXELS:,}: crop it first"
        )
    inner = picture.resize((inner_width, inner_height), bilinear)
    result = PIL.Image.new(picture.mode, (width, height), _border_colour(picture))
    result.paste(inner, ((width - inner_width) // 2, (height - inner_height) // 2))
    return result


def _border_colour(picture: PIL.Image.Image) -> int | tuple[int, ...]:
    """The median of the outermost pixels, channel by channel."""
    pixels = np.asarray(picture)
    edges = (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1])
    border = np.sort(np.concatenate(edges), axis=0)
    middle = border[len(border) // 2]
    return int(middle) if middle.ndim == 0 else tuple(middle.tolist())


def read(path: Path, channels: int, content: bytes | None = None) -> PIL.Image.Image:
    """Decodes a picture, the first frame of an animation, turned as EXIF says.

    What is transparent becomes white, or black where what is drawn on it is light itself.

    Args:
      path: of a file of one of `FORMATS`, whatever its suffix.
      channels: 1 for grey, 3 for RGB.
      content: of the file, where `path` is only its name.

    Returns:
      The picture in Pillow's mode L or RGB. Of 16 bits the upper 8 count.

    Raises:
      DataError: it is missing, not a picture, or damaged.
    """
    with _opened(path, content) as picture:
        return _plain(picture, channels)


def _plain(picture: PIL.Image.Image, channels: int) -> PIL.Image.Image:
    """Turned as EXIF says, in mode L or RGB, on paper."""
    picture = PIL.ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        picture = _to_8_bits(picture)
    if picture.mode == "CMYK":
        picture = _without_inks(picture)
    if "A" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        paper = PIL.Image.new("RGBA", picture.size, _paper(picture))
        picture = PIL.Image.alpha_composite(paper, picture)
    return picture.convert("L" if channels == 1 else "RGB")


def _paper(picture: PIL.Image.Image) -> str:
    """What lies below a transparent picture: white, unless what is drawn on it is light itself."""
    grey, cover = np.asarray(picture.convert("L")), np.asarray(picture.getchannel("A"))
    # Without arrays of int64, which have eight times the picture's bytes.
    ink = np.einsum("ij,ij->", grey, cover, dtype=np.int64, casting="safe")
    return "black" if ink > 127 * max(cover.sum(dtype=np.int64), 1) else "white"


@contextlib.contextmanager
def _opened(path: Path, content: bytes | None) -> Iterator[PIL.Image.Image]:
    """A picture in the block; what Pillow or the system raises there is a `DataError`."""
    with _errors_of(str(path)):
        source = path if content is None else io.BytesIO(content)
        with PIL.Image.open(source, formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MOST_PIXELS:
                raise PIL.Image.DecompressionBombError(
                    f"its header states {width}x{height} pixels; expected at most {MOST_PIXELS:,}: "
                    "scale it down first"
                )
            yield picture


@contextlib.contextmanager
def _errors_of(name: str) -> Iterator[None]:
    """What Pillow or the system raises in the block becomes a `DataError`."""
    try:
        yield
    except Exception as error:  # Each of Pillow's formats raises its own.
        messages = {
            FileNotFoundError: "no such file",
            IsADirectoryError: "a folder, not a picture",
            PIL.UnidentifiedImageError: f"not a picture of a kind that is read: {_KINDS}",
            PIL.Image.DecompressionBombError: f"too large a picture: {first_line(error)}",
            PIL.Image.DecompressionBombWarning: f"too large a picture: {first_line(error)}",
            DataError: str(error),
        }
        message = messages.get(type(error), f"cannot be read as a picture: {first_line(error)}")
        raise DataError(f"{name}: {message}") from None


def _may_be_colour(opened: PIL.Image.Image) -> bool:
    if opened.mode == "P":
        palette = np.array(opened.getpalette("RGB") or [0, 0, 0]).reshape(-1, 3)
        return bool((palette != palette[:, :1]).any())
    return not (opened.mode in ("1", "L", "LA", "F") or opened.mode.startswith("I"))


def _to_8_bits(picture: PIL.Image.Image) -> PIL.Image.Image:
    """16-bit and float pictures; Pillow's own conversion clips them, TensorFlow's does this."""
    values = np.asarray(picture)
    if picture.mode.startswith("I"):
        levels = np.clip(values, 0, 0xFFFF).astype(np.uint16) >> 8
    else:
        if not np.isfinite(values).all():
            raise ValueError("it has pixels that are not numbers")
        levels = np.clip(values, 0, None) * (255.0 / max(float(values.max()), 1.0))
    return PIL.Image.fromarray(levels.astype(np.uint8))


def _without_inks(picture: PIL.Image.Image) -> PIL.Image.Image:
    """CMYK to RGB, rounded as TensorFlow's decoder does it."""
    paper = 255 - np.asarray(picture, np.uint16)
    return PIL.Image.fromarray((paper[:, :, :3] * paper[:, :, 3:] // 255).astype(np.uint8))
