"""An image of a digit as the strokes of a pen, to be drawn anew."""

import numpy as np


def strokes_of(image):
    """From uint8 [H, W], light on dark, to lists of (row, column)."""
    left = set(map(tuple, np.argwhere(_thin(image > 100)).tolist()))

    def near(point):
        """Neighbours, those beside it before those across."""
        found = [each for each in left if _distance(each, point) == 1]
        return sorted(found, key=lambda each: (sum(each) - sum(point)) % 2 == 0)

    strokes = []
    while left:
        at = min(left, key=lambda point: (len(near(point)), point))  # An end, if there is one.
        left.discard(at)
        stroke = [at]
        while near(at):
            at = near(at)[0]
            left.discard(at)
            stroke.append(at)
        strokes.append(stroke)
    return [_joined(stroke, strokes[:at]) for at, stroke in enumerate(strokes)]


def _joined(stroke, before):
    """With its ends at the strokes before, or at itself, where it almost touches them."""
    drawn = [point for each in before for point in each]
    ends = []
    for end in (stroke[0], stroke[-1]):
        places = [*drawn, *stroke[2:-2]]
        ends.append([each for each in places if 0 < _distance(each, end) <= 2][:1])
    return [*ends[0], *stroke, *ends[1]]


def _distance(one, other):
    return max(abs(one[0] - other[0]), abs(one[1] - other[1]))


def _thin(ink):
    """Lines of one pixel: T. Zhang, C. Suen, "A fast parallel algorithm for thinning digital
    patterns", Communications of the ACM 27, 1984."""
    ink = np.pad(ink.astype(int), 1)
    while True:
        before = ink.sum()
        for first in (True, False):
            gone = [at for at in zip(*np.nonzero(ink), strict=True) if _is_edge(ink, *at, first)]
            for at in gone:
                ink[at] = 0
        if ink.sum() == before:
            return ink[1:-1, 1:-1]


def _is_edge(ink, row, column, first):
    steps = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
    around = [ink[row + down, column + right] for down, right in steps]
    north, _, east, _, south, _, west, _ = around
    begins = sum(one < other for one, other in zip(around, around[1:] + around[:1], strict=True))
    kept = (north * east * south, east * south * west) if first else (
        north * east * west, north * south * west)  # fmt: skip
    return 2 <= sum(around) <= 6 and begins == 1 and not any(kept)
