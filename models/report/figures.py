"""The charts of a report: bars, curves, matrices, calibration.

Each is as wide as a phone's page, so that its letters keep their size there.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from ...data.inspection.charts import classes_shown, short
from ..evaluation.metrics import Evaluation
from .axes import Axes, Scale, exact, linear, logarithmic, nines
from .canvas import Canvas, width_of

WIDTH = 340
# Of more classes, a chart shows some.
_BARS, MATRIX = 60, 40
_BINS = 15  # As the calibration error has it.
_SCALES = {"log": logarithmic, "nines": nines}
_LEFT, _RIGHT, _TOP = 48, 18, 44


@dataclasses.dataclass(frozen=True)
class Series:
    """A curve: its name in the legend, its colour, points (x, y), and whether each is marked."""

    name: str
    color: str
    points: tuple[tuple[float, float], ...]
    dots: bool = False


def curves(
    title: str,
    x_label: str,
    y_label: str,
    series: Sequence[Series],
    scale: str = "linear",
    together: Sequence[float] = (),
) -> Canvas:
    """Curves over one x.

    Args:
      title: of the chart.
      x_label, y_label: with units.
      series: at least one point in all.
      scale: of y: `linear` from 0, `log`, or `nines` for shares.
      together: each y of other charts that have the same scale.
    """
    canvas = Canvas(WIDTH, 240, title)
    canvas.text(8, 16, title, 12, bold=True)
    xs = [x for each in series for x, _ in each.points]
    ys = [y for each in series for _, y in each.points]
    ys += together
    y = linear(0, max(*ys, 1e-9)) if scale == "linear" else _SCALES[scale](ys)
    axes = Axes(canvas, exact(max(xs)), y, (_LEFT, _TOP + 14, WIDTH - _RIGHT, 204))
    axes.frame(x_label, y_label)
    left = WIDTH - _RIGHT
    for each in reversed(series) if len(series) > 1 else ():
        left -= width_of(each.name, 10) + 2
        canvas.text(left, _TOP - 10, each.name, 10)
        left -= 18
        canvas.line([(left, _TOP - 13.5), (left + 14, _TOP - 13.5)], each.color, 2)
        left -= 8
    for each in series:
        points = [axes.at(*point) for point in each.points]
        if len(points) > 1:
            canvas.line(points, each.color, 1.5)
        if each.dots or len(points) == 1:
            for (x, y), value in zip(points, each.points, strict=True):
                canvas.dot(x, y, 2.2, each.color, f"{each.name}: {value[1]:.4g} at {value[0]:.4g}")
    return canvas


def bars(title: str, label_names: Sequence[str], counts: Sequence[int]) -> Canvas:
    """How many images of each class, the counts on the bars."""
    chosen, left_out = classes_shown({"": list(counts)}, len(label_names), _BARS)
    names = [short(label_names[label], 14) for label in chosen]
    margin = 14 + max(width_of(name) for name in names)
    row, head = 18, 46 if left_out else 32
    canvas = Canvas(WIDTH, head + row * len(chosen) + 34, title)
    canvas.text(8, 16, title, 12, bold=True)
    if left_out:
        canvas.text(8, 32, left_out, 10, "pale")
    most = max(*counts, 1)
    bottom = head + row * len(chosen)
    # Room for the longest bar's count.
    room = WIDTH - margin - _RIGHT - width_of(f"{most:,}", 10)
    canvas.line([(margin, head - 2), (margin, bottom)], "pale")
    for at, label in enumerate(chosen):
        y, count = head + at * row, counts[label]
        canvas.text(margin - 6, y + 13, names[at], 11, anchor="end")
        long = room * count / most
        canvas.rect(margin, y + 2, long, row - 5, "blue", tip=f"{label_names[label]}: {count:,}")
        canvas.text(margin + long + 5, y + 13, f"{count:,}", 10, "ink" if count else "vermilion")
    canvas.text((margin + WIDTH - _RIGHT) / 2, bottom + 18, "images", 10, "pale", "middle")
    canvas.text(8, bottom + 18, "class", 10, "pale")
    return canvas


def confusion(
    title: str, label_names: Sequence[str], matrix: np.ndarray, rates: bool = False
) -> Canvas:
    """What is taken for what.

    Args:
      title: of the chart.
      label_names: by class number.
      matrix: int64 [K, K], images by true (row) and predicted class.
      rates: shares of each row in per cent, instead of counts.
    """
    count = len(label_names)
    chosen = list(range(count))
    if count > MATRIX:  # Those with most mistakes.
        wrong = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * np.diag(matrix)
        chosen = sorted(np.argsort(-wrong, kind="stable")[:MATRIX].tolist())
    names = [short(label_names[label], 12) for label in chosen]
    side = 27 if len(chosen) <= 10 else 25
    longest = max(width_of(name, 10) for name in names)
    left, head = 30 + longest, 58 + (longest if longest > side - 4 else 10)
    canvas = Canvas(
        max(left + side * len(chosen) + 10, WIDTH), head + side * len(chosen) + 12, title
    )
    canvas.text(8, 16, title, 12, bold=True)
    if count > MATRIX:
        canvas.text(8, 32, f"the {MATRIX} classes of {count:,} with most mistakes", 10, "pale")
    canvas.text(left, 48, "predicted class", 10, "pale")
    canvas.text(14, head + side * len(chosen) / 2, "true class", 10, "pale", "middle", upright=True)
    totals = np.maximum(matrix.sum(axis=1), 1)
    for row, true in enumerate(chosen):
        y = head + row * side
        canvas.text(left - 6, y + side / 2 + 3.5, names[row], 10, anchor="end")
        x = left + row * side + side / 2
        if longest > side - 4:
            canvas.text(x + 3.5, head - 5, names[row], 10, upright=True)
        else:
            canvas.text(x, head - 5, names[row], 10, anchor="middle")
        for column, taken in enumerate(chosen):
            number, share = int(matrix[true, taken]), float(matrix[true, taken] / totals[true])
            x, color = left + column * side, "blue" if true == taken else "vermilion"
            tip = f"{label_names[true]} taken for {label_names[taken]}: {number:,} ({share:.2%})"
            if not number:
                canvas.rect(x, y, side - 1, side - 1, "grid", 0.4)
            else:  # Mistakes are few: a root makes them seen.
                canvas.rect(x, y, side - 1, side - 1, color, math.sqrt(share), tip)
                words = _share(share) if rates else _count(number)
                ink = "on-blue" if share > 0.3 else "ink"
                canvas.text(x + side / 2, y + side / 2 + 3, words, 8.5, ink, "middle")
    return canvas


def _share(share: float) -> str:
    """Per cent, short; no 100 where something is missing."""
    if share < 0.0005:
        return "<.1"
    if 0.99 <= share < 1:
        return f"{min(share * 100, 99.9):.1f}"
    return f"{share * 100:.0f}" if share >= 0.0995 else f"{share * 100:.1f}".lstrip("0")


def _count(number: int) -> str:
    return str(number) if number < 10_000 else f"{number / 1000:.0f}k"


def calibration(title: str, evaluation: Evaluation) -> Canvas:
    """How often the network is right when it is so sure, and how many images it is so sure of."""
    confidence = evaluation.probabilities.max(axis=1).astype(np.float64)
    right = evaluation.predicted == evaluation.labels
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    canvas = Canvas(WIDTH, 330, title)
    canvas.text(8, 16, title, 12, bold=True)
    canvas.text(8, 32, "on the line: as often right as it is sure", 10, "pale")
    share = linear(0, 1)
    percent = Scale(share.place, tuple((at, f"{at * 100:.0f} %") for at, _ in share.ticks))
    axes = Axes(canvas, percent, percent, (_LEFT, 62, WIDTH - _RIGHT, 206))
    axes.frame("", "share that is right")
    canvas.line([axes.at(0, 0), axes.at(1, 1)], "pale")
    found = [(each, bins == each) for each in range(_BINS) if (bins == each).any()]
    points = [(confidence[here].mean(), right[here].mean(), int(here.sum())) for _, here in found]
    canvas.line([axes.at(x, y) for x, y, _ in points], "blue", 1.5)
    for x, y, number in points:
        tip = f"{number:,} images: {x:.1%} sure on average, {y:.1%} right"
        canvas.dot(*axes.at(x, y), 3, "blue", tip)
    below = Axes(
        canvas,
        percent,
        logarithmic([0.7, *(number for _, _, number in points)]),
        (_LEFT, 244, WIDTH - _RIGHT, 294),
    )
    below = dataclasses.replace(below, y=_thinned(below.y))
    below.frame("probability of the predicted class", "images")
    for (number, _), (_, _, images) in zip(found, points, strict=True):
        left, top = below.at(number / _BINS, images)
        right_x, bottom = below.at((number + 1) / _BINS, 0.7)
        canvas.rect(left + 1, top, right_x - left - 2, bottom - top, "blue", tip=f"{images:,}")
    return canvas


def _thinned(scale: Scale) -> Scale:
    step = math.ceil(len(scale.ticks) / 3)
    return Scale(scale.place, tuple((at, f"{at:,.0f}") for at, _ in scale.ticks[::step]))
