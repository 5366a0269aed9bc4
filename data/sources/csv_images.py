"""CSV files of images as a source of examples.

A slice is a range of bytes of a file.
"""

import collections
import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ...base import progress
from ...base.errors import DataError
from . import csv_layout
from .counted import CountedSlice, CountedSource, LabelCounts, count
from .csv_layout import CsvFile
from .slices import Damaged, Example, ReadOptions

# Rows that are parsed at once.
_BLOCK = 512
# With more different labels than this, the first column holds something else.
_MAX_CLASSES = 10_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class CsvSlice(CountedSlice):
    """A part of a file: the bytes in which its lines begin."""

    file: CsvFile
    start: int
    end: int


@dataclasses.dataclass(frozen=True)
class CsvSource(CountedSource[CsvSlice]):
    """Slices of CSV files; a `slices.Source`."""

    def read(self, index: int) -> Iterator[Example | Damaged]:
        part = self.slices[index]
        numbers = {name: number for number, name in enumerate(self.label_names)}
        seen = collections.Counter(part.before)
        row = sum(part.before.values())
        lines = csv_layout.lines(part.file, part.start, part.end)
        for block in iter(lambda: list(itertools.islice(lines, _BLOCK)), []):
            labels, rows = zip(*map(_label_and_pixels, block), strict=True)
            splits = self.splits_of(part, labels, seen)
            for label, split, image in zip(labels, splits, self._pixels(rows), strict=True):
                row += 1
                where = f"{part.file.path}, row {row:,}"
                if isinstance(image, str):
                    yield Damaged(f"{where}: {image}")
                elif label not in numbers:
                    yield Damaged(f"{where}: no training row has its label, '{label}'")
                else:
                    yield Example(split, image, numbers[label])

    def _pixels(self, rows: Sequence[bytes]) -> list[np.ndarray | str]:
        """Images uint8 [H, W, C], or what is wrong with the row."""
        size = int(np.prod(self.image_shape))
        try:
            block = np.loadtxt(rows, np.int64, delimiter=",", ndmin=2, comments=None)
            whole = block.shape == (len(rows), size)  # Empty rows are left out.
            if whole and block.min() >= 0 and block.max() <= 255:
                return list(block.astype(np.uint8).reshape(-1, *self.image_shape))
        except ValueError:
            pass
        return [self._row(row, size) for row in rows]  # One of them is wrong, or has fractions.

    def _row(self, row: bytes, size: int) -> np.ndarray | str:
        words = row.split(b",")
        if len(words) != size:
            return f"expected {size:,} pixels, got {len(words):,}"
        try:
            values = np.array([float(word) for word in words])
        except ValueError as error:
            return f"a pixel is not a number: {error}"
        wrong = np.flatnonzero(~((values >= 0) & (values <= 255) & (values == np.floor(values))))
        if len(wrong):
            return f"pixel {wrong[0]} is {values[wrong[0]]:g}, not a whole number from 0 to 255"
        return values.astype(np.uint8).reshape(self.image_shape)


def plan(place: Path, options: ReadOptions) -> CsvSource:
    """Cuts a CSV file, or those of a folder (`csv_layout.find`), into slices; counts the labels.

    Raises:
      UserError: a file is missing or not of the form, or the images differ in shape.
    """
    files, shape = _open(place, options)
    slices = []
    for file in files:
        rows = (file.size - file.start) // file.row_bytes + 1  # An estimate.
        edges = np.linspace(file.start, file.size, options.num_slices(rows, file.columns) + 1)
        slices += [
            CsvSlice(split=file.split, file=file, start=start, end=end)
            for start, end in itertools.pairwise(edges.astype(np.int64).tolist())
        ]
    cut = options.cut({file.split for file in files})
    counted, totals = count(slices, _labels, options.executor, "counting rows")
    return CsvSource(_label_names(totals), shape, counted, cut, totals)


def _open(place: Path, options: ReadOptions) -> tuple[list[CsvFile], tuple[int, int, int]]:
    """The files that have labels, one for each split, and the shape of their images."""
    paths = csv_layout.find(place) if place.is_dir() else {"train": place}
    files, shapes = [], {}
    for split, path in paths.items():
        file = csv_layout.look(path, split)
        shape = csv_layout.image_shape(file, options.image_size, options.channels)
        if shape is not None:
            files.append(file)
            shapes[split] = shape
        elif split == "train":
            raise DataError(f"{path}: its rows have no label column: expected label,pixel0,…")
        else:
            progress.say(f"{path} is left out: its rows have no label column")
    for file in files:
        if shapes[file.split] != shapes["train"]:
            raise DataError(
                f"{file.path}: its images are {list(shapes[file.split])}, those of the training "
                f"file {list(shapes['train'])}: they do not belong together"
            )
    return files, shapes["train"]


def _labels(part: CsvSlice) -> Iterator[str]:
    """The labels of a slice.

    Raises:
      DataError: the first column holds no labels.
    """
    different = set()
    for line in csv_layout.lines(part.file, part.start, part.end):
        label = _label_and_pixels(line)[0]
        different.add(label)
        if len(different) > _MAX_CLASSES:
            raise DataError(
                f"{part.file.path}: more than {_MAX_CLASSES:,} different values in the first "
                "column: expected the labels there"
            )
        yield label


def _label_names(counts: LabelCounts) -> tuple[str, ...]:
    """Labels that are whole numbers are class numbers; words are numbered in their order."""
    if all(label.isascii() and label.isdigit() for label in counts):
        classes = 1 + max(map(int, counts))
        if classes <= _MAX_CLASSES:
            return tuple(str(number) for number in range(classes))
    return tuple(sorted(counts))


def _label_and_pixels(line: bytes) -> tuple[str, bytes]:
    word, _, pixels = line.strip().partition(b",")
    label = word.decode("utf-8", "replace").strip().strip('"')
    return str(int(label)) if label.isascii() and label.isdigit() else label, pixels
