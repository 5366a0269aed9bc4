"""Images of the split that an export was verified on, for people to try it with.

They lie in `assets.extra`, which TF Serving and TensorFlow ignore: one PNG file with a
row of images for each class, and a JSON file with their numbers.
"""

from pathlib import Path

import numpy as np
import PIL.Image

from ...base import export_layout, files

# Pixels of the whole sheet; of large images, or many classes, there are fewer of each.
_MOST_PIXELS = 4_000_000


def write(
    images: np.ndarray, labels: np.ndarray, classes: int, most: int, split: str, folder: Path
) -> None:
    """Writes a sheet of the first images of each class, and its facts; nothing without room.

    Args:
      images: uint8 [N, H, W, C]; 1 or 3 channels.
      labels: int64 [N].
      classes: how many there are.
      most: images of a class.
      split: of which they are.
      folder: `assets.extra`, which exists.
    """
    _, height, width, channels = images.shape
    most = min(most, _MOST_PIXELS // (classes * height * width))
    rows = [np.flatnonzero(labels == label)[:most] for label in range(classes)]
    columns = max(map(len, rows))
    if not columns:
        return
    sheet = np.zeros((len(rows), height, columns, width, channels), np.uint8)
    for row, indices in enumerate(rows):
        sheet[row, :, : len(indices)] = images[indices].transpose(1, 0, 2, 3)
    pixels = sheet.reshape(len(rows) * height, columns * width, channels)
    if channels == 1:
        pixels = pixels[..., 0]
    PIL.Image.fromarray(pixels).save(folder / export_layout.SAMPLES_SHEET)
    facts = {
        "split": split,
        "image_shape": images.shape[1:],
        "columns": columns,
        "counts": [len(indices) for indices in rows],
    }
    files.write_json(folder / export_layout.SAMPLES_FACTS, facts)
