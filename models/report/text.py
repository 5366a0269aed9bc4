"""A report for a terminal: curves and the confusion matrix as text."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...data.inspection.charts import short
from ..evaluation.metrics import Evaluation, wilson_interval
from .axes import Scale, logarithmic, nines
from .drawn import points
from .facts import Facts

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_COLUMNS, _ROWS = 30, 6
# Wider matrices are for the page; a terminal gets the commonest mistakes.
_WIDEST, _PAIRS = 120, 10
_NAME = 14


def of_run(facts: Facts) -> list[str]:
    """All of it."""
    config = facts.config
    lines = [f"{config.model} on {config.dataset['name']}", *facts.notes]
    lines += ["", *curves(facts.rows)]
    if facts.result is not None:
        lines += ["", *result(facts.result.split, facts.result.evaluation, config.label_names)]
    return lines


def curves(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Loss and accuracy over the epochs, side by side."""
    lines: list[str] = []
    for name, scale in (("loss", logarithmic), ("accuracy", nines)):
        charts = [
            _chart(f"{part} {name}".strip(), points(rows, key), scale)
            for part, key in (("training", name), ("validation", f"validation_{name}"))
        ]
        charts = [chart for chart in charts if chart]
        if charts:
            lines += ["", *("   ".join(parts).rstrip() for parts in zip(*charts, strict=True))]
    return lines[1:]


def _chart(title: str, found: Sequence[tuple[float, float]], scale: Any) -> list[str]:
    """A curve as columns of blocks, all lines of one width; empty for no points."""
    if not found:
        return []
    values = [value for _, value in found]
    chosen: Scale = scale(values)
    # Each column shows the last value up to its place.
    end = found[-1][0]
    at = np.searchsorted([x for x, _ in found], np.linspace(end / _COLUMNS, end, _COLUMNS), "right")
    heights = [chosen.place(values[max(0, place - 1)]) for place in at]
    levels = [round(1 + min(max(each, 0), 1) * (_ROWS * 8 - 1)) for each in heights]
    margin = max(len(words) for _, words in chosen.ticks)
    labels = [""] * _ROWS
    for value, words in chosen.ticks:
        row = _ROWS - 1 - round(chosen.place(value) * (_ROWS - 1))
        if 0 <= row < _ROWS and not labels[row]:
            labels[row] = words
    width = margin + 2 + _COLUMNS
    lines = [title.ljust(width)]
    for row in range(_ROWS):
        below = (_ROWS - 1 - row) * 8
        blocks = "".join(_EIGHTHS[min(max(level - below, 0), 8)] for level in levels)
        lines.append(f"{labels[row]:>{margin}} │{blocks}")
    last = f"{end:.3g} epochs, last {values[-1]:.4g}"
    lines.append(f"{'':>{margin}} └{last:─>{_COLUMNS}}"[:width])
    return lines


def result(split: str, evaluation: Evaluation, label_names: Sequence[str]) -> list[str]:
    """Accuracy, the confusion matrix where it fits, and the commonest mistakes."""
    low, high = wilson_interval(evaluation.correct, evaluation.examples)
    lines = [
        f"accuracy on {split} {evaluation.accuracy:.2%} ({evaluation.correct:,} of "
        f"{evaluation.examples:,}; 95 % interval {low:.2%} to {high:.2%})"
    ]
    matrix = evaluation.confusion
    table = _matrix(label_names, matrix)
    if len(table[0]) <= _WIDEST:
        lines += ["", "true class by row, predicted by column:", *table]
    wrong = matrix - np.diag(np.diag(matrix))
    places = np.argsort(-wrong, axis=None, kind="stable")[:_PAIRS]
    names = [short(name, _NAME) for name in label_names]
    told = []
    for place in map(int, places):
        true, taken = divmod(place, len(names))
        if wrong[true, taken]:
            count = int(wrong[true, taken])
            often = "once" if count == 1 else f"{count:,} times"
            told.append(f"{names[true]}→{names[taken]} {often}")
    if told:
        words = "most common mistakes, true→predicted: " + ", ".join(told)
        lines += ["", *textwrap.wrap(words, _WIDEST)]
    return lines


def _matrix(label_names: Sequence[str], matrix: np.ndarray) -> list[str]:
    names = [short(name, _NAME) for name in label_names]
    margin = max(map(len, names))
    # Long names are for the rows: a column has its number in their order.
    heads = names if max(map(len, names)) <= 5 else [f"[{at}]" for at in range(len(names))]
    if heads is not names:
        names = [f"{name.ljust(margin)} [{at}]" for at, name in enumerate(names)]
        margin = max(map(len, names))
    width = max(*(len(head) for head in heads), len(f"{matrix.max():,}"))
    lines = [" " * margin + "".join(f" {head:>{width}}" for head in heads)]
    for name, row in zip(names, matrix.tolist(), strict=True):
        cells = "".join(f" {f'{count:,}' if count else '·':>{width}}" for count in row)
        lines.append(f"{name:<{margin}}{cells}")
    return lines
