"""The rows of a CSV file of images: a row's label and split, and a block of rows to images."""

import dataclasses
import itertools
import re
from collections.abc import Iterator, Sequence

import numpy as np

from ..errors import DataError
from . import scale
from .columns import Columns
from .dialect import Dialect
from .scale import Seen
from .words import SPLITS, is_number, number

# Rows that are parsed at once.
_BLOCK = 512
_FRACTION = re.compile(rb"\.0*[1-9]")
Line = bytes


@dataclasses.dataclass(frozen=True)
class RowForm:
    """How rows are written, and what is in their columns."""

    dialect: Dialect
    columns: Columns

    def blocks(self, start: int, end: int) -> Iterator[list[Line]]:
        """The rows that begin in these bytes of the file, some at once."""
        lines = self.dialect.lines(start, end)
        return iter(lambda: list(itertools.islice(lines, _BLOCK)), [])

    def label(self, line: Line) -> bytes:
        """The cell of a row's label; a number in it has a decimal point.

        Raises:
          DataError: the row has as many cells as the others have not, or repeats the header.
        """
        if line == self.dialect.header:
            raise DataError("it repeats the header")
        if trouble := self._miscounted(line):
            raise DataError(trouble)
        word = self._cell(line, self.columns.label or 0)
        is_decimal = self.dialect.separator != b"," and is_number(word.decode("utf-8", "replace"))
        return word.replace(b",", b".") if is_decimal else word

    def split(self, line: Line) -> str | None:
        """The split that a row names; None: there is no such column.

        Raises:
          DataError: it names none.
        """
        if self.columns.split is None:
            return None
        word = self._cell(line, self.columns.split).decode("utf-8", "replace").strip()
        return split_of(word)

    def images(self, lines: Sequence[Line], factor: int) -> list[np.ndarray | str]:
        """Images uint8 [H, W, C], or what is wrong with the row.

        Args:
          lines: of rows.
          factor: what pixels are multiplied by; see `scale`.
        """
        block = self._values(lines)
        if block is not None and scale.are_pixels(block, factor).all():
            return list(scale.levels(block, factor).reshape(-1, *self.columns.shape))
        return [self._image(line, factor) for line in lines]  # One of them is wrong.

    def look(self, lines: Sequence[Line], seen: Seen) -> Seen:
        """What the pixels of further rows show, with what was seen before.

        Once the scale is clear, only a first fraction is still of interest, and rows are not
        parsed for it that have none.
        """
        if seen.is_clear:
            known = seen.fractions + seen.fine > 0
            lines = [line for line in lines if not known and self._has_fraction(line)]
        return seen + self._seen(lines) if lines else seen

    def _seen(self, lines: Sequence[Line]) -> Seen:
        """What the pixels of rows show; a row that is not of the form counts for nothing."""
        block = self._values(lines)
        if block is not None:
            return scale.look(block)
        rows = (self._values([line]) for line in lines)
        return sum((scale.look(row) for row in rows if row is not None), Seen())

    def _values(self, lines: Sequence[Line]) -> np.ndarray | None:
        """The pixels of rows, float64 [N, pixels]; None if a row is not of the form."""
        if any(map(self._miscounted, lines)):
            return None
        packed = self.columns.packed
        separator = self.dialect.separator.decode()
        rows = [self._with_points(line) for line in lines]
        if packed is not None:
            rows, separator = [_unpacked(self._cell(line, packed)) for line in lines], None
            if not all(map(bytes.strip, rows)):  # NumPy would warn, and go on to the next one.
                return None
        try:
            values = np.loadtxt(
                rows,
                comments=None,
                delimiter=separator,
                quotechar='"',
                usecols=self.columns.pixels if packed is None else None,
                ndmin=2,
            )
        except ValueError:
            return None
        return values if values.shape == (len(lines), len(self.columns.pixels)) else None

    def _image(self, line: Line, factor: int) -> np.ndarray | str:
        if trouble := self._miscounted(line):
            return trouble
        packed, pixels = self.columns.packed, self.columns.pixels
        if packed is None:
            cells = self.dialect.cells(self._with_points(line))
            cells = [cells[column] for column in pixels]
        else:
            cells = _unpacked(self._cell(line, packed)).split()
            if len(cells) != len(pixels):
                return f"expected {len(pixels):,} pixels, got {len(cells):,}"
        words = [cell.decode("utf-8", "replace") for cell in cells]
        values = np.array([number(word) if is_number(word) else np.nan for word in words])
        wrong = ~scale.are_pixels(values, factor)
        if wrong.any():
            pixel = int(wrong.argmax())
            is_ = words[pixel].strip() or "empty"
            return f"pixel {pixel} is {is_:.80}, not {scale.expected(factor)}"
        return scale.levels(values, factor).reshape(self.columns.shape)

    def _cell(self, line: Line, column: int) -> bytes:
        """One cell; no more is cut than is needed, since rows are long."""
        separator = self.dialect.separator
        if b'"' in line:
            return self.dialect.cells(line)[column]
        if column == self.dialect.columns - 1:
            return line.rpartition(separator)[2]
        return line.split(separator, column + 1)[column]

    def _miscounted(self, line: Line) -> str:
        """What is wrong with the number of cells, if anything is."""
        columns = self.dialect.columns
        count = line.count(self.dialect.separator) + 1
        if b'"' in line:
            count = len(self.dialect.cells(line))
        return "" if count == columns else f"expected {columns:,} columns, got {count:,}"

    def _has_fraction(self, line: Line) -> bool:
        return _FRACTION.search(self._with_points(line)) is not None

    def _with_points(self, line: Line) -> Line:
        """A row whose numbers have decimal points; commas are those of numbers between `;`."""
        return line if self.dialect.separator == b"," else line.replace(b",", b".")


def split_of(word: str) -> str:
    """The split that a cell names.

    Raises:
      DataError: it names none.
    """
    try:
        return SPLITS[word.lower()]
    except KeyError:
        raise DataError(f"its split is {word!r:.80}, none of train, validation, test") from None


def _unpacked(cell: bytes) -> bytes:
    """The pixels of one cell, between blanks: they are written so, or as Python prints a list."""
    return cell.strip(b" []()").replace(b",", b" ")
