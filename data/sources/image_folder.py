"""A folder of pictures, one sub-folder a class, as a source of examples.

    folder/cat/1.png  folder/dog/2.jpg           the splits are cut by flags
    folder/train/cat/1.png  folder/test/dog/…    the splits are folders

Classes are numbered in the order of their names. The pictures are dealt out to slices, lists
of names on disk, so that each has its share of every class; within a slice their order is
shuffled by the seed. In memory are the names of one class, and in a worker of one slice.
"""

import collections
import contextlib
import dataclasses
import functools
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from ...base import progress
from ...base.errors import DataError, UsageError
from ...base.pictures import decode
from ...base.pictures.config import PictureConfig
from .. import source_files
from ..metadata import LeftOut
from . import folder_layout, labels
from .slices import Damaged, Example, ReadOptions
from .stratify import SPLITS, Cut

# The split, in a slice's list, of what names no picture.
_DAMAGED = b"damaged"
# Names of pictures kept before they go to the slices' lists: to open a thousand lists for each of a
# thousand classes takes minutes.
_BUFFERED = 100_000
# Pictures that differ in size become the largest of these squares, or of the options' largest, that
# is no larger than most of them; so do pictures that are all larger than this.
_SQUARES, _LARGEST = (28, 32, 48), 512


@dataclasses.dataclass(frozen=True)
class FolderSource:
    """Dealt-out pictures; a `slices.Source`."""

    root: Path
    lists: Path
    label_names: tuple[str, ...]
    pictures: PictureConfig
    num_slices: int
    seed: int
    left_out: tuple[LeftOut, ...]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.pictures.image_shape

    def read(self, index: int) -> Iterator[Example | Damaged]:
        """Decodes the pictures of a slice, in shuffled order."""
        entries = _entries(self.lists, index)
        for position in np.random.default_rng([self.seed, index]).permutation(len(entries)):
            split, label, name = entries[position].split(b"\t", 2)
            if split == _DAMAGED:
                yield Damaged(os.fsdecode(name))
                continue
            path = self.root / os.fsdecode(name)
            try:
                image = decode.load(path, self.pictures)
            except DataError as error:
                yield Damaged(str(error))
            else:
                yield Example(split.decode(), image, int(label), source_files.entry(path, name))


class PictureList(Protocol):
    """The pictures of a dataset by split and class, from whatever says which they are."""

    @property
    def root(self) -> Path: ...

    @property
    def folders(self) -> Mapping[str, object]:
        """By split."""
        ...

    @property
    def label_names(self) -> tuple[str, ...]: ...

    @property
    def damaged(self) -> tuple[str, ...]:
        """What should name a picture and its class, and does not."""
        ...

    def names(self, split: str, label: str) -> list[str]:
        """The pictures of a class in a split, as paths below `root`."""
        ...

    def left_out(self) -> tuple[LeftOut, ...]: ...


def plan(root: Path, options: ReadOptions) -> FolderSource:
    """Deals the pictures of a folder out, and finds their size.

    Raises:
      DataError: it is not of the form, or no picture can be read.
      UsageError: there are fewer pictures than shards.
    """
    layout = folder_layout.look(root)
    for note in layout.notes:
        progress.say(note)
    labels.say_oddities(layout.label_names, root, are_classes=False)
    return plan_list(layout, options)


def plan_list(layout: PictureList, options: ReadOptions) -> FolderSource:
    """Deals pictures out, and finds their size; else as `plan`."""
    root = layout.root
    cut = options.cut(set(layout.folders))
    totals = {
        split: sum(len(layout.names(split, label)) for label in layout.label_names)
        for split in layout.folders
    }
    total = totals["train"]
    height, width = options.image_size or _first_size(layout, options.largest_square)
    image_bytes = height * width * (options.channels or 3)
    num_slices = options.num_slices(max(totals.values()), image_bytes)
    if options.num_shards is None:
        num_slices = min(num_slices, total)
    if num_slices > total:
        raise UsageError(f"--num_shards={num_slices} is more than the {total:,} pictures")
    _deal(layout, cut, options.folder, num_slices)
    image_size, channels = options.image_size, options.channels
    if image_size is None or channels is None:
        work = functools.partial(_scan, root, options.folder)
        scanned = options.executor(work, num_slices, "reading headers")
        headers = sum(scanned, collections.Counter())
        image_size = image_size or _proposed_size(headers, options)
        colour = any(header.colour for header in headers) and not options.digits
        channels = channels or (3 if colour else 1)
    return FolderSource(
        root=root,
        lists=options.folder,
        label_names=layout.label_names,
        pictures=options.pictures((*image_size, channels)),
        num_slices=num_slices,
        seed=cut.seed,
        left_out=layout.left_out(),
    )


def _first_size(layout: PictureList, largest_square: int) -> tuple[int, int]:
    """Of the first picture that has a header, or what larger ones become."""
    trouble = None
    for label in layout.label_names:
        for name in layout.names("train", label):
            try:
                height, width = decode.header(layout.root / name).size
            except DataError as error:
                trouble = trouble or error
            else:
                is_kept = max(height, width) <= _LARGEST
                return (height, width) if is_kept else (largest_square, largest_square)
    raise trouble or DataError(f"{layout.root}: no picture in it")


def _deal(layout: PictureList, cut: Cut, folder: Path, num_slices: int) -> None:
    """Writes the list of each slice; each split's pictures go to the slices in turn."""
    dealt: collections.Counter[str] = collections.Counter()
    entries: dict[int, list[bytes]] = collections.defaultdict(list)
    written = 0
    for number, label in enumerate(layout.label_names):
        for folder_split in layout.folders:
            names = layout.names(folder_split, label)
            splits = [folder_split] * len(names)
            if folder_split == "train":
                split_numbers = cut.splits(label, len(names), np.arange(len(names)))
                splits = [SPLITS[split_number] for split_number in split_numbers]
            for name, split in zip(names, splits, strict=True):
                entry = f"{split}\t{number}\t".encode() + os.fsencode(name) + b"\0"
                entries[dealt[split] % num_slices].append(entry)
                dealt[split] += 1
        if dealt.total() - written > _BUFFERED or label == layout.label_names[-1]:
            for index, lines in entries.items():
                _append(folder, index, lines)
            entries.clear()
            written = dealt.total()
    if layout.damaged:
        lines = (_DAMAGED + b"\t-1\t" + os.fsencode(cause) + b"\0" for cause in layout.damaged)
        _append(folder, 0, lines)


def _scan(root: Path, lists: Path, index: int) -> collections.Counter[decode.Header]:
    """The headers in a slice, and the number of pictures that have each."""
    headers: collections.Counter[decode.Header] = collections.Counter()
    for entry in _entries(lists, index):
        if entry.startswith(_DAMAGED):
            continue
        with contextlib.suppress(DataError):  # Decoding it will fail too, and that is counted.
            headers[decode.header(root / os.fsdecode(entry.split(b"\t", 2)[2]))] += 1
    return headers


def _proposed_size(
    headers: collections.Counter[decode.Header], options: ReadOptions
) -> tuple[int, int]:
    """The size of all pictures; where they differ or are large, a square, which is said."""
    counts: collections.Counter[tuple[int, int]] = collections.Counter()
    for header, count in headers.items():
        counts[header.size] += count
    sizes = sorted(counts, key=lambda size: (size[0] * size[1], size))
    smallest, largest = ("x".join(map(str, size)) for size in (sizes[0], sizes[-1]))
    # In a picture that keeps its size no digit is sought: so small, it is one as MNIST's.
    if len(sizes) == 1 and max(sizes[0]) <= (_SQUARES[0] if options.digits else _LARGEST):
        return sizes[0]
    sides = sorted((max(size), count) for size, count in counts.items())
    before = itertools.accumulate(count for _, count in sides)
    half = counts.total() / 2
    median = next(side for (side, _), sum_ in zip(sides, before, strict=True) if sum_ >= half)
    squares = (*_SQUARES, options.largest_square)
    side = max((square for square in squares if square <= median), default=median)
    side = _SQUARES[0] if options.digits else side
    how = "the digit found" if options.digits else f"--fit={options.fit}"
    seen = f"are {largest}" if len(sizes) == 1 else f"are {smallest} to {largest}"
    progress.say(
        f"the pictures {seen} (height x width): made {side}x{side} ({how}); "
        "--image_size=HxW for another size"
    )
    return side, side


def _append(folder: Path, index: int, lines: Iterable[bytes]) -> None:
    with open(_list(folder, index), "ab") as file:
        file.writelines(lines)


def _list(folder: Path, index: int) -> Path:
    return folder / f"{index}.list"


def _entries(lists: Path, index: int) -> list[bytes]:
    path = _list(lists, index)
    return path.read_bytes().split(b"\0")[:-1] if path.exists() else []
