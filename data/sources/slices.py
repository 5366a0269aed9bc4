"""What a source of examples is, so that workers can read it slice by slice."""

import collections
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from ...base.pictures.config import PictureConfig
from ..metadata import LeftOut
from .stratify import Cut

T = TypeVar("T")

# There are at least this many slices, and more where a shard would be larger than this.
NUM_SHARDS, _SHARD_BYTES = 8, 256 << 20
# Large pictures that differ in size become squares of at most this many pixels a side.
LARGEST_SQUARE = 64
# Of what is left out, this many of each kind are named; all are counted.
_NAMED = 20


@dataclasses.dataclass(frozen=True)
class Example:
    """An example.

    Attributes:
      image: uint8 [H, W, C].
      label: its class number.
      file: the entry of the picture file that it was made of; see `source_files`.
    """

    split: str
    image: np.ndarray
    label: int
    file: bytes | None = None


@dataclasses.dataclass(frozen=True)
class Damaged:
    """What stands in an example's place where it cannot be read; `cause` names it."""

    cause: str


def left_out(entries: Iterable[tuple[str, str]]) -> tuple[LeftOut, ...]:
    """Entries (kind, name) that are not used, by kind."""
    counts: collections.Counter[str] = collections.Counter()
    first: dict[str, list[str]] = collections.defaultdict(list)
    for kind, name in entries:
        counts[kind] += 1
        if counts[kind] <= _NAMED:
            first[kind].append(name)
    return tuple(LeftOut(kind, count, tuple(first[kind])) for kind, count in counts.items())


class Source(Protocol):
    """Where slices of examples come from. It is pickled and sent to the workers: keep it small."""

    @property
    def label_names(self) -> tuple[str, ...]:
        """By class number."""
        ...

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every image."""
        ...

    @property
    def num_slices(self) -> int: ...

    def read(self, index: int) -> Iterator[Example | Damaged]:
        """The examples of a slice, in order."""
        ...


def num_slices(images: int, image_bytes: int) -> int:
    """How many slices images of this size are cut into, unless a user says it."""
    by_size = -(-images * image_bytes // _SHARD_BYTES)
    return max(1, min(images, max(NUM_SHARDS, by_size)))


class Executor(Protocol):
    """Runs a function on each slice, here or on other machines."""

    def __call__(self, work: Callable[[int], T], count: int, title: str) -> list[T]:
        """The results of `work(0)` to `work(count - 1)`, in order; raises what `work` raises.

        `work` must be picklable; `title` is for the progress bar.
        """
        ...


@dataclasses.dataclass(frozen=True)
class ReadOptions:
    """How a source is to be read.

    Attributes:
      image_size: (height, width) of all images; None: their own, which must be equal.
      channels: 1 or 3; None: as the images have it.
      fit, digits: what is done with pictures; see `PictureConfig`.
      num_shards: the number of slices of each file or folder; None: by its size.
      cut: from the names of the splits that the source has to the cut of its training split.
      executor: runs a first pass over the slices.
      folder: a place for files that all workers see.
      label_column: of a table, its name or number; None: it is found.
      largest_square: the side of the images that large pictures become.
    """

    image_size: tuple[int, int] | None
    channels: int | None
    fit: str
    digits: bool
    num_shards: int | None
    cut: Callable[[set[str]], Cut]
    executor: Executor
    folder: Path
    label_column: str | None = None
    largest_square: int = LARGEST_SQUARE

    def pictures(self, image_shape: tuple[int, int, int]) -> PictureConfig:
        """How pictures become images of this shape."""
        return PictureConfig(image_shape, self.fit, self.digits)

    def num_slices(self, images: int, image_bytes: int) -> int:
        """The number of slices for this many images of this size."""
        return self.num_shards or num_slices(images, image_bytes)
