"""What a column of a table may be, by its name and by a sample of its values."""

import re
from collections.abc import Sequence

from .. import progress
from .dialect import Dialect
from .words import SPLIT_NAMES, SPLITS, is_number, is_picture, number

Rows = Sequence[Sequence[str]]
# pixel0, x_12, p3, px28, 1x1, r0, 0: what ends with a number, perhaps row and column.
# (No number is longer than 18 digits: int() takes 4,300 at most.)
_PIXEL = re.compile(r"([^0-9]*?)[-_. ]?([0-9]{1,18})(?:[x_. -]([0-9]{1,18}))?", re.IGNORECASE)
# Many numbers in one cell, as they are written or as Python prints a list.
_PACKED = re.compile(r"[\[(]*\s*[0-9][0-9.eE+-]*(?:[\s,]+[0-9][0-9.eE+-]*){8,}(?:\s[\s.]*)?[\])]*")
# As many of them are in a cell at least: with what is between them, a text of twice this length.
_FEWEST = 9
# What a column that counts the rows is called.
_UNNAMED = {"", "unnamed: 0"}
_INDEX = {"index", "idx", "id", "imageid", "image_id", "row", "no", "nr", "rowid"}
# Only as many different labels, or this share of the rows, are plausible in a sample.
FEW_LABELS, _LABEL_SHARE = 10, 1 / 3


def files(dialect: Dialect, rows: Rows) -> int | None:
    """The first column that names picture files."""
    for column in range(dialect.columns):
        values = _values(rows, column)
        if sum(map(is_picture, values)) > len(values) / 2:
            return column
    return None


def split(dialect: Dialect, rows: Rows) -> int | None:
    """The column that says which split a row is of."""
    for column, title in enumerate(dialect.names or ()):
        values = {value.lower() for value in _values(rows, column)}
        if title.lower() in SPLIT_NAMES and values and values <= set(SPLITS):
            return column
    return None


def packed(rows: Rows, columns: int) -> int | None:
    """The column whose cells hold many numbers each."""
    for column in range(columns):
        values = _values(rows, column)
        long = [value for value in values if len(value) >= 2 * _FEWEST - 1]
        if len(long) > len(values) / 2 and all(map(_PACKED.fullmatch, long)):
            return column
    return None


def packed_pixels(rows: Rows, column: int) -> int:
    """How many numbers are in most of its cells."""
    counts = [len(re.split(r"[\s,]+", value.strip(" []()"))) for value in _values(rows, column)]
    return max(set(counts), key=counts.count)


def others(dialect: Dialect, rows: Rows, label: int | None, split: int | None) -> list[int]:
    """The columns that are neither these nor pixels, by their names; and an empty one."""
    if dialect.names is None:
        last = dialect.columns - 1
        return [last] if last != label and not any(row[last] for row in rows) else []
    titles = [title.lower() for title in dialect.names]
    are_pixels = [bool(_PIXEL.fullmatch(title)) for title in titles]
    most_are = sum(are_pixels) > dialect.columns / 2
    found = [
        column
        for column, title in enumerate(titles)
        if column not in (label, split)
        and (
            title in _UNNAMED
            or (title in _INDEX and counts(rows, column))
            or (most_are and not are_pixels[column])
        )
    ]
    if label is None and most_are:
        likely = [column for column in found if looks_like_label(rows, column)]  # The odd one out.
        found = [column for column in found if len(likely) != 1 or column not in likely]
    return found


def one_hot(rows: Rows, columns: int) -> range | None:
    """The first or last columns, if each row has zeros and a single 1 there."""
    filled = [column for column in range(columns) if any(row[column] for row in rows)]
    for order in (filled, filled[::-1]):
        sums = [0.0] * len(rows)
        for count, column in enumerate(order, 1):
            cells = [row[column] for row in rows]
            if not all(is_number(cell) and number(cell) in (0, 1) for cell in cells):
                break
            sums = [sum_ + number(cell) for sum_, cell in zip(sums, cells, strict=True)]
            if max(sums, default=2) > 1:
                break
            if count > 1 and min(sums) == 1 and count < len(rows):
                return range(min(order[0], column), max(order[0], column) + 1)
    return None


def counts(rows: Rows, column: int) -> bool:
    """Whether a column's values are different in every row, as of one that counts them."""
    return len({row[column] for row in rows}) == len(rows)


def odd_one(dialect: Dialect, rows: Rows, columns: Sequence[int]) -> int | None:
    """The only column that holds words, or else that has no name like a pixel's; as a label may."""
    words = [column for column in columns if _holds_words(rows, column)]
    if dialect.names and not words:
        words = [column for column in columns if not _PIXEL.fullmatch(dialect.names[column])]
    return words[0] if len(words) == 1 and looks_like_label(rows, words[0]) else None


def looks_like_label(rows: Rows, column: int) -> bool:
    """Whether values repeat, as classes do, and are not all the same."""
    values = set(_values(rows, column))
    whole = all(not is_number(value) or number(value) % 1 == 0 for value in values)
    return whole and 1 < len(values) <= max(FEW_LABELS, _LABEL_SHARE * len(rows))


def may_be_label(rows: Rows, column: int) -> bool:
    """Whether values are whole numbers, two rows or more of each on average, not all the same."""
    values = set(_values(rows, column))
    whole = all(is_number(value) and number(value) % 1 == 0 for value in values)
    return whole and 1 < len(values) <= len(rows) / 2


def is_like(rows: Rows, column: int, others: Sequence[int]) -> bool:
    """Whether what stands in a column stands in others too, but for a few cells."""
    values, known = _values(rows, column), {row[other] for row in rows for other in others}
    return sum(value not in known for value in values) < 0.1 * len(values)


def is_dense(rows: Rows, column: int) -> bool:
    """Whether the values are 0, 1, 2, … or 1, 2, 3, … without gaps."""
    values = set(_values(rows, column))
    if not all(map(is_number, values)):
        return False
    numbers = set(map(number, values))
    first = min(numbers, default=-1)
    return first in (0, 1) and max(numbers) - first + 1 == len(numbers) > 1


def in_order(dialect: Dialect, pixels: Sequence[int]) -> tuple[int, ...]:
    """The columns of the pixels by the numbers in their names, where they are not in order.

    Tables that were sorted by name have pixel10 before pixel2. Names r0, r1, …, g0, … are
    brought together pixel by pixel.
    """
    if dialect.names is None:
        return tuple(pixels)
    prefixes: dict[str, int] = {}
    keys = []
    for column in pixels:
        match = _PIXEL.fullmatch(dialect.names[column])
        if match is None:
            return tuple(pixels)
        prefix = prefixes.setdefault(match[1].lower(), len(prefixes))
        keys.append((int(match[2]), int(match[3] or 0), prefix))
    order = sorted(range(len(keys)), key=keys.__getitem__)
    ordered = tuple(pixels[index] for index in order)
    if len(set(keys)) < len(keys) or len(prefixes) > 3 or ordered == tuple(pixels):
        return tuple(pixels)
    progress.say(f"{dialect.path}: the pixels are taken in the order of the numbers in their names")
    return ordered


def _holds_words(rows: Rows, column: int) -> bool:
    values = _values(rows, column)
    return sum(map(is_number, values)) < len(values) / 2


def _values(rows: Rows, column: int) -> list[str]:
    """What stands in a column, without empty cells."""
    return [row[column] for row in rows if row[column]]
