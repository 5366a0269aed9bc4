"""A dataset in a terminal: bars of its labels, and samples of its images."""

import math
from collections.abc import Sequence

import numpy as np

from ...base.tables import short
from .charts import classes_shown
from .samples import Sample

_WIDTH = 88
# Classes shown: of more, the largest and the smallest half.
_CLASSES = 40
_EIGHTHS = " ▏▎▍▌▋▊▉"
# Five levels, dark to light. A character is about twice as high as it is wide.
_SHADES, _ASPECT = " ░▒▓█", 2
_PREVIEW_WIDTH = 28


def text_bars(label_names: Sequence[str], counts: dict[str, list[int]]) -> list[str]:
    """The label distribution as lines of text, the splits side by side.

    Args:
      label_names: by class number.
      counts: by split, the number of images of each class.
    """
    chosen, left_out = classes_shown(counts, len(label_names), _CLASSES)
    names = [short(label_names[label], 20) for label in chosen]
    margin = max(map(len, [*names, "label"]))
    figures = max(len(f"{max(each, default=0):,}") for each in counts.values())
    width = max(4, (_WIDTH - margin) // len(counts) - figures - 3)
    lines = ["label".ljust(margin)]
    lines += [name.ljust(margin) for name in names]
    for split, each in counts.items():
        lines[0] += f"  {split.ljust(width + 1 + figures)}"
        for row, label in enumerate(chosen, 1):
            bar = _text_bar(each[label] / max(*each, 1), width)
            lines[row] += f"  {f'{bar} {each[label]:,}'.lstrip()}".ljust(width + figures + 3)
    if left_out:
        lines.append(left_out)
    return [line.rstrip() for line in lines]


def _text_bar(share: float, width: int) -> str:
    whole, eighths = divmod(math.ceil(share * width * 8), 8)  # One image is seen, none is not.
    return "█" * whole + _EIGHTHS[eighths].strip()


def text_samples(samples: Sequence[Sample], label_names: Sequence[str]) -> list[str]:
    """Samples, all of one shape, as lines of text: side by side, as many as fit."""
    if not samples:
        return []
    height, width = samples[0].image.shape[:2]
    columns = min(max(width, 12), _PREVIEW_WIDTH)
    rows = max(1, round(height * columns / width / _ASPECT))
    shown = samples[: (_WIDTH + 2) // (columns + 2)]
    titles = [f"{short(label_names[each.label], columns - 8)} #{each.index}" for each in shown]
    lines = ["  ".join(title.ljust(columns) for title in titles)]
    pictures = [_shrunk(each.image, rows, columns) for each in shown]
    for row in range(rows):
        shades = ("".join(_SHADES[level] for level in each[row]) for each in pictures)
        lines.append("  ".join(shades))
    lines = [line.rstrip() for line in lines]
    while not lines[-1]:
        lines.pop()
    return lines


def _shrunk(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """An image uint8 [H, W, C] as shades, int64 [rows, columns]: the mean of each box."""
    grey = image.mean(axis=2)
    for size in (rows, columns):  # Each turn does one side, and turns the image over.
        starts = np.arange(size) * len(grey) // size
        ends = np.maximum(np.arange(1, size + 1) * len(grey) // size, starts + 1)
        sums = np.cumsum(np.insert(grey, 0, 0, axis=0), axis=0)
        grey = ((sums[ends] - sums[starts]) / (ends - starts)[:, None]).T
    return (grey * len(_SHADES) / 256).astype(int)
