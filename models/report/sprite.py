"""Many images as one PNG file: thousands of small files would be slow."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from ...base.charts import png_file, uri
from ...data.inspection.charts import thumbnail

# Pixels of a side of an image on the page.
_SIDE = 64


@dataclasses.dataclass(frozen=True)
class Sprite:
    """Images in rows, for a page.

    Attributes:
      uri: the PNG file as a `data:` address.
      width, height: of an image on the page, in pixels.
      columns: images in a row.
    """

    uri: str
    width: int
    height: int
    columns: int

    @property
    def size(self) -> str:
        """CSS's background-size."""
        return f"{self.columns * self.width}px auto"

    def position(self, number: int) -> str:
        """CSS's background-position of an image."""
        x, y = number % self.columns * self.width, number // self.columns * self.height
        return f"{-x}px {-y}px"


def sprite(images: Sequence[np.ndarray]) -> Sprite:
    """The images uint8 [H, W, C], all of one shape, at most 96 pixels wide and high."""
    small = [thumbnail(image) for image in images] or [np.zeros((1, 1, 3), np.uint8)]
    height, width = small[0].shape[:2]
    columns = math.ceil(math.sqrt(len(small)))
    sheet = png_file(tiled(np.stack(small), math.ceil(len(small) / columns), columns))
    scale = _SIDE / max(height, width)
    return Sprite(
        uri(sheet),
        max(round(width * scale), 1),
        max(round(height * scale), 1),
        columns,
    )


def tiled(images: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Images uint8 [N, h, w, 3] in rows and columns; places that are left are black."""
    count, height, width, channels = images.shape
    sheet = np.zeros((rows * columns, height, width, channels), np.uint8)
    sheet[:count] = images
    sheet = sheet.reshape(rows, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
    return sheet.reshape(rows * height, columns * width, channels)
