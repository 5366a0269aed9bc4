"""Which columns of a CSV file are what: the label, the pixels, and what is neither.

The forms that are known are Kaggle's `label,pixel0,…,pixel783` and its kin: the label first or
last or anywhere by its name, an index column before it, the pixels row by row (in each, the
channels). Source: https://www.kaggle.com/competitions/digit-recognizer/data.
"""

import dataclasses
import math
import re
from collections.abc import Sequence

from ....base import progress
from ....base.errors import DataError, UsageError
from .dialect import LABEL_NAMES, Dialect, is_number, is_picture

# pixel0, x_12, p3, px28, 1x1, r0, 0: what ends with a number, perhaps row and column.
_PIXEL = re.compile(r"([a-z]*[^0-9]*?)[-_. ]?([0-9]+)(?:[x_. -]([0-9]+))?", re.IGNORECASE)
# What a column that counts the rows is called.
_UNNAMED = {"", "unnamed: 0"}
_INDEX = {"index", "idx", "id", "imageid", "image_id", "row", "no", "nr", "rowid"}
# A smaller picture is none: a table of measurements has as many columns.
_FEWEST_PIXELS = 9
# Only as many different labels, or this share of the rows, are plausible in a sample.
_FEW_LABELS, _LABEL_SHARE = 10, 1 / 3


@dataclasses.dataclass(frozen=True)
class Columns:
    """What is where in a row.

    Attributes:
      label: the column of the label.
      pixels: the columns of the pixels, in the picture's order.
      shape: (height, width, channels) of the picture.
    """

    label: int
    pixels: tuple[int, ...]
    shape: tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What the user says: the label's column by name or number, (height, width), channels."""

    label_column: str | None = None
    image_size: tuple[int, int] | None = None
    channels: int | None = None


def find(dialect: Dialect, wanted: Wanted) -> Columns | None:
    """Finds the columns; says what was found. None: there is no label, only pixels.

    Raises:
      DataError: which column is the label cannot be told, or the rows are no pictures.
      UsageError: there is no such column as the user says, or no picture has this many pixels.
    """
    rows = [row for row in dialect.sample() if len(row) == dialect.columns]
    files = [column for column in range(dialect.columns) if _names_files(rows, column)]
    if files:
        raise DataError(
            f"{dialect.path}: {name(dialect, files[0])} names picture files, such as "
            f"{rows[0][files[0]]}: give their folder too, with --source_dir",
            option="source_dir",
        )
    label = _named_label(dialect, wanted)
    others = _others(dialect, rows, label)
    free = [column for column in range(dialect.columns) if column not in (label, *others)]
    labels = int(label is None)  # Still among them.
    if not _shape(len(free) - labels, wanted):
        if labels and _shape(len(free), wanted):
            return None
        counts = len(rows) > 2 and _counts(rows, free[0])
        if not (counts and _shape(len(free) - labels - 1, wanted)):
            raise _no_picture(dialect, len(free) - labels, label, wanted)
        others.append(free.pop(0))  # Without a name, a column that counts the rows.
    if label is None:
        label = _label_by_values(dialect, rows, free)
    pixels = [column for column in free if column != label]
    shape = _shape(len(pixels), wanted) or (0, 0, 0)
    if len(pixels) < _FEWEST_PIXELS:
        raise DataError(
            f"{dialect.path}: beside the label in {name(dialect, label)} there "
            f"{'is only 1 column' if len(pixels) == 1 else f'are only {len(pixels)} columns'}: too "
            "few for the pixels of a picture"
        )
    ordered = _in_order(dialect, pixels)
    left_out = f"; left out: {', '.join(name(dialect, column) for column in others)}"
    progress.say(
        f"{dialect.path}: label in {name(dialect, label)}, {len(pixels):,} pixels "
        f"{'x'.join(map(str, shape[:2] if shape[2] == 1 else shape))}, {dialect}"
        f"{left_out if others else ''}"
    )
    return Columns(label, ordered, shape)


def name(dialect: Dialect, column: int) -> str:
    """A column's name for messages."""
    if dialect.names and dialect.names[column]:
        return f"column `{dialect.names[column]}`"
    place = {0: ", the first", dialect.columns - 1: ", the last"}.get(column, "")
    return f"column {column} (counted from 0{place})"


def numbered(dialect: Dialect, word: str) -> int:
    """The number of the column that a user names, or numbers from 0; -1 is the last.

    Raises:
      UsageError: there is none.
    """
    names = [title.lower() for title in dialect.names or ()]
    if word.strip().lower() in names:
        return names.index(word.strip().lower())
    if re.fullmatch(r"-?[0-9]+", word) and -dialect.columns <= int(word) < dialect.columns:
        return int(word) % dialect.columns
    shown = ", ".join(title for title in (dialect.names or ())[:6])
    there = f"named {shown}{', …' if dialect.columns > 6 else ''}, or" if shown else "numbered"
    raise UsageError(
        f"--label_column={word}: {dialect.path} has {dialect.columns:,} columns, {there} 0 to "
        f"{dialect.columns - 1:,}",
        option="label_column",
    )


def _shape(pixels: int, wanted: Wanted) -> tuple[int, int, int] | None:
    """The shape of a picture with this many pixels; None: there is none."""
    for depth in (wanted.channels,) if wanted.channels else (1, 3):
        area, rest = divmod(pixels, depth)
        side = math.isqrt(area)
        height, width = wanted.image_size or (side, side)
        if rest == 0 and area == height * width and area > 0:
            return height, width, depth
    return None


def _named_label(dialect: Dialect, wanted: Wanted) -> int | None:
    """The column of the label that the user or the header names."""
    if wanted.label_column is not None:
        return numbered(dialect, wanted.label_column)
    titles = [title.lower() for title in dialect.names or ()]
    named = (titles.index(title) for title in LABEL_NAMES if title in titles)
    return next(named, None)


def is_named_label(dialect: Dialect, column: int) -> bool:
    """Whether the header says that a column holds the label."""
    return dialect.names is not None and dialect.names[column].lower() in LABEL_NAMES


def _others(dialect: Dialect, rows: Sequence[Sequence[str]], label: int | None) -> list[int]:
    """The columns that are neither label nor pixels, by their names; and an empty one."""
    if dialect.names is None:
        last = dialect.columns - 1
        return [last] if last != label and not any(row[last] for row in rows) else []
    titles = [title.lower() for title in dialect.names]
    are_pixels = [bool(_PIXEL.fullmatch(title)) for title in titles]
    most_are = sum(are_pixels) > dialect.columns / 2
    others = [
        column
        for column, title in enumerate(titles)
        if title in _UNNAMED
        or (title in _INDEX and _counts(rows, column))
        or (most_are and not are_pixels[column])
    ]
    if label is None and most_are:  # The odd one out.
        likely = [column for column in others if looks_like_label(rows, column)]
        others = [column for column in others if len(likely) != 1 or column not in likely]
    return [column for column in others if column != label]


def _counts(rows: Sequence[Sequence[str]], column: int) -> bool:
    """Whether a column's values are different in every row, as of one that counts them."""
    return len({row[column] for row in rows}) == len(rows)


def _label_by_values(dialect: Dialect, rows: Sequence[Sequence[str]], free: Sequence[int]) -> int:
    """The only column of those that has no name like a pixel's, or words; or the first or last."""
    words = [column for column in free if _holds_words(rows, column)]
    if dialect.names and not words:
        words = [column for column in free if not _PIXEL.fullmatch(dialect.names[column])]
    if len(words) == 1 and looks_like_label(rows, words[0]):
        return words[0]
    candidates = (free[0], free[-1]) if free else ()
    likely = [column for column in candidates if looks_like_label(rows, column)]
    if not likely:
        seen = " and ".join(
            f"{name(dialect, column)} {len({row[column] for row in rows}):,} different values"
            for column in dict.fromkeys(candidates)
        )
        raise DataError(
            f"{dialect.path}: which column holds the label cannot be told: in {len(rows):,} rows "
            f"there are in {seen}; name it with --label_column",
            option="label_column",
        )
    first, last = likely[0], likely[-1]
    if first != last and _is_dense(rows, last) > _is_dense(rows, first):
        return last
    if first != last and _is_dense(rows, last):
        progress.say(
            f"{dialect.path}: {name(dialect, first)} is taken for the label; if it is "
            f"{name(dialect, last)}, say so with --label_column={last}"
        )
    return first


def _names_files(rows: Sequence[Sequence[str]], column: int) -> bool:
    values = [row[column] for row in rows if row[column]]
    return sum(map(is_picture, values)) > len(values) / 2


def _holds_words(rows: Sequence[Sequence[str]], column: int) -> bool:
    values = [row[column] for row in rows if row[column]]
    return sum(map(is_number, values)) < len(values) / 2


def looks_like_label(rows: Sequence[Sequence[str]], column: int) -> bool:
    """Whether values repeat, as classes do, and are not all the same."""
    values = {row[column] for row in rows if row[column]}
    whole = all(not is_number(value) or float(value.replace(",", ".")) % 1 == 0 for value in values)
    return whole and 1 < len(values) <= max(_FEW_LABELS, _LABEL_SHARE * len(rows))


def _is_dense(rows: Sequence[Sequence[str]], column: int) -> bool:
    """Whether the values are 0, 1, 2, … or 1, 2, 3, … without gaps."""
    values = {row[column] for row in rows if row[column]}
    if not all(map(is_number, values)):
        return False
    numbers = {float(value.replace(",", ".")) for value in values}
    first = min(numbers)
    return first in (0, 1) and max(numbers) - first + 1 == len(numbers) > 1


def _in_order(dialect: Dialect, pixels: Sequence[int]) -> tuple[int, ...]:
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


def _no_picture(dialect: Dialect, pixels: int, label: int | None, wanted: Wanted) -> UsageError:
    size = wanted.image_size
    expected = f" of {size[0]}x{size[1]}" if size else ", square with 1 or 3 channels"
    beside = "a label" if label is None else f"the label in {name(dialect, label)}"
    return UsageError(
        f"{dialect.path}: its rows have {dialect.columns:,} columns ({dialect}), {pixels:,} beside "
        f"{beside}: expected the pixels of an image{expected}; give its size with "
        "--image_size=HxW (and --channels=1 or 3), or the label's column with --label_column",
        option="image_size",
    )
