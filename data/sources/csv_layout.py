"""What a CSV file of images looks like: header, columns, and where its lines begin.

The form is that of Kaggle's digit recognizer, `label,pixel0,…,pixel783`: a label, then the
pixels row by row (in each, the channels), with or without a header.
Source: https://www.kaggle.com/competitions/digit-recognizer/data.
"""

import dataclasses
import math
import re
from collections.abc import Iterator
from pathlib import Path

from ...base.errors import DataError, UsageError

# train.csv, mnist_test.csv, emnist-letters-train.csv.
_NAME = re.compile(
    r"(?:.*[-_.])?(?:(train|training)|(validation|valid|val)|(test|testing))\.csv", re.IGNORECASE
)


@dataclasses.dataclass(frozen=True)
class CsvFile:
    """A file of one split.

    Attributes:
      start: where the first row begins, in bytes: after the header, if there is one.
      size: of the file, in bytes.
      columns, row_bytes: of the first row.
    """

    path: Path
    split: str
    start: int
    size: int
    columns: int
    row_bytes: int


def look(path: Path, split: str) -> CsvFile:
    """Reads a file's first two lines.

    Raises:
      DataError: it is missing, empty, or not of the form.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    with open(path, "rb") as file:
        first = file.readline()
        names = first.strip().split(b",")
        header = len(names) > 1 and not _is_number(names[1])
        row = file.readline() if header else first
    if not row.strip():
        raise DataError(f"{path}: holds no rows")
    columns = row.count(b",") + 1
    start = len(first) if header else 0
    return CsvFile(path, split, start, path.stat().st_size, columns, len(row))


def find(folder: Path) -> dict[str, Path]:
    """Finds the files of a folder's splits by their names.

    Raises:
      DataError: the folder or the training file is missing, or two files claim one split.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    paths: dict[str, Path] = {}
    for path in sorted(folder.glob("*.[cC][sS][vV]")):
        match = _NAME.fullmatch(path.name)
        if match:
            split = "train" if match[1] else "validation" if match[2] else "test"
            other = paths.setdefault(split, path)
            if other != path:
                raise DataError(
                    f"{folder}: two files for the {split} split: {other.name} and {path.name}; "
                    "leave one of them there, or name one with --source_file",
                    option="source_file",
                )
    if "train" not in paths:
        raise DataError(
            f"{folder}: expected a file named like train.csv, and perhaps validation.csv and "
            "test.csv; or name one with --source_file",
            option="source_file",
        )
    return paths


def image_shape(
    file: CsvFile, size: tuple[int, int] | None, channels: int | None
) -> tuple[int, int, int] | None:
    """The shape of a row's image by the number of columns, or None if there is no label column.

    Args:
      file: whose rows they are.
      size: (height, width); None: square.
      channels: 1 or 3; None: whichever fits.

    Raises:
      UsageError: no image has this many pixels.
    """
    for pixels, labelled in ((file.columns - 1, True), (file.columns, False)):
        for depth in (channels,) if channels else (1, 3):
            area, rest = divmod(pixels, depth)
            side = math.isqrt(area)
            height, width = size or (side, side)
            if rest == 0 and area == height * width and area > 0:
                return (height, width, depth) if labelled else None
    expected = f" of {size[0]}x{size[1]}" if size else ", square with 1 or 3 channels"
    raise UsageError(
        f"{file.path}: its rows have {file.columns:,} columns: expected a label and the pixels of "
        f"an image{expected}; give its size with --image_size=HxW (and --channels=1 or 3)",
        option="image_size",
    )


def lines(file: CsvFile, start: int, end: int) -> Iterator[bytes]:
    """The lines that begin in [start, end) of a file, blank ones left out."""
    with open(file.path, "rb", buffering=1 << 20) as opened:
        position = max(start, file.start)
        if position > file.start:  # A line that began earlier belongs to the slice before.
            opened.seek(position - 1)
            position += len(opened.readline()) - 1
        opened.seek(position)
        while position < end:
            line = opened.readline()
            if not line:
                break
            position += len(line)
            if line.strip():
                yield line


def _is_number(word: bytes) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
