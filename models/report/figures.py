"""The charts of a report: curves, matrices and calibration.

Each is as wide as a phone's page, so that its letters keep their size there.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...base.charts import BLUE, GRID, INK, ON_BLUE, PALE, SCALE, VERMILION, Chart, width_of
from ...base.tables import short
from ...data.inspection.charts import WIDTH
from ..evaluation.metrics import BINS, Evaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Of more classes, a matrix shows some.
MATRIX = 40
_LEFT, _RIGHT = 50, 16
# By scale, what other values are drawn as: a loss of 0 and a share of 100 % are without end.
_DRAWN = {"linear": (0.0, math.inf), "log": (1e-9, math.inf), "nines": (1e-5, 1 - 1e-5)}
_SHARES = (0.1, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9999)


@dataclasses.dataclass(frozen=True)
class Series:
    """A curve: its name in the legend, its colour, points (x, y), and whether each is marked."""

    name: str
    color: str
    points: tuple[tuple[float, float], ...]
    dots: bool = False


def curves(
    title: str,
    y_label: str,
    series: Sequence[Series],
    scale: str = "linear",
    together: Sequence[float] = (),
) -> Chart:
    """Curves over the epochs.

    Args:
      y_label: with its unit.
      series: at least one point in all.
      scale: of y: `linear` from 0, `log`, or `nines` for shares: 90 %, 99 % and 99.9 % are as
        far from each other.
      together: values of y in other charts that have the same scale.
    """
    chart = Chart(WIDTH, 240, title)
    axes = chart.axes(_LEFT, 60, WIDTH - _RIGHT, 200, "epochs", y_label)
    end = max(x for curve in series for x, _ in curve.points)
    values = [y for curve in series for _, y in curve.points] + list(together)
    axes.set_xlim(0, end)
    axes.locator_params(axis="x", nbins=5)
    _set_scale(axes, scale, values)
    for curve in series:
        marked = curve.dots or len(curve.points) == 1
        epochs, ys = np.transpose(curve.points)
        axes.plot(
            epochs,
            np.clip(ys, *_DRAWN[scale]),
            color=curve.color,
            linewidth=1.5,
            marker="o" if marked else "",
            markersize=4.4,
            clip_on=False,
            label=curve.name,
        )
        for x, y in curve.points if marked else ():
            chart.tip_at(axes, x, y, f"{curve.name}: {y:.4g} at {x:.4g}")
    if len(series) > 1:
        axes.legend(
            loc="lower right", bbox_to_anchor=(1, 1.08), ncols=2, frameon=False, labelcolor=INK
        )
    return chart


def _set_scale(axes: "Axes", scale: str, values: Sequence[float]) -> None:
    """Makes room for values of y, and marks round ones."""
    from matplotlib.ticker import LogitLocator, LogLocator, MaxNLocator

    low, high = np.clip((min(values), max(values)), *_DRAWN[scale]).tolist()
    if scale == "log":
        axes.set_yscale("log")
        axes.set_ylim(low / 1.1, high * 1.1)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 3), numticks=12))
        axes.yaxis.set_major_formatter("{x:.4g}")
    elif scale == "nines":
        axes.set_yscale("logit")
        axes.set_ylim(low - 0.1 * min(low, 1 - low), high + 0.1 * (1 - high))
        axes.yaxis.set_major_locator(LogitLocator(nbins=6))
        shares: list[float] = []
        for share in _SHARES:
            near = shares and axes.transData.transform([(0, shares[-1]), (0, share)])[:, 1]
            if low <= share <= high and (not shares or np.ptp(near) >= 14 * SCALE):
                shares.append(share)
        if len(shares) > 2 or high - low < 1e-4:
            axes.set_yticks(shares or [low])
        axes.yaxis.set_major_formatter(lambda share, _: f"{share * 100:.5g} %")
    else:
        axes.set_ylim(0, 1.05 * high or 1.0)
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        # Large numbers have no room for all their digits.
        divisor, unit = (1e6, " M") if high >= 1e7 else (1e3, " k") if high >= 1e6 else (1, "")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value / divisor:,.6g}{unit}")
    axes.minorticks_off()


def confusion(
    title: str, label_names: Sequence[str], matrix: np.ndarray, rates: bool = False
) -> Chart:
    """How often each class is taken for each.

    Args:
      matrix: int64 [K, K], images by true (row) and predicted class.
      rates: shares of each row in per cent, instead of counts.
    """
    count = len(label_names)
    shown, note = list(range(count)), ""
    if count > MATRIX:  # Those with most mistakes.
        wrong = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * np.diag(matrix)
        shown = sorted(np.argsort(-wrong, kind="stable")[:MATRIX].tolist())
        note = f"the {MATRIX} classes of {count:,} with most mistakes"
    names = [short(label_names[label], 12) for label in shown]
    side = 27 if len(shown) <= 10 else 25
    longest = max(map(width_of, names))
    left, top = 32 + longest, 58 + (longest if longest > side - 4 else 10)
    bottom = top + side * len(shown)
    chart = Chart(max(left + side * len(shown) + 10, WIDTH), bottom + 12, title, note)
    chart.text(left, 48, "predicted class", color=PALE)
    chart.text(16, (top + bottom) / 2, "true class", color=PALE, align="center", upright=True)
    totals = np.maximum(matrix.sum(axis=1), 1)
    boxes, colors = [], []
    for row, (true, name) in enumerate(zip(shown, names, strict=True)):
        y, middle = top + row * side, left + row * side + side / 2
        chart.text(left - 6, y + side / 2 + 3.5, name, align="right")
        if longest > side - 4:
            chart.text(middle + 3.5, top - 5, name, upright=True)
        else:
            chart.text(middle, top - 5, name, align="center")
        for column, predicted in enumerate(shown):
            number, share = int(matrix[true, predicted]), matrix[true, predicted] / totals[true]
            x = left + column * side
            boxes.append((x, y, side - 1, side - 1))
            colors.append((GRID, 0.4))
            if number:
                # Mistakes are few: the root makes them visible.
                colors[-1] = (BLUE if true == predicted else VERMILION, math.sqrt(share))
                words = _share(share) if rates else _count(number)
                color = ON_BLUE if share > 0.3 else INK
                chart.text(x + side / 2 - 0.5, y + side / 2 + 2.5, words, 8.5, color, "center")
                taken = f"{label_names[true]} taken for {label_names[predicted]}"
                chart.tip(x, y, side - 1, side - 1, f"{taken}: {number:,} ({share:.2%})")
    chart.rectangles(boxes, colors)
    return chart


def _share(share: float) -> str:
    """Per cent, short; no 100 where something is missing."""
    if share < 0.0005:
        return "<.1"
    if 0.99 <= share < 1:
        return f"{min(share * 100, 99.9):.1f}"
    return f"{share * 100:.0f}" if share >= 0.0995 else f"{share * 100:.1f}".lstrip("0")


def _count(number: int) -> str:
    return str(number) if number < 10_000 else f"{number / 1000:.0f}k"


def calibration(title: str, evaluation: Evaluation) -> Chart:
    """How often the network is right by how sure it is, and how many images it is so sure of."""
    from matplotlib.ticker import LogLocator

    confidence, right = evaluation.confidence, evaluation.right
    bins = evaluation.confidence_bins
    chart = Chart(WIDTH, 338, title, "on the line: as often right as it is sure")
    right_edge = WIDTH - _RIGHT - 8
    above = chart.axes(_LEFT, 66, right_edge, 206, "", "share that is right")
    below = chart.axes(_LEFT, 252, right_edge, 300, "probability of the predicted class", "images")
    percents = np.linspace(0, 1, 6)
    labels = [f"{share * 100:.0f} %" for share in percents]
    for axes in (above, below):
        axes.set(xlim=(0, 1), xticks=percents, xticklabels=labels)
    above.set(ylim=(0, 1), yticks=percents, yticklabels=labels)
    above.plot((0, 1), (0, 1), color=PALE, linewidth=1)
    points = [
        (confidence[inside].mean(), right[inside].mean(), np.count_nonzero(inside), number)
        for number in range(BINS)
        if (inside := bins == number).any()
    ]
    sure, shares, counts, numbers = map(list, zip(*points, strict=True))
    above.plot(sure, shares, color=BLUE, linewidth=1.5, marker="o", markersize=6, clip_on=False)
    _set_scale(below, "log", (0.8, max(*counts, 2)))
    below.yaxis.set_major_locator(LogLocator(numticks=3))
    below.bar([(number + 0.5) / BINS for number in numbers], counts, 0.9 / BINS, color=BLUE)
    for x, y, count, number in points:
        words = f"{count:,} images: {x:.1%} sure on average, {y:.1%} right"
        chart.tip_at(above, x, y, words)
        chart.tip_at(below, (number + 0.5) / BINS, float(count), words)
    return chart
