"""A report for a terminal: curves and the confusion matrix as text."""

import textwrap
from collections.abc import Callable, Sequence

import numpy as np

from ...base.tables import short
from ..evaluation.metrics import Evaluation, wilson_interval
from ..evaluation.text import confusion_matrix
from .facts import Facts
from .figures import decades, nines
from .run_figures import points

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_COLUMNS, _ROWS = 30, 6
# The commonest mistakes that are named, and the width of their lines.
_PAIRS, _WIDTH = 10, 120
_NAME = 14


def of_run(facts: Facts) -> list[str]:
    """All of it."""
    config = facts.config
    lines = [f"{config.model} on {config.dataset['name']}", *facts.notes]
    lines += ["", *curves(facts.rows)]
    if facts.result is not None:
        lines += ["", *result(facts.result.split, facts.result.evaluation, config.label_names)]
    return lines


def curves(rows: Sequence[dict[str, float]]) -> list[str]:
    """Loss and accuracy over the epochs, training and validation side by side."""
    lines: list[str] = []
    for name, place, words in (
        ("loss", decades, "{:.4g}".format),
        ("accuracy", lambda values: nines(values)(values), "{:.2%}".format),
    ):
        shown = {"training": points(rows, name), "validation": points(rows, f"validation_{name}")}
        charts = [
            _chart(f"{part} {name}", curve, place, words) for part, curve in shown.items() if curve
        ]
        if charts:
            lines += ["", *("   ".join(parts).rstrip() for parts in zip(*charts, strict=True))]
    return lines[1:]


def _chart(
    title: str,
    curve: Sequence[tuple[float, float]],
    place: Callable[[np.ndarray], np.ndarray],
    words: Callable[[float], str],
) -> list[str]:
    """A curve as columns of blocks, with its lowest and highest value; lines of one width."""
    epochs, values = np.transpose(curve)
    # Each column shows the last value up to its place.
    ends = np.linspace(epochs[-1] / _COLUMNS, epochs[-1], _COLUMNS)
    heights = place(values)
    span = max(float(heights.max() - heights.min()), 1e-9)
    heights = (heights - heights.min()) / span
    heights = heights[np.maximum(np.searchsorted(epochs, ends, "right") - 1, 0)]
    levels = np.rint(1 + heights * (_ROWS * 8 - 1)).astype(int)
    low, high = words(values.min()), words(values.max())
    margin = max(len(low), len(high))
    labels = [high if low != high else "", *[""] * (_ROWS - 2), low]
    lines = [title.ljust(margin + 2 + _COLUMNS)]
    for row, label in enumerate(labels):
        below = (_ROWS - 1 - row) * 8
        blocks = "".join(_EIGHTHS[level] for level in np.clip(levels - below, 0, 8))
        lines.append(f"{label:>{margin}} │{blocks}")
    last = f"{epochs[-1]:.3g} epochs, last {words(values[-1])}"
    return [*lines, f"{'':>{margin}} └{last:─>{_COLUMNS}}"]


def result(split: str, evaluation: Evaluation, label_names: Sequence[str]) -> list[str]:
    """Accuracy, the confusion matrix where it fits, and the commonest mistakes."""
    low, high = wilson_interval(evaluation.correct, evaluation.examples)
    lines = [
        f"accuracy on {split} {evaluation.accuracy:.2%} ({evaluation.correct:,} of "
        f"{evaluation.examples:,}; 95 % interval {low:.2%} to {high:.2%})"
    ]
    matrix = evaluation.confusion
    shown = confusion_matrix(label_names, matrix.tolist())
    if shown:
        lines += ["", *shown]
    wrong = matrix - np.diag(np.diag(matrix))
    names = [short(name, _NAME) for name in label_names]
    pairs = []
    for place in np.argsort(-wrong, axis=None, kind="stable")[:_PAIRS].tolist():
        true, predicted = divmod(place, len(names))
        count = int(wrong[true, predicted])
        if count:
            times = "once" if count == 1 else f"{count:,} times"
            pairs.append(f"{names[true]}→{names[predicted]} {times}")
    if pairs:
        words = "most common mistakes, true→predicted: " + ", ".join(pairs)
        lines += ["", *textwrap.wrap(words, _WIDTH)]
    return lines
