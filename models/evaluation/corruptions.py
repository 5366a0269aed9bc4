"""Fifteen corruptions of images at five strengths, to measure how robust a model is.

The kinds are those of N. Mu, J. Gilmer, "MNIST-C: a robustness benchmark for computer vision",
arXiv 1906.02337, 2019, and of D. Hendrycks, T. Dietterich, "Benchmarking neural network robustness
to common corruptions and perturbations", ICLR 2019 (ImageNet-C). The code is our own, and so are
most amounts: lengths are shares of the image's shorter side, so that digits of 28 pixels and
pictures of any size are changed alike. Accuracies are to be compared with each other, not with
those of the articles.

What an image becomes is a pure function of (seed, corruption, strength, its index in the split).
"""

import dataclasses
import io
import math
import zlib
from collections.abc import Callable

import numpy as np
import PIL.Image

from ...base.tf import tf
from ...data.pipeline.augment import border_colour
from .draws import Draws
from .warps import blurred, mapped, shifted, side

STRENGTHS = (1, 2, 3, 4, 5)
# Grids of random numbers, by points a side, that together are fog; each is half as strong as the
# one before.
_FOG = (3, 5, 9, 17)
# Of a motion; on large images they are some pixels apart.
_MOST_STEPS = 24


@dataclasses.dataclass(frozen=True)
class Corruption:
    """A way in which images get worse.

    Attributes:
      change: from images float32 [N, H, W, C], 0 to 1, an amount and random numbers to such
        images; they may leave the range.
      amounts: by strength.
    """

    change: Callable[[np.ndarray, float, Draws], np.ndarray]
    amounts: tuple[float, float, float, float, float]


def corrupted(
    images: np.ndarray, name: str, strength: int, indices: np.ndarray, seed: int = 0
) -> np.ndarray:
    """Images as one of `CORRUPTIONS` leaves them.

    Args:
      images: uint8 [N, H, W, C].
      strength: 1 to 5.
      indices: int64 [N], of the images in their split.

    Returns:
      uint8 [N, H, W, C].
    """
    corruption, number = CORRUPTIONS[name], zlib.crc32(name.encode())
    draws = Draws([(seed, index, strength, number) for index in indices.tolist()])
    amount = corruption.amounts[strength - 1]
    changed = corruption.change(images.astype(np.float32) / 255, amount, draws)
    return np.rint(np.clip(changed, 0, 1) * 255).astype(np.uint8)


def _shot_noise(images: np.ndarray, amount: float, draws: Draws) -> np.ndarray:
    """Too little light: white is this many photons."""
    return draws.poisson(images * amount) / amount


def _gaussian_noise(images: np.ndarray, amount: float, draws: Draws) -> np.ndarray:
    return images + amount * draws.normal(*images.shape[1:])


def _impulse_noise(images: np.ndarray, amount: float, draws: Draws) -> np.ndarray:
    """A share of the pixels is black or white."""
    numbers = draws.uniform(*images.shape[1:])
    return np.where(numbers < amount, numbers < amount / 2, images)


def _gaussian_blur(images: np.ndarray, amount: float, _: Draws) -> np.ndarray:
    """The deviation is this share of the side."""
    return blurred(images, amount * side(images))


def _motion_blur(images: np.ndarray, amount: float, draws: Draws) -> np.ndarray:
    """The camera moves by this share of the side, in any direction."""
    length = amount * side(images)
    angles = np.pi * draws.uniform()
    steps = math.ceil(min(length, _MOST_STEPS)) + 1
    moved = (shifted(images, angles, step) for step in np.linspace(-length / 2, length / 2, steps))
    return sum(moved, np.zeros_like(images)) / steps


def _glass_blur(images: np.ndarray, amount: float, draws: Draws) -> np.ndarray:
    """Each pixel shows another one, up to this share of the side away."""
    reach = amount * side(images)
    count, height, width, _ = images.shape
    offsets = np.rint(reach * (2 * draws.uniform(height, width, 2) - 1)).astype(np.int64)
    rows = np.clip(np.arange(height)[:, None] + offsets[..., 0], 0, height - 1)
    columns = np.clip(np.arange(width) + offsets[..., 1], 0, width - 1)
    seen = images[np.arange(count)[:, None, None], rows, columns]
    return blurred(seen, reach / 4)


def _rotate(images: np.ndarray, amount: float, draws: Draws) -> np.ndarray:
    """By this many degrees, to either side."""
    angles = np.radians(amount) * draws.signs()
    cos, sin = np.cos(angles), np.sin(angles)
    return mapped(images, ((cos, -sin), (sin, cos)))


def _shear(images: np.ndarray, amount: float, draws: Draws) -> np.ndarray:
    """A line down leans by this share of its length, to either side."""
    return mapped(images, ((1, amount * draws.signs()), (0, 1)))


def _scale(images: np.ndarray, amount: float, _: Draws) -> np.ndarray:
    """Smaller: this times the size."""
    return mapped(images, ((1 / amount, 0), (0, 1 / amount)))


def _translate(images: np.ndarray, amount: float, draws: Draws) -> np.ndarray:
    """By this share of the side, in any direction."""
    return shifted(images, 2 * np.pi * draws.uniform(), amount * side(images))


def _brightness(images: np.ndarray, amount: float, _: Draws) -> np.ndarray:
    return images + amount


def _contrast(images: np.ndarray, amount: float, _: Draws) -> np.ndarray:
    """Differences from the mean are this share of what they were."""
    mean = images.mean(axis=(1, 2), keepdims=True)
    return mean + amount * (images - mean)


def _fog(images: np.ndarray, amount: float, draws: Draws) -> np.ndarray:
    """Clouds, and what is behind them is paler: the sum of both is in the range."""
    height, width = images.shape[1:3]
    clouds = np.zeros((*images.shape[:3], 1), np.float32)
    for octave, points in enumerate(_FOG, start=1):
        grid = draws.uniform(points, points, 1)
        clouds += tf.image.resize(grid, (height, width), "bicubic").numpy() / 2**octave
    return (images + amount * clouds) / (1 + amount)


def _dotted_line(images: np.ndarray, amount: float, draws: Draws) -> np.ndarray:
    """Dotted lines from left to right, as many as the amount; black or white, unlike the border."""
    height, width = images.shape[1:3]
    thickness = max(1.0, 0.05 * side(images))
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    border = border_colour(tf.constant(images)).numpy()
    lines = draws.uniform(round(amount), 3)
    for number in range(round(amount)):
        left, right, phase = lines[:, number, :, None, None].transpose(1, 0, 2, 3)
        start, slope = left * height, (right - left) * height / width
        lean = np.sqrt(1 + slope**2)
        across = np.abs(rows - start - slope * columns) / lean
        is_dot = (columns * lean / (4 * thickness) + phase) % 1 < 0.5
        ink = np.clip(thickness / 2 + 0.5 - across, 0, 1) * is_dot
        images = images + ink[..., None] * ((border < 0.5) - images)
    return images


def _jpeg(images: np.ndarray, amount: float, _: Draws) -> np.ndarray:
    """Saved in this quality of 100."""

    def saved(pixels: np.ndarray) -> np.ndarray:
        content = io.BytesIO()
        PIL.Image.fromarray(pixels).save(content, "JPEG", quality=round(amount))
        return np.asarray(PIL.Image.open(content)).reshape(pixels.shape)

    pixels = np.rint(images * 255).astype(np.uint8)
    if images.shape[3] != 3:  # Each channel is a picture of its own.
        pixels = np.moveaxis(pixels, 3, 1)
        parts = [np.stack([saved(channel) for channel in image]) for image in pixels]
        return np.moveaxis(np.stack(parts), 1, 3).astype(np.float32) / 255
    return np.stack([saved(image) for image in pixels]).astype(np.float32) / 255


CORRUPTIONS = {
    "shot_noise": Corruption(_shot_noise, (60, 25, 12, 5, 3)),
    "gaussian_noise": Corruption(_gaussian_noise, (0.08, 0.12, 0.18, 0.26, 0.38)),
    "impulse_noise": Corruption(_impulse_noise, (0.03, 0.06, 0.09, 0.17, 0.27)),
    "gaussian_blur": Corruption(_gaussian_blur, (0.02, 0.03, 0.045, 0.06, 0.08)),
    "motion_blur": Corruption(_motion_blur, (0.08, 0.13, 0.18, 0.24, 0.3)),
    "glass_blur": Corruption(_glass_blur, (0.025, 0.04, 0.055, 0.07, 0.09)),
    "rotate": Corruption(_rotate, (8, 16, 24, 32, 40)),
    "shear": Corruption(_shear, (0.1, 0.2, 0.3, 0.4, 0.5)),
    "scale": Corruption(_scale, (0.9, 0.8, 0.7, 0.6, 0.5)),
    "translate": Corruption(_translate, (0.03, 0.06, 0.09, 0.12, 0.15)),
    "brightness": Corruption(_brightness, (0.1, 0.2, 0.3, 0.4, 0.5)),
    "contrast": Corruption(_contrast, (0.4, 0.3, 0.2, 0.1, 0.05)),
    "fog": Corruption(_fog, (0.4, 0.7, 1.0, 1.5, 2.0)),
    "dotted_line": Corruption(_dotted_line, (1, 2, 3, 4, 5)),
    "jpeg": Corruption(_jpeg, (25, 18, 15, 10, 7)),
}
