"""Images moved, turned and blurred: numpy arrays float32 [N, H, W, C], 0 to 1."""

import math

import numpy as np

from ...base.tf import tf
from ...data.pipeline.augment import border_colour

# ((a, b), (c, d)): a x + b y, c x + d y.
_Entry = float | np.ndarray
Matrix = tuple[tuple[_Entry, _Entry], tuple[_Entry, _Entry]]


def side(images: np.ndarray) -> int:
    """The shorter one, in pixels."""
    return min(images.shape[1:3])


def shifted(images: np.ndarray, angles: np.ndarray, distance: float) -> np.ndarray:
    """Moved by a distance in pixels, each in its own direction."""
    return mapped(images, ((1, 0), (0, 1)), distance * np.stack([np.cos(angles), np.sin(angles)]))


def mapped(images: np.ndarray, matrix: Matrix, moves: np.ndarray | None = None) -> np.ndarray:
    """Affine maps about the centre; what comes from outside has the border's colour.

    Args:
      images: float32 [N, H, W, C].
      matrix: from x and y in the result to x and y in the image; each entry is a number or
        one for each image, [N].
      moves: of x and y, to be added, in pixels, [2, N].
    """
    middle = np.array([[images.shape[2] - 1], [images.shape[1] - 1]]) / 2
    both = [[np.broadcast_to(entry, len(images)) for entry in row] for row in matrix]
    full = np.array(both, np.float64)
    ends = middle - (full * middle).sum(axis=1) + (0.0 if moves is None else moves)
    zeros = np.zeros((2, len(images)))
    transforms = np.concatenate([full[0], ends[:1], full[1], ends[1:], zeros]).T
    border = border_colour(tf.constant(images))
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=images - border,
        transforms=transforms.astype(np.float32),
        output_shape=images.shape[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    return (moved + border).numpy()


def blurred(images: np.ndarray, deviation: float) -> np.ndarray:
    """By a Gaussian of this deviation, in pixels; the border goes on outside."""
    reach = math.ceil(3 * deviation)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    for axis in (1, 2):
        margins = [(reach, reach) if place == axis else (0, 0) for place in range(4)]
        padded, size = np.pad(images, margins, mode="edge"), images.shape[axis]
        images = sum(
            (
                weight * np.take(padded, range(start, start + size), axis)
                for start, weight in enumerate(weights)
            ),
            np.zeros_like(images),
        )
    return images
