"""CSV files of images, one a row, as of Kaggle's digit recognizer: pixels, perhaps a label.

The columns of pixels are found by the size of the model's images; a column of labels and one of
row numbers are not read.
"""

import contextlib
import csv
import dataclasses
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ...base import progress
from ...base.errors import DataError
from .pictures import Picture, Wanted, described
from .pixels import as_pixels, scale_of

# Rows that are parsed at once.
_BLOCK = 256
_SEPARATORS = ",;\t"
_PIXEL = re.compile(r"(pixel|pix|px|p|x|v|column|col|feature|f)?[ _-]?\d+([x_]\d+)*", re.IGNORECASE)
_LABEL = re.compile(r"label|labels|class|target|y|digit", re.IGNORECASE)
_NUMBER = re.compile(r"|id|image_?id|index|unnamed: 0", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class _Columns:
    """How the lines are cut.

    Attributes:
      separator: between the values.
      count: of all columns.
      pixels: which of them are pixels.
      has_header: whether the first line names them.
      others: the names of those that are not read.
    """

    separator: str
    count: int
    pixels: tuple[int, ...]
    has_header: bool
    others: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class CsvRows:
    """The rows of a file, a `pictures.Source`."""

    path: Path

    @property
    def count(self) -> int:
        """About: blank lines and a header count too."""
        if not self.path.is_file():
            return 0
        with open(self.path, "rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))

    def read(self, wanted: Wanted) -> Iterator[Picture | str]:
        shape = wanted.config.image_shape
        row, scale = 0, 0
        with _lines(self.path) as lines:
            first = next(lines, None)
            if first is None:
                raise DataError(f"{self.path}: it is empty")
            columns = _columns(self.path, first, shape)
            rows = lines if columns.has_header else itertools.chain([first], lines)
            for block in iter(lambda: list(itertools.islice(rows, _BLOCK)), []):
                values = _block(block, columns)
                if not scale:
                    whole = [pixels for pixels in values if isinstance(pixels, np.ndarray)]
                    scale = scale_of(np.concatenate(whole)) if whole else 1
                    self._say(columns, shape, scale)
                for pixels in values:
                    row += 1
                    try:
                        if isinstance(pixels, str):
                            raise DataError(pixels)
                        image = as_pixels(pixels, scale).reshape(shape)
                        yield Picture(str(self.path), row, image)
                    except DataError as error:
                        yield f"{described(self.path, row)}: {error}"
        if not row:
            raise DataError(f"{self.path}: it holds a header and no rows")

    def _say(self, columns: _Columns, shape: Sequence[int], scale: int) -> None:
        words = {",": "commas", ";": "semicolons", "\t": "tabs"}[columns.separator]
        parts = [
            f"{len(columns.pixels):,} pixels ({'x'.join(map(str, shape))}) a row between {words}",
            "a header" if columns.has_header else "no header",
        ]
        parts += [f"the column {name} is not read" for name in columns.others]
        if scale != 1:
            parts.append("pixels from 0 to 1 are scaled to 255")
        progress.say(f"{self.path}: {', '.join(parts)}")


@contextlib.contextmanager
def _lines(path: Path) -> Iterator[Iterator[str]]:
    """The lines that are not blank, whatever ends them, without a byte order mark."""
    try:
        with open(path, encoding="utf-8-sig", errors="replace", newline=None) as file:
            yield (line for line in file if line.strip())
    except OSError as error:
        raise DataError(f"{path}: {(error.strerror or str(error)).lower()}") from None


def _columns(path: Path, first: str, shape: tuple[int, int, int]) -> _Columns:
    """Finds the columns by the first line.

    Raises:
      DataError: they do not fit the model's images.
    """
    separator = max(_SEPARATORS, key=first.count)
    names = [name.strip() for name in _cut(first, separator)]
    count, size = len(names), math.prod(shape)
    is_counted = count > 256 and names == [str(number) for number in range(count)]
    has_header = is_counted or not all(map(_is_number, names))
    pixels = tuple(range(count))
    if has_header and count != size:
        pixels = tuple(index for index, name in enumerate(names) if _PIXEL.fullmatch(name))
        if len(pixels) != size:
            known = (_LABEL, _NUMBER)
            pixels = tuple(
                index
                for index, name in enumerate(names)
                if not any(pattern.fullmatch(name) for pattern in known)
            )
    if len(pixels) != size and count == size + 1:
        pixels = tuple(range(1, count))
    if len(pixels) != size:
        shown = "x".join(map(str, shape))
        raise DataError(
            f"{path}: its first line has {count:,} columns; expected the {size:,} pixels of a "
            f"{shown} image, as the model takes it, and perhaps a column of labels"
        )
    left = [index for index in range(count) if index not in set(pixels)]
    others = tuple(
        f"'{names[index]}'" if has_header and names[index] else f"number {index + 1}"
        for index in left
    )
    return _Columns(separator, count, pixels, has_header, others)


def _block(lines: Sequence[str], columns: _Columns) -> list[np.ndarray | str]:
    """Rows as float64 [pixels], or what is wrong with one."""
    separators = columns.count - 1
    if all(line.count(columns.separator) == separators for line in lines):
        try:
            values = np.loadtxt(
                lines,
                np.float64,
                delimiter=columns.separator,
                usecols=columns.pixels,
                quotechar='"',
                comments=None,
                ndmin=2,
            )
            if len(values) == len(lines):
                return list(values)
        except ValueError:
            pass
    return [_row(line, columns) for line in lines]  # One of them is wrong.


def _row(line: str, columns: _Columns) -> np.ndarray | str:
    words = _cut(line, columns.separator)
    if len(words) != columns.count:
        return f"expected {columns.count:,} columns, got {len(words):,}"
    for index in columns.pixels:
        if not _is_number(words[index]):
            return f"column {index + 1} is {words[index].strip()!r}, not a number"
    return np.array([float(words[index]) for index in columns.pixels])


def _cut(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator), [""])


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False
