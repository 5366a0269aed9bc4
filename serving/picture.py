"""A picture file of any size to the raw pixels that a model takes.

Digits are centred and scaled as MNIST was made: the ink's bounding box is
scaled to fit 20x20 pixels, and its centre of mass is put at the centre of the
28x28 image (Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten
digits", http://yann.lecun.com/exdb/mnist/).
"""

from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps

from ..base.errors import DataError

# Shares of the image's side, from MNIST's 20 of 28.
_BOX_SHARE = 20 / 28
# Paler than this share of the darkest ink is paper, shadow or JPEG noise.
_INK_SHARE = 0.2
# Less contrast than this, of 255, is a blank picture.
_MIN_CONTRAST = 24
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
    pixels = np.asarray(picture)
    if digits:
        pixels = light_on_dark(pixels)
    if pixels.shape[:2] != (height, width):
        if digits:
            pixels = centre_digit(pixels, height, width)
        else:
            resized = PIL.Image.fromarray(pixels).resize(
                (width, height), PIL.Image.Resampling.BILINEAR
            )
            pixels = np.asarray(resized)
    return pixels.reshape(image_shape)


def light_on_dark(pixels: np.ndarray) -> np.ndarray:
    """Makes the background black, as MNIST's is; inverts a picture that is dark on light.

    The background is the level of the picture's edge; what is drawn lies on the
    side of it that reaches further.

    Args:
      pixels: uint8 [H, W].

    Returns:
      uint8 [H, W]; the same picture where the background was black already.
    """
    level = _border_level(pixels)
    ink = pixels.astype(np.float32) - level
    if -ink.min() > ink.max():
        ink = -ink
    return np.clip(np.rint(ink), 0, 255).astype(np.uint8)


def centre_digit(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Cuts out, scales and centres a digit as MNIST was made.

    Args:
      pixels: uint8 [H, W], light on black.
      height, width: of the result.

    Returns:
      uint8 [height, width].
    """
    if pixels.max() < _MIN_CONTRAST:
        return np.zeros((height, width), np.uint8)
    ink = pixels.astype(np.float32) / pixels.max()
    ink[ink < _INK_SHARE] = 0
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = min(height * _BOX_SHARE / cut.shape[0], width * _BOX_SHARE / cut.shape[1])
    size = (max(1, round(cut.shape[1] * scale)), max(1, round(cut.shape[0] * scale)))
    box = np.asarray(PIL.Image.fromarray(cut).resize(size, PIL.Image.Resampling.BILINEAR)) * 255
    weight = box.sum()
    centre_row = (box.sum(axis=1) * np.arange(box.shape[0])).sum() / weight
    centre_column = (box.sum(axis=0) * np.arange(box.shape[1])).sum() / weight
    # Measured on MNIST: the mean centre of mass is at pixel (14.0, 14.0), not at 13.5,
    # the middle; half a pixel costs a third of a percent of accuracy.
    top = int(np.clip(round(height / 2 - centre_row), 0, height - box.shape[0]))
    left = int(np.clip(round(width / 2 - centre_column), 0, width - box.shape[1]))
    result = np.zeros((height, width), np.uint8)
    result[top : top + box.shape[0], left : left + box.shape[1]] = np.clip(np.rint(box), 0, 255)
    return result


def _border_level(pixels: np.ndarray) -> float:
    """The background's grey level: the median along the picture's edge."""
    edge = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
    return float(np.median(np.concatenate(edge)))


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
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read as a picture: {error}") from None


def _to_8_bits(picture: PIL.Image.Image) -> PIL.Image.Image:
    """16-bit and float pictures; Pillow's own conversion clips them."""
    values = np.asarray(picture, np.float32)
    full = 65535.0 if picture.mode.startswith("I") else max(float(values.max()), 1.0)
    return PIL.Image.fromarray(np.clip(values * (255.0 / full), 0, 255).astype(np.uint8))
