"""A report for a terminal: curves and the confusion matrix as text."""

import textwrap
from collections.abc import Sequence

import numpy as np

from ...base.tables import short
from ..evaluation.metrics import Evaluation, wilson_interval
from ..evaluation.result import confusion_matrix
from .facts import Facts
from .run_figures import points

_EIGHTHS = "▁▂▃▄▅▆▇█"
_COLUMNS = 40
# The commonest mistakes that are named, and the width of their lines.
_PAIRS, _WIDTH = 10, 120
_NAME = 14


def of_run(facts: Facts) -> list[str]:
    """All of it."""
    config = facts.config
    lines = [f"{config.model} on {config.dataset.name}", *facts.notes]
    lines += ["", *curves(facts.rows)]
    if facts.result is not None:
        lines += ["", *result(facts.result.split, facts.result.evaluation, config.label_names)]
    for split, robustness in facts.robustness.items():
        words = f"accuracy on corrupted images of {split} {robustness.accuracy:.2%}, the mean of"
        lines += ["", f"{words} {len(robustness.by_corruption)} corruptions (the page has each)"]
    return lines


def curves(rows: Sequence[dict[str, float]]) -> list[str]:
    """Loss and accuracy over the epochs: the first value, a curve, and the last."""
    lines = []
    for name, place, words in (
        ("loss", lambda loss: np.log10(np.maximum(loss, 1e-9)), "{:.4g}".format),
        ("accuracy", lambda share: -np.log10(np.maximum(1 - share, 1e-5)), "{:.2%}".format),
    ):
        for part, key in (("training", name), ("validation", f"validation_{name}")):
            curve = points(rows, key)
            if curve:
                epochs, values = np.transpose(curve)
                spark = _spark(epochs, place(values))
                lines.append(
                    f"{f'{part} {name}':<19} {words(values[0]):>8} {spark} {words(values[-1])}"
                )
    return [*lines, f"over {rows[-1]['epoch']:.3g} epochs"] if lines else []


def _spark(epochs: np.ndarray, heights: np.ndarray) -> str:
    """A curve as blocks of eight heights; each shows the last value up to its place."""
    ends = np.linspace(epochs[-1] / _COLUMNS, epochs[-1], _COLUMNS)
    indices = np.maximum(np.searchsorted(epochs, ends, "right") - 1, 0)
    shares = (heights - heights.min()) / max(np.ptp(heights), 1e-9)
    return "".join(_EIGHTHS[level] for level in np.rint(shares[indices] * 7).astype(int))


def result(split: str, evaluation: Evaluation, label_names: Sequence[str]) -> list[str]:
    """Accuracy, the confusion matrix where it fits, and the commonest mistakes."""
    low, high = wilson_interval(evaluation.correct, evaluation.examples)
    lines = [
        f"accuracy on {split} {evaluation.accuracy:.2%} ({evaluation.correct:,} of "
        f"{evaluation.examples:,}; 95 % interval {low:.2%} to {high:.2%})"
    ]
    matrix = evaluation.confusion
    if shown := confusion_matrix(label_names, matrix.tolist()):
        lines += ["", *shown]
    wrong = matrix - np.diag(np.diag(matrix))
    names = [short(name, _NAME) for name in label_names]
    pairs = []
    for place in np.argsort(-wrong, axis=None, kind="stable")[:_PAIRS].tolist():
        true, predicted = divmod(place, len(names))
        if count := int(wrong[true, predicted]):
            times = "once" if count == 1 else f"{count:,} times"
            pairs.append(f"{names[true]}→{names[predicted]} {times}")
    if pairs:
        words = "most common mistakes, true→predicted: " + ", ".join(pairs)
        lines += ["", *textwrap.wrap(words, _WIDTH)]
    return lines
