"""Images of the split that an export was verified on, for people to try it with.

They lie in `assets.extra`, which TF Serving and TensorFlow leave alone: one PNG file with a
row of images for each class, and a JSON file that says how many there are.
"""

import dataclasses
from pathlib import Path

import numpy as np
import PIL.Image

from ...base import export_layout, files

# Pixels of the whole sheet; of large images, or many classes, there are fewer of each.
_MOST_PIXELS = 4_000_000


@dataclasses.dataclass(frozen=True)
class Samples:
    """A sheet of images.

    Attributes:
      pixels: uint8 [K * H, columns * W, C]; black where a class has fewer images.
      counts: images of each class, in its row from the left.
      columns: the largest of them.
      image_shape: (H, W, C).
    """

    pixels: np.ndarray
    counts: tuple[int, ...]
    columns: int
    image_shape: tuple[int, int, int]


def of_classes(images: np.ndarray, labels: np.ndarray, classes: int, most: int) -> Samples | None:
    """The first images of each class.

    Args:
      images: uint8 [N, H, W, C]; 1 or 3 channels.
      labels: int64 [N].
      classes: K.
      most: images of a class.

    Returns:
      None if there are none, or not even one of each class has room on a sheet.
    """
    _, height, width, channels = images.shape
    columns = min(most, _MOST_PIXELS // (classes * height * width))
    chosen = [np.flatnonzero(labels == label)[:columns] for label in range(classes)]
    columns = max(len(each) for each in chosen)
    if not columns:
        return None
    pixels = np.zeros((classes, height, columns, width, channels), np.uint8)
    for row, places in enumerate(chosen):
        pixels[row, :, : len(places)] = images[places].transpose(1, 0, 2, 3)
    return Samples(
        pixels.reshape(classes * height, columns * width, channels),
        tuple(map(len, chosen)),
        columns,
        (height, width, channels),
    )


def write(samples: Samples | None, split: str, folder: Path) -> None:
    """Writes the sheet and its facts into a folder that is there; nothing of no samples."""
    if samples is None:
        return
    pixels = samples.pixels[..., 0] if samples.image_shape[2] == 1 else samples.pixels
    PIL.Image.fromarray(pixels).save(folder / export_layout.SAMPLES_SHEET)
    facts = {
        "split": split,
        "image_shape": samples.image_shape,
        "columns": samples.columns,
        "counts": samples.counts,
    }
    files.write_json(folder / export_layout.SAMPLES_FACTS, facts)
