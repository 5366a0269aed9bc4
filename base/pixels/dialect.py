"""How a CSV file is written: separator, quotes, ends of lines, header.

Nothing is read whole: the form shows in the first lines and in some that are spread over the
file, since files are often sorted by class.
"""

import collections
import dataclasses
import functools
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import DataError
from . import lines
from .lines import Head
from .words import FILE_NAMES, LABEL_NAMES, is_missing, is_number, is_picture

# In the order in which they are tried: a decimal comma may stand between semicolons, and blanks
# after commas.
_SEPARATORS = (b"\t", b";", b"|", b",", lines.BLANK)
_NAMES = {b"\t": "tab", lines.BLANK: "blank"}
# The sample: at most this many rows and, if they are long, about this many bytes.
_SAMPLE_ROWS, _SAMPLE_BYTES = 512, 8 << 20


@dataclasses.dataclass(frozen=True)
class Dialect:
    """The form of a file.

    Attributes:
      separator: one byte.
      newline: the last byte of a line.
      start: where the first row begins, in bytes: after the header, if there is one.
      size: of the file, in bytes.
      columns: the number of cells of a row.
      row_bytes: of the first row.
      header: the header's line, without its end; None: there is none.
    """

    path: Path
    separator: bytes
    newline: bytes
    start: int
    size: int
    columns: int
    row_bytes: int
    header: bytes | None

    def cells(self, line: bytes) -> list[bytes]:
        """The cells of a line, without quotes."""
        return lines.cells(line, self.separator)

    def words(self, line: bytes) -> list[str]:
        """The cells of a line as text, without blanks around them."""
        return [cell.decode("utf-8", "replace").strip() for cell in self.cells(line)]

    @functools.cached_property
    def names(self) -> tuple[str, ...] | None:
        """The header's cells, one for each column."""
        if self.header is None:
            return None
        names = self.words(self.header.removeprefix(b"#"))
        is_title = len(names) < self.columns - 1  # Such as `pixels` above all of them.
        if is_title or _are_numbered(names):
            return None
        # R's `write.table` has no name for the column of row names.
        return ("",) * (self.columns - len(names)) + tuple(names[: self.columns])

    def lines(self, start: int, end: int) -> Iterator[bytes]:
        """The rows that begin in [start, end), without their ends; blank ones are left out.

        Raises:
          DataError: a cell in quotes goes over a line's end.
        """
        with open(self.path, "rb") as file:
            position = max(start, self.start)
            skip = position > self.start  # A line that began earlier is of the slice before.
            position -= skip
            file.seek(position)
            for line in lines.of(file, self.newline):
                if position >= end:
                    return
                if not (skip or self._is_blank(line)):
                    lines.refuse_open_quotes(self.path, line, position)
                    yield self._plain(line)
                position += len(line)
                skip = False

    def sample(self) -> list[list[str]]:
        """Rows from the whole file, in its order."""
        count = max(16, min(_SAMPLE_ROWS, _SAMPLE_BYTES // self.row_bytes))
        length = self.size - self.start
        if length <= count * self.row_bytes:
            rows = self.lines(self.start, self.size)
        else:
            starts = (self.start + length * index // count for index in range(count))
            parts = (self.lines(start, start + 2 * self.row_bytes) for start in starts)
            rows = (line for part in parts for line in itertools.islice(part, 1))
        return [self.words(line) for line in rows]

    def __str__(self) -> str:
        has = "no header" if self.header is None else "header"
        return f"separator {_named(self.separator)}, {has}"

    def _plain(self, line: bytes) -> bytes:
        """A line without its end; columns that are aligned have one blank between them then."""
        is_aligned = self.separator == lines.BLANK and b'"' not in line
        return b" ".join(line.split()) if is_aligned else line.rstrip(b"\r\n")

    def _is_blank(self, line: bytes) -> bool:
        return not line.strip(b'\r\n\t "' + self.separator)


def look(path: Path) -> Dialect:
    """Finds a file's form.

    Raises:
      DataError: it is missing, empty, or no such table.
    """
    head = lines.head(path)
    separator = _separator(path, head)
    head = _without_comments(head, separator)
    size, row_bytes = path.stat().st_size, len(head.lines[-1])
    file = Dialect(path, separator, head.newline, head.start, size, 0, row_bytes, header=None)
    rows = [file.words(line.rstrip(b"\r\n")) for line in head.lines]
    columns = collections.Counter(map(len, rows[1:] or rows)).most_common(1)[0][0]
    file = dataclasses.replace(file, columns=columns)
    header = head.lines[0]
    start = head.start + len(header)
    below = dataclasses.replace(file, start=start, header=header.rstrip(b"\r\n"))
    if not _is_header(rows[0], columns, below.sample()):
        return file
    if not rows[1:]:
        raise DataError(f"{path}: holds no rows, only a header")
    return below


def _without_comments(head: Head, separator: bytes) -> Head:
    """Without the lines on top that begin with `#` and have fewer or more cells than the rows."""
    counts = [len(lines.cells(line.strip(), separator)) for line in head.lines]
    columns = collections.Counter(counts).most_common(1)[0][0]
    number = 0
    while head.lines[number].startswith(b"#") and counts[number] != columns:
        number += 1
        if number == len(head.lines):
            return head
    return head.after(number)


def _is_header(first: list[str], columns: int, rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first line holds names: by a sample of what is below it."""
    if first[0].startswith("#"):
        return True
    numbers = [word for word in first if is_number(word)]
    if not rows:  # A single line: names, if hardly a cell is a number.
        return len(numbers) <= 1
    # pandas' own names, perhaps beside a few others.
    for begin in (0, 1):
        if len(numbers) > 2 and numbers == [str(begin + index) for index in range(len(numbers))]:
            return len(first) - len(numbers) <= max(2, columns // 2)
    if _are_numbered(first):
        return True
    for column, word in enumerate(first[:columns]):
        if not _is_word(word) or is_picture(word):
            continue
        below = {row[column] for row in rows if column < len(row)}
        if word.lower() in (*LABEL_NAMES, *FILE_NAMES) and word not in below:
            return True
        if all(map(is_picture, below - {""})):
            return True
    words = [
        column
        for column, word in enumerate(first[:columns])
        if _is_word(word) and _are_numbers(rows, column)
    ]
    # A word among many numbers is a damaged cell, unless labels stand below it.
    return len(words) > len(first) / 2 or (bool(words) and set(words) <= {0, columns - 1})


def _are_numbered(words: Sequence[str]) -> bool:
    """Whether these are pandas' names of a file whose first row it took for names: 0, 0.1, 0.2."""
    counts: collections.Counter[str] = collections.Counter()
    for word in words:
        base, dot, number = word.rpartition(".")
        counts[base if dot and number == str(counts[base]) else word] += 1
    return len(set(words)) == len(words) > 2 * len(counts)


def _is_word(cell: str) -> bool:
    """Whether a cell is neither a number nor stands for a missing one."""
    return not (is_missing(cell) or is_number(cell))


def _are_numbers(rows: Sequence[Sequence[str]], column: int) -> bool:
    """Whether a column holds numbers, but for a few cells."""
    cells = [row[column] for row in rows if column < len(row) and row[column]]
    return sum(map(is_number, cells)) > 0.9 * len(cells)


def _separator(path: Path, head: Head) -> bytes:
    """The first separator that most lines have, equally often.

    Raises:
      DataError: there is none; of lines that differ in length, names two.
    """
    rows = [line.strip(b"\r\n") for line in head.lines]
    several: dict[bytes, list[int]] = {}
    for separator in _SEPARATORS:
        counts = [len(lines.cells(row, separator)) for row in rows]
        often = collections.Counter(count for count in counts if count > 1)
        if often and often.most_common(1)[0][1] > len(rows) / 2:
            return separator
        if often.total() > len(rows) / 2:
            several[separator] = counts
    for separator, counts in several.items():
        expected = counts[0]
        number, count = next(
            (number, count)
            for number, count in zip(head.numbers, counts, strict=True)
            if count != expected
        )
        raise DataError(
            f"{path}: line {number:,} has {count:,} columns, but line {head.numbers[0]:,} has "
            f"{expected:,} (between {_named(separator)}): expected equally many in all lines"
        )
    raise DataError(
        f"{path}: found no columns: expected rows of a label and pixels, or of a file's name and a "
        f"label, separated by commas; it begins with {head.lines[0][:40]!r}"
    )


def _named(separator: bytes) -> str:
    return _NAMES.get(separator, f"`{separator.decode()}`")
