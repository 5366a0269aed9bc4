"""The lines of a CSV file by their bytes: their ends, the first of them, and what is no text."""

import csv
import dataclasses
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ..errors import DataError

BLANK = b" "
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
_FIRST_BYTES, _FIRST_LINES = 1 << 20, 20
_CHUNK = 1 << 20
# All pixels of a picture may be in one cell; a line is in memory anyway.
csv.field_size_limit(sys.maxsize)


@dataclasses.dataclass(frozen=True)
class Head:
    """The first lines of a file.

    Attributes:
      newline: the last byte of a line.
      lines: without blank ones, with their ends.
      numbers: of these lines, from 1.
      starts: where they begin, in bytes.
    """

    newline: bytes
    lines: tuple[bytes, ...]
    numbers: tuple[int, ...]
    starts: tuple[int, ...]

    @property
    def start(self) -> int:
        """Where the first of them begins."""
        return self.starts[0]

    def after(self, count: int) -> "Head":
        """Without the first lines."""
        return Head(self.newline, self.lines[count:], self.numbers[count:], self.starts[count:])


def head(path: Path) -> Head:
    """Reads the first lines.

    Raises:
      DataError: it is missing, no text, or holds none.
    """
    if not path.is_file():
        raise DataError(f"{path}: {'a folder, not a file' if path.is_dir() else 'no such file'}")
    with open(path, "rb") as file:
        content = file.read(_FIRST_BYTES)
        _refuse_other_forms(path, content)
        newline = b"\n" if b"\n" in content or b"\r" not in content else b"\r"
        position = len(_BOM) if content.startswith(_BOM) else 0
        file.seek(position)
        lines: dict[int, bytes] = {}
        starts = []
        for number, line in enumerate(of(file, newline), 1):
            start, position = position, position + len(line)
            if not line.strip(b'\r\n\t ",;|') or _SEPARATOR_LINE.fullmatch(line.strip()):
                continue
            refuse_open_quotes(path, line, start)
            lines[number] = line
            starts.append(start)
            if len(lines) == _FIRST_LINES or sum(map(len, lines.values())) > _FIRST_BYTES:
                break
    if not lines:
        raise DataError(f"{path}: holds no rows")
    return Head(newline, tuple(lines.values()), tuple(lines), tuple(starts))


def of(file: BinaryIO, newline: bytes) -> Iterator[bytes]:
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


def cells(line: bytes, separator: bytes) -> list[bytes]:
    """The cells of a line, without quotes; several blanks are one separator."""
    if b'"' not in line:
        return line.split() if separator == BLANK else line.split(separator)
    text = line.decode("utf-8", "surrogateescape")
    row = next(csv.reader([text], delimiter=separator.decode(), skipinitialspace=True))
    return [cell.encode("utf-8", "surrogateescape") for cell in row]


def refuse_open_quotes(path: Path, line: bytes, position: int) -> None:
    """Refuses a line with a cell in quotes that goes over its end, by a `DataError`.

    Beside quotes, `csv` takes no other end of a line either, nor, in Python 3.10, a zero byte.
    """
    if b'"' not in line:
        return
    if line.count(b'"') % 2:
        cause = "a cell in quotes goes over the end of its line"
    elif any(byte in line.rstrip(b"\r\n") for byte in (b"\r", b"\n", b"\0")):
        cause = "beside cells in quotes there is an end of a line, or a zero byte"
    else:
        return
    raise DataError(
        f"{path}: {cause}, about byte {position:,}: {line[:40]!r}; a row must be one line"
    )


def _refuse_other_forms(path: Path, content: bytes) -> None:
    for magic, what in _OTHER_FORMS.items():
        if content.startswith(magic):
            raise DataError(f"{path}: not a CSV file, but {what}")
    if b"\0" in content[:4096]:
        raise DataError(f"{path}: not a CSV file: it holds zero bytes (UTF-16, or binary)")
    if content.lstrip()[:1] == b"<":
        raise DataError(f"{path}: not a CSV file, but an HTML or XML page")
