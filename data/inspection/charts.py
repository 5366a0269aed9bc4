"""Charts of a dataset: bars of its labels, and sheets of its images."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from ...base.charts import BLUE, INK, PALE, VERMILION, Box, Chart, visible, width_of
from ...base.tables import short
from .samples import Sample

# As wide as a phone's page, so that letters keep their size there.
WIDTH = 340
_MARGIN = 12
_ROW = 18
# On a sheet: a side of an image with its gap, images in a row, and the largest thumbnail.
_SIDE, _GAP, COLUMNS, _LARGEST = 54, 8, 10, 96


@dataclasses.dataclass(frozen=True)
class Captioned:
    """An image uint8 [H, W, C] with a line above and lines below."""

    image: np.ndarray
    above: str
    below: tuple[str, ...]


def bars(
    title: str, label_names: Sequence[str], counts: Mapping[str, Sequence[int]], limit: int = 60
) -> Chart:
    """How many images of each class: the splits side by side, the counts on the bars.

    Args:
      counts: by split, the number of images of each class.
      limit: of more classes, the largest and the smallest half is shown.
    """
    shown, left_out = classes_shown(counts, len(label_names), limit)
    names = [short(label_names[label], 14) for label in shown]
    margin = _MARGIN + 6 + max(map(width_of, names))
    panel = WIDTH - margin
    top = 66 if left_out else 50
    bottom = top + _ROW * len(shown)
    chart = Chart(margin + panel * len(counts), bottom + 30, title, left_out)
    chart.text(8, bottom + 18, "class", color=PALE)
    for row, name in enumerate(names):
        chart.text(margin - 6, top + row * _ROW + 13, name, align="right")
    for number, (split, by_class) in enumerate(counts.items()):
        left = margin + number * panel
        most = max(*by_class, 1)
        longest = panel - _MARGIN - 5 - width_of(f"{most:,}")  # Leaves room for its count.
        chart.text(left, top - 8, f"{short(split, 30)}: {sum(by_class):,} images", color=PALE)
        chart.text(left + panel / 2, bottom + 18, "images", color=PALE, align="center")
        boxes: list[Box] = [(left, top - 2, 1, bottom - top + 2)]
        for row, label in enumerate(shown):
            y, count = top + row * _ROW, by_class[label]
            boxes.append((left, y + 2, longest * count / most, _ROW - 5))
            end = left + 5 + longest * count / most
            chart.text(end, y + 13, f"{count:,}", color=INK if count else VERMILION)
            chart.tip(left, y, panel - _MARGIN, _ROW, f"{label_names[label]}: {count:,}")
        chart.rectangles(boxes, [PALE] + [BLUE] * len(shown))
    return chart


def classes_shown(
    counts: Mapping[str, Sequence[int]], num_classes: int, limit: int
) -> tuple[list[int], str]:
    """The classes that a chart shows, and what it says about those that it leaves out."""
    if num_classes <= limit:
        return list(range(num_classes)), ""
    total = np.sum(list(counts.values()), axis=0)
    order = np.argsort(-total, kind="stable").tolist()
    shown = order[: limit // 2] + order[-(limit // 2) :]
    return shown, f"the {limit // 2} largest and smallest of {num_classes:,} classes"


def sheet(title: str, images: Sequence[Captioned], columns: int = COLUMNS) -> Chart:
    """Images of one shape in rows of `columns`, or of 5 where there are few."""
    columns = max(5, min(columns, len(images)))
    height, width = images[0].image.shape[:2]
    tall = _SIDE * min(max(height / width, 0.4), 2.5)
    lines = max(len(image.below) for image in images)
    row = tall + 24 + 11 * lines
    chart = Chart(
        columns * (_SIDE + _GAP) + _MARGIN, 32 + math.ceil(len(images) / columns) * row, title
    )
    for number, captioned in enumerate(images):
        x, y = 10 + number % columns * (_SIDE + _GAP), 46 + number // columns * row
        middle = x + _SIDE / 2
        chart.text(middle, y - 4, short(captioned.above, 9), 9.5, align="center")
        chart.image(x, y, _SIDE, tall, thumbnail(captioned.image))
        for line, words in enumerate(captioned.below, start=1):
            chart.text(middle, y + tall + 11 * line, short(words, 10), 9, PALE, "center")
    return chart


def captioned(samples: Sequence[Sample], label_names: Sequence[str]) -> list[Captioned]:
    """Samples as a sheet shows them: with their class and their index in the split."""
    return [
        Captioned(sample.image, label_names[sample.label], (f"#{sample.index}",))
        for sample in samples
    ]


def thumbnail(image: np.ndarray) -> np.ndarray:
    """uint8 [h, w, 3], no side longer than 96 pixels: smaller by a whole factor."""
    step = math.ceil(max(image.shape[:2]) / _LARGEST)
    return visible(image[::step, ::step])
