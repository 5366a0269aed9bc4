"""A dataset in a terminal: bars of its labels, and samples of its images."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import PIL.Image

from ...base.tables import short, table
from .charts import classes_shown
from .samples import Sample

_WIDTH = 88
# Classes shown: of more, the largest and the smallest half.
_CLASSES = 40
_EIGHTHS = " ▏▎▍▌▋▊▉"
# Five levels, dark to light. A character is about twice as high as it is wide.
_SHADES, _ASPECT = " ░▒▓█", 2
_PREVIEW_WIDTH = 28


def text_bars(label_names: Sequence[str], counts: Mapping[str, Sequence[int]]) -> list[str]:
    """The label distribution as lines: by split, the images of each class, side by side."""
    shown, left_out = classes_shown(counts, len(label_names), _CLASSES)
    digits = max(len(f"{max(by_class, default=0):,}") for by_class in counts.values())
    names = [short(label_names[label], 20) for label in shown]
    width = max(4, (_WIDTH - max(map(len, names))) // len(counts) - digits - 3)
    rows = [
        (name, *(_bar(by_class[label], max(*by_class, 1), width) for by_class in counts.values()))
        for name, label in zip(names, shown, strict=True)
    ]
    lines = table(("label", *counts), rows).splitlines()
    return [*lines, left_out] if left_out else lines


def _bar(count: int, most: int, width: int) -> str:
    """A bar and its number; one image is seen, none is not."""
    whole, eighths = divmod(math.ceil(count / most * width * 8), 8)
    return f"{'█' * whole}{_EIGHTHS[eighths].strip()} {count:,}".lstrip()


def text_samples(samples: Sequence[Sample], label_names: Sequence[str]) -> list[str]:
    """Samples, all of one shape, as lines of text: side by side, as many as fit."""
    if not samples:
        return []
    height, width = samples[0].image.shape[:2]
    columns = min(max(width, 12), _PREVIEW_WIDTH)
    rows = max(1, round(height * columns / width / _ASPECT))
    shown = samples[: (_WIDTH + 2) // (columns + 2)]
    titles = [
        f"{short(label_names[sample.label], columns - 8)} #{sample.index}" for sample in shown
    ]
    lines = ["  ".join(title.ljust(columns) for title in titles)]
    pictures = [_shades(sample.image, rows, columns) for sample in shown]
    lines += ["  ".join(line) for line in zip(*pictures, strict=True)]
    return "\n".join(line.rstrip() for line in lines).rstrip().splitlines()


def _shades(image: np.ndarray, rows: int, columns: int) -> list[str]:
    """An image uint8 [H, W, C] as lines of characters, each as dark as its box is on average."""
    grey = PIL.Image.fromarray(image.mean(axis=2).astype(np.float32))
    boxes = np.asarray(grey.resize((columns, rows), PIL.Image.Resampling.BOX))
    levels = np.clip(boxes * len(_SHADES) / 256, 0, len(_SHADES) - 1).astype(int)
    return ["".join(_SHADES[level] for level in line) for line in levels.tolist()]
