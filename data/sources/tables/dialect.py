"""How a CSV file is written: separator, quotes, ends of lines, header; and lines by their bytes.

Nothing is read whole: the form shows in the first lines and in some that are spread over the
file, since files are often sorted by class.
"""

import collections
import csv
import dataclasses
import functools
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from ....base.errors import DataError
from ....base.pictures import decode
from .. import labels

# In the order in which they are tried: a decimal comma may stand between semicolons, and blanks
# after commas.
_SEPARATORS = (b"\t", b";", b"|", b",", b" ")
_NAMES = {b"\t": "tab", b" ": "blank"}
_BOM = b"\xef\xbb\xbf"
# What files that are called .csv are sometimes.
_OTHER_FORMS = {
    b"\x1f\x8b": "gzipped: unpack it first",
    b"PK\x03\x04": "a zip archive or an Excel file: unpack it, or save it as CSV (UTF-8)",
    b"\xd0\xcf\x11\xe0": "an Excel file: save it as CSV (UTF-8)",
    b"\xff\xfe": "UTF-16: save it as CSV in UTF-8",
    b"\xfe\xff": "UTF-16: save it as CSV in UTF-8",
}
# Excel's own first line.
_SEPARATOR_LINE = re.compile(rb'"?sep=.?"?', re.IGNORECASE)
_NUMBER = re.compile(r"\s*[+-]?([0-9]+[.,]?[0-9]*|[.,][0-9]+)(e[+-]?[0-9]+)?\s*", re.IGNORECASE)
# The sample: at most this many rows and, if they are long, about this many bytes.
_SAMPLE_ROWS, _SAMPLE_BYTES = 512, 8 << 20
_FIRST_BYTES, _FIRST_LINES = 1 << 20, 20
_CHUNK = 1 << 20
# What the columns of labels and of picture files are called, most certain first.
LABEL_NAMES = (
    *("label", "labels", "class", "classes", "target", "targets", "class_name", "classname"),
    *("label_name", "category", "category_name", "class_id", "classid", "label_id", "labelid"),
    *("category_id", "digit", "letter", "character", "species", "breed", "emotion", "type", "y"),
)
FILE_NAMES = (
    *("file", "filename", "file_name", "path", "filepath", "file_path", "image", "image_name"),
    *("imagename", "image_path", "image_file", "img", "img_path", "picture", "image_id", "id"),
)


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
        return _cells(line, self.separator)

    def words(self, line: bytes) -> list[str]:
        """The cells of a line as text, without blanks around them."""
        return [cell.decode("utf-8", "replace").strip() for cell in self.cells(line)]

    @functools.cached_property
    def names(self) -> tuple[str, ...] | None:
        """The header's cells, one for each column."""
        if self.header is None:
            return None
        names = self.words(self.header.removeprefix(b"#"))
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
            for line in _lines(file, self.newline):
                if position >= end:
                    return
                if not (skip or self._is_blank(line)):
                    _refuse_open_quotes(self.path, line, position)
                    yield line.rstrip(b"\r\n")
                position += len(line)
                skip = False

    def sample(self) -> list[list[str]]:
        """Rows from the whole file, in its order."""
        count = max(16, min(_SAMPLE_ROWS, _SAMPLE_BYTES // self.row_bytes))
        length = self.size - self.start
        if length <= count * self.row_bytes:
            lines = self.lines(self.start, self.size)
        else:
            starts = (self.start + length * index // count for index in range(count))
            parts = (self.lines(start, start + 2 * self.row_bytes) for start in starts)
            lines = (line for part in parts for line in itertools.islice(part, 1))
        return [self.words(line) for line in lines]

    def __str__(self) -> str:
        quoted = f"`{self.separator.decode()}`"
        separator = _NAMES.get(self.separator, quoted)
        return f"separator {separator}, {'no ' if self.header is None else ''}header"

    def _is_blank(self, line: bytes) -> bool:
        return not line.strip(b'\r\n\t "' + self.separator)


def look(path: Path) -> Dialect:
    """Finds a file's form.

    Raises:
      DataError: it is missing, empty, or no such table.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    newline, start, lines = _first_lines(path)
    if not lines:
        raise DataError(f"{path}: holds no rows")
    separator = _separator(path, lines)
    size, row_bytes = path.stat().st_size, len(lines[-1])
    file = Dialect(path, separator, newline, start, size, 0, row_bytes, header=None)
    rows = [file.words(line.rstrip(b"\r\n")) for line in lines]
    columns = collections.Counter(map(len, rows[1:] or rows)).most_common(1)[0][0]
    file = dataclasses.replace(file, columns=columns)
    below = dataclasses.replace(file, start=start + len(lines[0]), header=lines[0].rstrip(b"\r\n"))
    if not _is_header(rows[0], columns, below.sample()):
        return file
    if not rows[1:]:
        raise DataError(f"{path}: holds no rows, only a header")
    return below


def _first_lines(path: Path) -> tuple[bytes, int, list[bytes]]:
    """The end of a line, where the first line begins that is not blank, and some lines from it.

    Raises:
      DataError: it is no text.
    """
    with open(path, "rb") as file:
        head = file.read(_FIRST_BYTES)
        _refuse_other_forms(path, head)
        newline = b"\n" if b"\n" in head or b"\r" not in head else b"\r"
        start = len(_BOM) if head.startswith(_BOM) else 0
        file.seek(start)
        lines: list[bytes] = []
        for line in _lines(file, newline):
            if not line.strip(b'\r\n\t ",;|') or _SEPARATOR_LINE.fullmatch(line.strip()):
                start += 0 if lines else len(line)
                continue
            _refuse_open_quotes(path, line, start + sum(map(len, lines)))
            lines.append(line)
            if len(lines) == _FIRST_LINES or sum(map(len, lines)) > _FIRST_BYTES:
                break
    return newline, start, lines


def is_number(word: str) -> bool:
    """Whether a cell is a number, with a decimal point or comma."""
    return _NUMBER.fullmatch(word) is not None


def is_picture(word: str) -> bool:
    """Whether a cell is the name of a picture file, by its suffix."""
    return word.lower().endswith(decode.SUFFIXES)


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


def _is_word(cell: str) -> bool:
    """Whether a cell is neither a number nor stands for a missing one."""
    try:
        return not is_number(labels.read(cell))
    except labels.LabelError:
        return False


def _are_numbers(rows: Sequence[Sequence[str]], column: int) -> bool:
    """Whether a column holds numbers, but for a few cells."""
    cells = [row[column] for row in rows if column < len(row) and row[column]]
    return sum(map(is_number, cells)) > 0.9 * len(cells)


def _separator(path: Path, lines: Sequence[bytes]) -> bytes:
    """The first separator that most lines have, equally often."""
    for separator in _SEPARATORS:
        cells = (_cells(line.strip(b"\r\n"), separator) for line in lines)
        counts = collections.Counter(map(len, cells))
        del counts[1]
        if counts and counts.most_common(1)[0][1] > len(lines) / 2:
            return separator
    raise DataError(
        f"{path}: found no columns: expected rows of a label and pixels, or of a file's name and a "
        f"label, separated by commas; it begins with {lines[0][:40]!r}"
    )


def _cells(line: bytes, separator: bytes) -> list[bytes]:
    if b'"' not in line:
        return line.split(separator)
    text = line.decode("utf-8", "surrogateescape")
    row = next(csv.reader([text], delimiter=separator.decode(), skipinitialspace=True))
    return [cell.encode("utf-8", "surrogateescape") for cell in row]


def _refuse_open_quotes(path: Path, line: bytes, position: int) -> None:
    if line.count(b'"') % 2:
        raise DataError(
            f"{path}: a cell in quotes goes over the end of its line, about byte {position:,}: "
            f"{line[:40]!r}; a row must be one line"
        )


def _refuse_other_forms(path: Path, head: bytes) -> None:
    for magic, what in _OTHER_FORMS.items():
        if head.startswith(magic):
            raise DataError(f"{path}: not a CSV file, but {what}")
    if b"\0" in head[:4096]:
        raise DataError(f"{path}: not a CSV file: it holds zero bytes (UTF-16, or binary)")
    if head.lstrip()[:1] == b"<":
        raise DataError(f"{path}: not a CSV file, but an HTML or XML page")


def _lines(file: BinaryIO, newline: bytes) -> Iterator[bytes]:
    """Lines with their ends, from where a file is."""
    if newline == b"\n":
        yield from file
        return
    rest = b""
    while chunk := file.read(_CHUNK):
        *whole, rest = (rest + chunk).split(newline)
        for line in whole:
            yield line + newline
    if rest:
        yield rest
