"""CSV files of images as a source of examples.

A slice is a range of bytes of a file. A first pass counts the rows and labels
of each slice, so that the second knows each row's number, and the cut into
splits is exact. Rows stay in the file's order.
"""

import collections
import dataclasses
import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...base.errors import DataError
from . import csv_layout
from .csv_layout import CsvFile
from .slices import Damaged, Example, Executor
from .stratify import SPLITS, Cut

# Rows that are parsed at once.
_BLOCK = 512
# More different labels than this are no labels: the first column is something else.
_MAX_CLASSES = 10_000


@dataclasses.dataclass(frozen=True)
class CsvSlice:
    """A part of a file.

    Attributes:
      file: whose part.
      start, end: the bytes in which its lines begin.
      first_row: the number of rows before it in the file.
      before: by label, the number of rows of the split's earlier slices.
    """

    file: CsvFile
    start: int
    end: int
    first_row: int = 0
    before: dict[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class CsvSource:
    """Slices of CSV files; a `slices.Source`.

    Attributes:
      label_names: by class number.
      image_shape: (height, width, channels).
      slices: in order.
      cut: of the training split.
      counts: by label, the number of training rows in all.
    """

    label_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    slices: tuple[CsvSlice, ...]
    cut: Cut
    counts: dict[str, int]

    @property
    def num_slices(self) -> int:
        return len(self.slices)

    def read(self, index: int) -> Iterator[Example | Damaged]:
        """Parses the rows of a slice."""
        part = self.slices[index]
        numbers = {name: number for number, name in enumerate(self.label_names)}
        seen = collections.Counter(part.before)
        row = part.first_row
        for block in _blocks(csv_layout.lines(part.file, part.start, part.end)):
            labels, rows = zip(*(_parted(line) for line in block), strict=True)
            splits = self._splits(part.file.split, np.array(labels), seen)
            for label, split, image in zip(labels, splits, self._pixels(rows), strict=True):
                row += 1
                place = f"{part.file.path}, row {row:,}"
                if isinstance(image, str):
                    yield Damaged(f"{place}: {image}")
                elif label not in numbers:
                    yield Damaged(f"{place}: no training row has its label, '{label}'")
                else:
                    yield Example(split, image, numbers[label])

    def _splits(
        self, split: str, labels: np.ndarray, seen: collections.Counter[str]
    ) -> Sequence[str]:
        """The splits of a block of rows; counts them in `seen`."""
        if split != "train" or not (self.cut.validation or self.cut.test):
            return [split] * len(labels)
        result = np.zeros(len(labels), np.int8)
        for name in map(str, np.unique(labels)):
            rows = np.flatnonzero(labels == name)
            ranks = seen[name] + np.arange(len(rows))
            result[rows] = self.cut.splits(name, self.counts[name], ranks)
            seen[name] += len(rows)
        return [SPLITS[number] for number in result]

    def _pixels(self, rows: Sequence[bytes]) -> list[np.ndarray | str]:
        """Images uint8 [H, W, C], or what is wrong with the row."""
        size = int(np.prod(self.image_shape))
        try:
            block = np.loadtxt(rows, np.int64, delimiter=",", ndmin=2, comments=None)
            whole = block.shape == (len(rows), size)  # It leaves out empty rows.
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
            return f"a pixel is no number: {error}"
        wrong = np.flatnonzero(~((values >= 0) & (values <= 255) & (values == np.floor(values))))
        if len(wrong):
            return f"pixel {wrong[0]} is {values[wrong[0]]:g}, not a whole number from 0 to 255"
        return values.astype(np.uint8).reshape(self.image_shape)


def plan(
    opened: Sequence[CsvFile],
    shape: tuple[int, int, int],
    cut: Cut,
    num_shards: int | None,
    slices_for: Any,
    executor: Executor,
) -> CsvSource:
    """Cuts files into slices and counts their labels.

    Args:
      opened: one file for each split that has one.
      shape: (height, width, channels) of the images.
      cut: of the training split.
      num_shards: of each file; None: by `slices_for`.
      slices_for: from the number of rows and bytes in an image to the number of slices.
      executor: runs the first pass over the slices.

    Raises:
      DataError: the first column holds no labels.
    """
    parts = []
    for file in opened:
        rows = (file.size - file.start) // file.row_bytes + 1  # About so many.
        count = num_shards or slices_for(rows, file.columns)
        edges = np.linspace(file.start, file.size, count + 1).astype(np.int64).tolist()
        parts += [CsvSlice(file, *edge) for edge in itertools.pairwise(edges)]
    found = executor(functools.partial(_count, parts), len(parts), "counting rows")
    slices = []
    seen: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for part, counts in zip(parts, found, strict=True):
        before = seen[part.file.split]
        first_row = sum(before.values())
        slices.append(dataclasses.replace(part, first_row=first_row, before=dict(before)))
        before.update(counts)
    train = dict(seen["train"])
    return CsvSource(_label_names(train), shape, tuple(slices), cut, train)


def _count(parts: Sequence[CsvSlice], index: int) -> dict[str, int]:
    """The number of rows of each label in a slice."""
    part = parts[index]
    counts: collections.Counter[str] = collections.Counter()
    for line in csv_layout.lines(part.file, part.start, part.end):
        counts[_parted(line)[0]] += 1
        if len(counts) > _MAX_CLASSES:
            raise DataError(
                f"{part.file.path}: more than {_MAX_CLASSES:,} different values in the first "
                "column: expected the labels there"
            )
    return dict(counts)


def _label_names(counts: dict[str, int]) -> tuple[str, ...]:
    """Whole numbers are class numbers; words are numbered in their order."""
    if all(label.isascii() and label.isdigit() for label in counts):
        classes = 1 + max(map(int, counts))
        if classes <= _MAX_CLASSES:
            return tuple(str(number) for number in range(classes))
    return tuple(sorted(counts))


def _parted(line: bytes) -> tuple[str, bytes]:
    """A row's label and its pixels."""
    word, _, pixels = line.strip().partition(b",")
    label = word.decode("utf-8", "replace").strip().strip('"')
    return str(int(label)) if label.isascii() and label.isdigit() else label, pixels


def _blocks(lines: Iterator[bytes]) -> Iterator[list[bytes]]:
    block = []
    for line in lines:
        block.append(line)
        if len(block) == _BLOCK:
            yield block
            block = []
    if block:
        yield block
