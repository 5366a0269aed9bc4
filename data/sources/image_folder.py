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
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...base import progress
from ...base.errors import DataError, UsageError
from ...base.pictures import decode
from ...base.pictures.config import PictureConfig
from . import folder_layout
from .folder_layout import FolderLayout
from .slices import Damaged, Example, ReadOptions
from .stratify import SPLITS, Cut


@dataclasses.dataclass(frozen=True)
class FolderSource:
    """Dealt-out pictures; a `slices.Source`."""

    root: Path
    lists: Path
    label_names: tuple[str, ...]
    pictures: PictureConfig
    num_slices: int
    seed: int

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.pictures.image_shape

    def read(self, index: int) -> Iterator[Example | Damaged]:
        """Decodes the pictures of a slice, in shuffled order."""
        entries = _entries(self.lists, index)
        for position in np.random.default_rng([self.seed, index]).permutation(len(entries)):
            split, label, name = entries[position].split(b"\t", 2)
            path = self.root / os.fsdecode(name)
            try:
                image = decode.load(path, self.pictures)
            except DataError as error:
                yield Damaged(str(error))
            else:
                yield Example(split.decode(), image, int(label))


def plan(root: Path, options: ReadOptions) -> FolderSource:
    """Deals the pictures out, and finds their size.

    Raises:
      DataError: it is not of the form, or sizes differ; names two files.
      UsageError: there are fewer pictures than shards.
    """
    layout = folder_layout.look(root)
    others = list(layout.others())
    if others:
        progress.say(
            f"{len(others):,} files are not pictures by their suffix and are left out, such as "
            f"{root / others[0]}"
        )
    cut = options.cut(set(layout.roots))
    total = sum(len(layout.names("train", label)) for label in layout.label_names)
    first = folder_layout.first_header(layout)
    height, width = options.image_size or first.size
    num_slices = options.num_slices(total, height * width * (options.channels or 3))
    if num_slices > total:
        raise UsageError(f"--num_shards={num_slices} is more than the {total:,} pictures")
    _deal(layout, cut, options.folder, num_slices)
    image_size, channels = options.image_size, options.channels
    if image_size is None or channels is None:
        work = functools.partial(_scan, root, options.folder)
        scanned = options.executor(work, num_slices, "reading headers")
        image_size = image_size or _common_size(scanned)
        colour = any(header.colour for part in scanned for header in part)
        channels = channels or (3 if colour else 1)
    pictures = options.pictures((*image_size, channels))
    return FolderSource(root, options.folder, layout.label_names, pictures, num_slices, cut.seed)


def _deal(layout: FolderLayout, cut: Cut, folder: Path, num_slices: int) -> None:
    """Writes the list of each slice; each split's pictures go to the slices in turn."""
    dealt: collections.Counter[str] = collections.Counter()
    for number, label in enumerate(layout.label_names):
        entries: dict[int, list[bytes]] = collections.defaultdict(list)
        for folder_split in layout.roots:
            names = layout.names(folder_split, label)
            splits = [folder_split] * len(names)
            if folder_split == "train":
                split_numbers = cut.splits(label, len(names), np.arange(len(names)))
                splits = [SPLITS[split_number] for split_number in split_numbers]
            for name, split in zip(names, splits, strict=True):
                entry = f"{split}\t{number}\t".encode() + os.fsencode(name) + b"\0"
                entries[dealt[split] % num_slices].append(entry)
                dealt[split] += 1
        for index, lines in entries.items():
            with open(_list(folder, index), "ab") as file:
                file.writelines(lines)


def _scan(root: Path, lists: Path, index: int) -> dict[decode.Header, tuple[int, Path]]:
    """The headers in a slice: of each the number of pictures, and the first."""
    scanned: dict[decode.Header, tuple[int, Path]] = {}
    for entry in _entries(lists, index):
        path = root / os.fsdecode(entry.split(b"\t", 2)[2])
        with contextlib.suppress(DataError):  # Decoding it will fail too, and that is counted.
            header = decode.header(path)
            count, first = scanned.get(header, (0, path))
            scanned[header] = count + 1, first
    return scanned


def _common_size(scanned: list[dict[decode.Header, tuple[int, Path]]]) -> tuple[int, int]:
    counts: collections.Counter[tuple[int, int]] = collections.Counter()
    firsts: dict[tuple[int, int], Path] = {}
    for part in scanned:
        for header, (count, first) in part.items():
            counts[header.size] += count
            firsts.setdefault(header.size, first)
    (size, count), *others = counts.most_common()
    if others:
        other = others[0][0]
        raise DataError(
            f"the pictures differ in size: {firsts[size]} is {size[0]}x{size[1]} (height x "
            f"width, as {count:,} are), {firsts[other]} is {other[0]}x{other[1]}; resize them "
            f"all with --image_size=HxW, for example --image_size={size[0]}x{size[1]}",
            option="image_size",
        )
    return size


def _list(folder: Path, index: int) -> Path:
    return folder / f"{index}.list"


def _entries(lists: Path, index: int) -> list[bytes]:
    path = _list(lists, index)
    return path.read_bytes().split(b"\0")[:-1] if path.exists() else []
