"""An image of a digit as the strokes of a pen, to draw it again."""

import numpy as np

Point = tuple[int, int]
# Of the neighbours, from the one above on, clockwise: rows down, columns right.
_AROUND = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))


def strokes_of(image: np.ndarray) -> list[list[Point]]:
    """From uint8 [H, W], light on dark, to lists of (row, column)."""
    left = set(zip(*(axis.tolist() for axis in np.nonzero(_thin(image > 100))), strict=True))

    def near(point: Point) -> list[Point]:
        """Neighbours, those beside it before those across."""
        neighbours = [other for other in left if _distance(other, point) == 1]
        return sorted(neighbours, key=lambda other: (sum(other) - sum(point)) % 2 == 0)

    strokes = []
    while left:
        point = min(left, key=lambda point: (len(near(point)), point))  # An end, if there is one.
        left.discard(point)
        stroke = [point]
        while near(point):
            point = near(point)[0]
            left.discard(point)
            stroke.append(point)
        strokes.append(stroke)
    return [_joined(stroke, strokes[:index]) for index, stroke in enumerate(strokes)]


def _joined(stroke: list[Point], before: list[list[Point]]) -> list[Point]:
    """With its ends at the strokes before, or at itself, where it almost touches them."""
    drawn = [point for other in before for point in other]
    ends = []
    for end in (stroke[0], stroke[-1]):
        points = [*drawn, *stroke[2:-2]]
        ends.append([point for point in points if 0 < _distance(point, end) <= 2][:1])
    return [*ends[0], *stroke, *ends[1]]


def _distance(one: Point, other: Point) -> int:
    return max(abs(one[0] - other[0]), abs(one[1] - other[1]))


def _thin(ink: np.ndarray) -> np.ndarray:
    """Lines of one pixel, of bool [H, W].

    T. Zhang, C. Suen, "A fast parallel algorithm for thinning digital patterns", Communications of
    the ACM 27, 1984.
    """
    ink = np.pad(ink.astype(int), 1)
    while True:
        before = ink.sum()
        for first in (True, False):
            pixels = zip(*np.nonzero(ink), strict=True)
            for row, column in [pixel for pixel in pixels if _is_edge(ink, *pixel, first=first)]:
                ink[row, column] = 0
        if ink.sum() == before:
            return ink[1:-1, 1:-1]


def _is_edge(ink: np.ndarray, row: int, column: int, *, first: bool) -> bool:
    around = [int(ink[row + down, column + right]) for down, right in _AROUND]
    north, _, east, _, south, _, west, _ = around
    begins = sum(one < other for one, other in zip(around, around[1:] + around[:1], strict=True))
    if first:
        is_kept = north * east * south or east * south * west
    else:
        is_kept = north * east * west or north * south * west
    return 2 <= sum(around) <= 6 and begins == 1 and not is_kept
