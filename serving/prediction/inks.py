"""Whether there is more than one digit in the image of one.

Two digits beside each other are two inks that do not touch, and about as tall as each other. A
digit in strokes that do not meet, such as many a 4 and 5, is two inks as well; but they lie one
above the other, or one is shorter. The bounds were chosen on MNIST's training images: of the
60,000 one counts as several. Of pairs of them beside each other, with gaps of 2 to 8 pixels where
a digit has 20, 97 % are found; of fours 92 %.
"""

import itertools

import numpy as np

from ...base.pictures.parts import LEAST_HEIGHT, LEAST_INK, MOST_SHARED

# Paler than this share of the full ink is paper.
_PAPER = 0.15


def are_several(image: np.ndarray) -> bool:
    """Whether an image, uint8 [H, W, C], light on black as MNIST's are, holds several digits."""
    grey = image.max(axis=2)
    inks = _inks(grey > _PAPER * 255)
    amounts = [int(grey[ink].sum()) for ink in inks]
    large = [
        ink for ink, amount in zip(inks, amounts, strict=True) if amount >= LEAST_INK * sum(amounts)
    ]
    if len(large) < 2:
        return False
    first_row, end_row = _extent(np.concatenate([rows for rows, _ in inks]))
    digits = sorted(
        _extent(columns)
        for rows, columns in large
        if len(np.unique(rows)) >= LEAST_HEIGHT * (end_row - first_row)
    )
    return any(
        stop - start_next <= MOST_SHARED * min(stop - start, stop_next - start_next)
        for (start, stop), (start_next, stop_next) in itertools.pairwise(digits)
    )


def _extent(indices: np.ndarray) -> tuple[int, int]:
    return int(indices.min()), int(indices.max()) + 1


def _inks(is_ink: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows and columns of the pixels of each ink; those that touch, also at corners, are one."""
    width = is_ink.shape[1] + 2  # With a margin, so that nothing touches across the edge.
    left = set(np.flatnonzero(np.pad(is_ink, 1)).tolist())
    around = [rows * width + columns for rows in (-1, 0, 1) for columns in (-1, 0, 1)]
    inks = []
    while left:
        ink = [left.pop()]
        for pixel in ink:  # It grows while it is walked through.
            touching = left.intersection(pixel + step for step in around)
            left -= touching
            ink += touching
        rows, columns = np.divmod(np.array(ink), width)
        inks.append((rows - 1, columns - 1))
    return inks
