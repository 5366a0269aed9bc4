"""Scales and axes of charts."""

import dataclasses
import math
from collections.abc import Callable, Sequence

from .canvas import Canvas

# The error that is taken for none, where all is right.
_SUREST = 1e-3
_SHARES = (0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9999, 1)


@dataclasses.dataclass(frozen=True)
class Scale:
    """From values to 0 (the axis's start) and 1 (its end), and the values that are labelled."""

    place: Callable[[float], float]
    ticks: tuple[tuple[float, str], ...]


def linear(low: float, high: float, unit: str = "") -> Scale:
    """An even scale; it ends at round numbers at or beyond `high`."""
    span = max(high - low, 1e-12)
    step = 10.0 ** math.floor(math.log10(span / 4))
    step *= next(each for each in (1, 2, 5, 10) if span / (step * each) <= 5)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    last = max(last, first + 1)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    # There is no room for all their digits.
    part, many = (
        (1e6, " M") if last * step >= 1e7 else (1e3, " k") if last * step >= 1e6 else (1, "")
    )
    ticks = tuple(
        (at * step, f"{at * step / part:,.{decimals}f}{many}{unit}")
        for at in range(first, last + 1)
    )
    return Scale(lambda value: (value / step - first) / (last - first), ticks)


def exact(high: float) -> Scale:
    """An even scale from 0 that ends at `high`, with the round numbers up to it."""
    ticks = tuple(each for each in linear(0, high).ticks if each[0] <= high * (1 + 1e-9))
    return Scale(lambda value: value / high, ticks)


def logarithmic(values: Sequence[float]) -> Scale:
    """A scale for these values on which each factor has its length."""
    low = max(min(values), 1e-9)
    bottom, top = math.log10(low), math.log10(max(*values, low * 1.01))
    powers = range(math.floor(bottom) - 1, math.ceil(top) + 1)
    ticks: list[float] = []
    for parts in ((1,), (1, 3), (1, 2, 5)):  # As few as tell enough.
        if len(ticks) < 3:
            found = [part * 10.0**power for power in powers for part in parts]
            ticks = [each for each in found if bottom - 1e-9 <= math.log10(each) <= top + 1e-9]
    return Scale(
        lambda value: (math.log10(max(value, low)) - bottom) / (top - bottom),
        tuple((each, f"{each:g}") for each in ticks) if len(ticks) > 2 else _even(low, max(values)),
    )


def nines(values: Sequence[float]) -> Scale:
    """A scale for these shares on which 90 %, 99 % and 99.9 % are as far from each other.

    100 % would be without end: it is drawn as half the smallest error there is.
    """
    surest = min((1 - value for value in values if value < 1), default=_SUREST) / 2

    def depth(value: float) -> float:
        return -math.log10(max(1 - value, surest))

    low, high = min(values), max(values)
    bottom, top = depth(low), max(depth(high), depth(low) + 0.05)
    inside = [each for each in _SHARES if low - 1e-9 <= each <= high + 1e-9]
    ticks: list[tuple[float, str]] = []
    for each in reversed(inside):  # Those that would touch are left out.
        if not ticks or depth(ticks[-1][0]) - depth(each) >= (top - bottom) / 8:
            ticks.append((each, f"{each * 100:g} %"))
    if len(ticks) < 3:
        found = _even(100 * low, 100 * high)
        ticks = [(value / 100, f"{words} %") for value, words in found]
    return Scale(lambda value: (depth(value) - bottom) / (top - bottom), tuple(ticks))


def _even(low: float, high: float) -> tuple[tuple[float, str], ...]:
    """Round values between two that are so near that no usual mark lies there."""
    margin = 1e-9 * max(abs(low), abs(high), 1e-9)
    ticks = linear(low, high).ticks if high - low > 1000 * margin else ()
    inside = tuple(each for each in ticks if low - margin <= each[0] <= high + margin)
    return inside or ((low, f"{low:.4g}"),)


@dataclasses.dataclass(frozen=True)
class Axes:
    """A drawing's box with its two scales."""

    canvas: Canvas
    x: Scale
    y: Scale
    box: tuple[float, float, float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point lies on the canvas."""
        left, top, right, bottom = self.box
        return left + self.x.place(x) * (right - left), bottom - self.y.place(y) * (bottom - top)

    def frame(self, x_label: str, y_label: str) -> None:
        """Draws the grid, the scales and what they mean."""
        left, top, right, bottom = self.box
        for value, words in self.y.ticks:
            y = bottom - self.y.place(value) * (bottom - top)
            self.canvas.line([(left, y), (right, y)], "grid")
            self.canvas.text(left - 5, y + 3.5, words, 10, "pale", "end")
        for value, words in self.x.ticks:
            x = left + self.x.place(value) * (right - left)
            self.canvas.line([(x, bottom), (x, bottom + 3)], "pale")
            self.canvas.text(x, bottom + 14, words, 10, "pale", "middle")
        self.canvas.line([(left, bottom), (right, bottom)], "pale")
        self.canvas.text((left + right) / 2, bottom + 28, x_label, 10, "pale", "middle")
        self.canvas.text(left - 40, top - 8, y_label, 10, "pale")
