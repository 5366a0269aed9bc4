"""Which columns of a CSV file are what: the label, the pixels, the split, and what is neither.

The forms that are known are Kaggle's `label,pixel0,…,pixel783` and its kin: the label first or
last or anywhere by its name, an index column before it, the pixels row by row (in each, the
channels). Source: https://www.kaggle.com/competitions/digit-recognizer/data. So is one column of
all pixels, between blanks, as in FER2013's `emotion,pixels,Usage`.
"""

import dataclasses
import math
import re
from collections.abc import Sequence

from .. import progress
from ..errors import DataError, UsageError
from . import roles
from .dialect import Dialect
from .roles import Rows
from .words import LABEL_NAMES

# A smaller picture is none: a table of measurements has as many columns.
_FEWEST_PIXELS = 9


@dataclasses.dataclass(frozen=True)
class Columns:
    """What is where in a row.

    Attributes:
      label: the column of the label; None: there is none.
      pixels: the columns of the pixels, in the picture's order; of packed ones, their numbers.
      shape: (height, width, channels) of the picture.
      split: the column that names the split, if there is one.
      packed: the column that holds all the pixels, if one does.
    """

    label: int | None
    pixels: tuple[int, ...]
    shape: tuple[int, int, int]
    split: int | None = None
    packed: int | None = None


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What the user says, or a model.

    Attributes:
      label_column: the label's column by name or number.
      image_size: (height, width).
      channels: 1 or 3.
      needs_label: whether rows without a label are of no use.
    """

    label_column: str | None = None
    image_size: tuple[int, int] | None = None
    channels: int | None = None
    needs_label: bool = True

    def shape(self, pixels: int) -> tuple[int, int, int] | None:
        """The shape of a picture with this many pixels; None: there is none."""
        for depth in (self.channels,) if self.channels else (1, 3):
            if pixels <= 0:
                break
            area, rest = divmod(pixels, depth)
            side = math.isqrt(area)
            height, width = self.image_size or (side, side)
            if rest == 0 and area == height * width:
                return height, width, depth
        return None


def find(dialect: Dialect, wanted: Wanted) -> Columns:
    """Finds the columns; says what was found.

    Raises:
      DataError: which column is the label cannot be told, or the rows are no pictures.
      UsageError: there is no such column as the user says, or no picture has this many pixels.
    """
    rows = [row for row in dialect.sample() if len(row) == dialect.columns]
    files = roles.files(dialect, rows)
    if files is not None:
        raise DataError(
            f"{dialect.path}: {name(dialect, files)} names picture files, such as "
            f"{rows[0][files]}: give their folder too, with --source_dir",
            option="source_dir",
        )
    label, split = _named_label(dialect, wanted), roles.split(dialect, rows)
    if label is None and wanted.needs_label:
        refuse_one_hot(dialect, rows)
    packed = roles.packed(rows, dialect.columns)
    if packed is not None:
        found = _packed(dialect, rows, wanted, label, split, packed)
    else:
        found = _one_each(dialect, rows, wanted, label, split)
    used = {found.label, found.split, *(found.pixels if packed is None else (packed,))}
    _say(dialect, found, [column for column in range(dialect.columns) if column not in used])
    return found


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


def is_named_label(dialect: Dialect, column: int) -> bool:
    """Whether the header says that a column holds the label."""
    return dialect.names is not None and dialect.names[column].lower() in LABEL_NAMES


def refuse_one_hot(dialect: Dialect, rows: Rows) -> None:
    """Refuses labels in several columns, by a `DataError`."""
    hot = roles.one_hot(rows, dialect.columns)
    if hot is not None:
        raise DataError(
            f"{dialect.path}: {name(dialect, hot[0])} to {name(dialect, hot[-1])} hold a single 1 "
            "in each row, as one-hot labels do: expected one column of labels; in pandas: "
            f"table.iloc[:, {hot.start}:{hot.stop}].idxmax(axis=1)"
        )


def _named_label(dialect: Dialect, wanted: Wanted) -> int | None:
    """The column of the label that the user or the header names."""
    if wanted.label_column is not None:
        return numbered(dialect, wanted.label_column)
    titles = [title.lower() for title in dialect.names or ()]
    named = (titles.index(title) for title in LABEL_NAMES if title in titles)
    return next(named, None)


def _one_each(
    dialect: Dialect, rows: Rows, wanted: Wanted, label: int | None, split: int | None
) -> Columns:
    """The columns of rows with a cell for each pixel."""
    others = roles.others(dialect, rows, label, split)
    free = [column for column in range(dialect.columns) if column not in (label, split, *others)]
    labels = int(label is None)  # Still among them.
    if not wanted.shape(len(free) - labels):
        if labels and (shape := wanted.shape(len(free))):
            return Columns(None, roles.in_order(dialect, free), shape, split)
        counts = free and len(rows) > 2 and roles.counts(rows, free[0])
        if not (counts and wanted.shape(len(free) - labels - 1)):
            raise _no_picture(dialect, len(free) - labels, label, wanted)
        free.pop(0)  # Without a name, a column that counts the rows.
    if label is None:
        label = _label_by_values(dialect, rows, free, wanted)
    pixels = [column for column in free if column != label]
    if len(pixels) < _FEWEST_PIXELS and wanted.needs_label:
        raise DataError(
            f"{dialect.path}: beside the label in {name(dialect, label)} there "
            f"{'is only 1 column' if len(pixels) == 1 else f'are only {len(pixels)} columns'}: too "
            "few for the pixels of a picture"
        )
    shape = wanted.shape(len(pixels)) or (0, 0, 0)
    return Columns(label, roles.in_order(dialect, pixels), shape, split)


def _packed(
    dialect: Dialect,
    rows: Rows,
    wanted: Wanted,
    label: int | None,
    split: int | None,
    packed: int,
) -> Columns:
    """The columns of rows with all pixels in one cell."""
    pixels = roles.packed_pixels(rows, packed)
    shape = wanted.shape(pixels)
    if shape is None:
        raise _no_picture(dialect, pixels, label, wanted)
    free = [column for column in range(dialect.columns) if column not in (label, split, packed)]
    if label is None and free:
        likely = [column for column in free if roles.looks_like_label(rows, column)]
        label = (likely or free)[0] if len(likely) == 1 or len(free) == 1 else None
        if label is None and wanted.needs_label:
            raise _which_label(dialect, rows, free)
    return Columns(label, tuple(range(pixels)), shape, split, packed)


def _label_by_values(dialect: Dialect, rows: Rows, free: Sequence[int], wanted: Wanted) -> int:
    """The only column of those that has no name like a pixel's, or words; or the first or last.

    Raises:
      DataError: it cannot be told which of the two it is.
    """
    odd = roles.odd_one(dialect, rows, free)
    if odd is not None:
        return odd
    if not wanted.needs_label and len(rows) <= roles.FEW_LABELS:  # Their values tell nothing.
        return free[0]
    candidates = (free[0], free[-1])
    likely = [column for column in candidates if roles.looks_like_label(rows, column)]
    if not likely:  # There are few rows of many classes.
        likely = [column for column in candidates if roles.may_be_label(rows, column)]
        likely = likely if len(likely) == 1 else []
    if len(likely) == 1:
        return likely[0]
    certain = [column for column in likely if not roles.is_like(rows, column, free[1:-1])]
    if len(certain) != 1:
        certain = [column for column in likely if roles.is_dense(rows, column)]
    if len(certain) != 1 and wanted.needs_label:
        raise _which_label(dialect, rows, candidates)
    label = certain[0] if len(certain) == 1 else free[0]
    if likely:
        other = candidates[label == candidates[0]]
        progress.say(
            f"{dialect.path}: {name(dialect, label)} is taken for the label, but "
            f"{name(dialect, other)} may be it"
            + (f": if so, say --label_column={other}" if wanted.needs_label else "")
        )
    return label


def _say(dialect: Dialect, found: Columns, others: Sequence[int]) -> None:
    shape = "x".join(map(str, found.shape[:2] if found.shape[2] == 1 else found.shape))
    parts = [
        "no label" if found.label is None else f"label in {name(dialect, found.label)}",
        f"{len(found.pixels):,} pixels {shape}"
        + (f" in {name(dialect, found.packed)}" if found.packed is not None else ""),
        *([f"split in {name(dialect, found.split)}"] if found.split is not None else []),
        str(dialect),
    ]
    left_out = f"; left out: {', '.join(name(dialect, column) for column in others)}"
    progress.say(f"{dialect.path}: {', '.join(parts)}{left_out if others else ''}")


def _which_label(dialect: Dialect, rows: Rows, candidates: Sequence[int]) -> DataError:
    seen = " and ".join(
        f"{name(dialect, column)} {len({row[column] for row in rows}):,} different values"
        for column in dict.fromkeys(candidates)
    )
    return DataError(
        f"{dialect.path}: which column holds the label cannot be told: in {len(rows):,} rows "
        f"there are in {seen}; name it with --label_column",
        option="label_column",
    )


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
