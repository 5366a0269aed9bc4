"""The rows of a CSV file of pixels: a row's label, and a block of rows to images."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from .. import labels
from .columns import Columns
from .dialect import Dialect, is_number

Line = bytes


@dataclasses.dataclass(frozen=True)
class RowForm:
    """How rows are written, and what is in their columns."""

    dialect: Dialect
    columns: Columns

    def label(self, line: Line) -> str:
        """The class that a row's label names.

        Raises:
          LabelError: the row has none, or as many cells as the others have not.
        """
        dialect, column = self.dialect, self.columns.label
        if line == dialect.header:
            raise labels.LabelError("it repeats the header")
        if b'"' in line:
            cells = dialect.cells(line)
        elif column == 0:  # Only what is needed is cut: rows are long.
            cells = [line.partition(dialect.separator)[0]]
        elif column == dialect.columns - 1:
            cells = [line.rpartition(dialect.separator)[2]]
            column = 0
        else:
            cells = line.split(dialect.separator, column + 1)
        if trouble := self._miscounted(line):
            raise labels.LabelError(trouble)
        word = cells[column]
        is_decimal = dialect.separator != b"," and is_number(word.decode("utf-8", "replace"))
        return labels.read(word.replace(b",", b".") if is_decimal else word)

    def images(self, lines: Sequence[Line], scaled: bool) -> list[np.ndarray | str]:
        """Images uint8 [H, W, C], or what is wrong with the row.

        Args:
          lines: of rows.
          scaled: whether pixels are from 0 to 1, not from 0 to 255.
        """
        shape, dtype = self.columns.shape, np.float64 if scaled else np.int64
        block = self._values(lines, dtype)
        if block is not None and block.min() >= 0 and block.max() <= (1 if scaled else 255):
            pixels = np.rint(block * 255) if scaled else block
            return list(pixels.astype(np.uint8).reshape(-1, *shape))
        return [self._image(line, scaled) for line in lines]  # One is wrong, or has fractions.

    def brightness(self, lines: Sequence[Line]) -> tuple[int, int]:
        """How many rows have no pixel over 1, though some over 0, and how many one over 1."""
        block = self._values(lines, np.float64)
        if block is None:
            rows = [self._values([line], np.float64) for line in lines]
            peaks = np.array([row.max() for row in rows if row is not None])
        else:
            peaks = block.max(axis=1)
        return int(((peaks > 0) & (peaks <= 1)).sum()), int((peaks > 1).sum())

    def _values(self, lines: Sequence[Line], dtype: type) -> np.ndarray | None:
        """The pixels of rows [N, pixels]; None if a row is not of the form."""
        if any(map(self._miscounted, lines)):
            return None
        try:
            return np.loadtxt(
                [self._with_points(line) for line in lines],
                dtype,
                comments=None,
                delimiter=self.dialect.separator.decode(),
                quotechar='"',
                usecols=self.columns.pixels,
                ndmin=2,
            )
        except ValueError:
            return None

    def _image(self, line: Line, scaled: bool) -> np.ndarray | str:
        if trouble := self._miscounted(line):
            return trouble
        cells = self.dialect.cells(self._with_points(line))
        words = [cells[column].decode("utf-8", "replace") for column in self.columns.pixels]
        values = np.array([float(word) if is_number(word) else np.nan for word in words])
        if scaled:
            values, expected = values * 255, "a number from 0 to 1, as in most rows"
        else:
            values[values != np.floor(values)] = np.nan
            expected = "a whole number from 0 to 255"
        wrong = ~((values >= 0) & (values <= 255))
        if wrong.any():
            pixel = int(wrong.argmax())
            return f"pixel {pixel} is {words[pixel].strip() or 'empty'}, not {expected}"
        return np.rint(values).astype(np.uint8).reshape(self.columns.shape)

    def _miscounted(self, line: Line) -> str:
        """What is wrong with the number of cells, if anything is."""
        dialect = self.dialect
        count = line.count(dialect.separator) + 1
        if b'"' in line:
            count = len(dialect.cells(line))
        if count == dialect.columns:
            return ""
        extra = dialect.columns - len(self.columns.pixels)
        return f"expected {len(self.columns.pixels):,} pixels, got {max(0, count - extra):,}"

    def _with_points(self, line: Line) -> Line:
        """A row whose numbers have decimal points; commas are those of numbers between `;`."""
        return line if self.dialect.separator == b"," else line.replace(b",", b".")
