"""Figures of a model in a terminal: a table by class, and the confusion matrix."""

from collections.abc import Sequence

import numpy as np

from ...base.tables import short, table
from ..run.records import ClassFigures

# Wider matrices are for pages and for --json.
_WIDTH = 120
_NAME = 14
# Longer names are for the rows; columns have numbers then.
_HEAD = 5


def class_table(label_names: Sequence[str], rows: Sequence[ClassFigures]) -> str:
    """Images, precision, recall and F1 of each class.

    Args:
      label_names: by class number.
      rows: by class number.
    """

    def share(value: float | None) -> str:
        return "-" if value is None else f"{value:.2%}"

    cells = [
        (
            short(name, 60),
            f"{row.images:,}",
            share(row.precision),
            share(row.recall),
            share(row.f1),
        )
        for name, row in zip(label_names, rows, strict=True)
    ]
    return table(("class", "images", "precision", "recall", "F1"), cells, range(1, 5))


def confusion_matrix(label_names: Sequence[str], matrix: Sequence[Sequence[int]]) -> list[str]:
    """The matrix under its heading; nothing where it is wider than a terminal.

    Args:
      label_names: by class number.
      matrix: [K, K], images by true (row) and predicted class.
    """
    names = [short(name, _NAME) for name in label_names]
    heads, margin = names, max(map(len, names))
    if margin > _HEAD:
        heads = [f"[{number}]" for number in range(len(names))]
        names = [f"{name.ljust(margin)} {head}" for name, head in zip(names, heads, strict=True)]
        margin = max(map(len, names))
    width = max(*map(len, heads), len(f"{np.max(matrix):,}"))
    if margin + len(heads) * (width + 1) > _WIDTH:
        return []
    lines = [" " * margin + "".join(f" {head:>{width}}" for head in heads)]
    for name, row in zip(names, matrix, strict=True):
        cells = "".join(f" {f'{count:,}' if count else '·':>{width}}" for count in row)
        lines.append(f"{name:<{margin}}{cells}")
    return ["true class by row, predicted by column:", *lines]
