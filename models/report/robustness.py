"""What corruptions do to an image, and to the model: a picture of each, with its accuracy."""

from collections.abc import Sequence

import numpy as np

from ...base.charts import BLUE, GRID, PALE, Box, Chart
from ...base.tables import short
from ...data.inspection.charts import WIDTH, thumbnail
from ..evaluation.corruptions import CORRUPTIONS, corrupted
from ..run.records import Robustness

_LEFT, _TOP = 10, 40
# Of an image and what is below it.
_SIDE, _COLUMN = 54, 65


def sheet(split: str, robustness: Robustness, image: np.ndarray) -> Chart:
    """A row for each corruption: an image at each strength, and the accuracy there as a bar.

    Args:
      split: that the accuracies were measured on.
      image: uint8 [H, W, C], any.
    """
    rows = [row for row in robustness.by_corruption if row.name in CORRUPTIONS]
    tall = _SIDE * min(max(image.shape[0] / image.shape[1], 0.4), 2.5)
    height = tall + 42
    note = f"accuracy on {short(split, 40)}, by strength from left to right"
    chart = Chart(WIDTH, _TOP + height * len(rows) + 4, "Corrupted images", note)
    for number, row in enumerate(rows):
        y = _TOP + number * height
        chart.text(_LEFT, y + 10, row.name.replace("_", " "), bold=True)
        shown = [
            corrupted(image[np.newaxis], row.name, strength, np.zeros(1, int), robustness.seed)[0]
            for strength, _ in enumerate(row.accuracies, start=1)
        ]
        for column, (pixels, share) in enumerate(zip(shown, row.accuracies, strict=True)):
            x = _LEFT + column * _COLUMN
            chart.image(x, y + 15, _SIDE, tall, thumbnail(pixels))
            chart.text(x + _SIDE / 2, y + tall + 33, f"{share:.1%}", 9.5, PALE, "center")
        chart.rectangles(*_bars(row.accuracies, y + tall + 18))
    return chart


def _bars(shares: Sequence[float], y: float) -> tuple[list[Box], list[str]]:
    """A bar as long as each share on one of the whole width, and their colours."""
    boxes: list[Box] = []
    for column, share in enumerate(shares):
        x = _LEFT + column * _COLUMN
        boxes += [(x, y, _SIDE, 4), (x, y, _SIDE * share, 4)]
    return boxes, [GRID, BLUE] * len(shares)
