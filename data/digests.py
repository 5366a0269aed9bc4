"""Digests of the files of a dataset: they tell whether what is read is what was read before."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..base import files
from .metadata import FileDigest, other_content

if TYPE_CHECKING:  # It loads TensorFlow.
    from .dataset import Dataset, Split


_MISSING = "the file is missing"


@dataclasses.dataclass(frozen=True)
class ShardDigest:
    """A file of a split, by its name in the dataset's folder."""

    name: str
    bytes: int
    sha256: str

    def difference(self, path: Path) -> str | None:
        """In what a file differs, in words; None if it does not."""
        size = path.stat().st_size
        if size != self.bytes:
            return f"{size:,} bytes, {self.bytes:,} then"
        return other_content(path, self.sha256)


@dataclasses.dataclass(frozen=True)
class SplitDigest:
    """A split that lies on disk.

    Attributes:
      sha256: of its shards one after the other: the same into however many it is cut.
    """

    name: str
    sha256: str
    shards: tuple[ShardDigest, ...]


def of_dataset(dataset: Dataset) -> tuple[SplitDigest, ...]:
    """Of each split; one with a shard that is missing is left out."""
    found = []
    for name in dataset.split_names:
        paths = _paths(dataset, name)
        if all(path.is_file() for path in paths):
            found.append(_of_split(name, paths))
    return tuple(found)


def _of_split(name: str, paths: Sequence[Path]) -> SplitDigest:
    joint, shards = hashlib.sha256(), []
    for path in paths:
        own = hashlib.sha256()
        files.add_to((joint, own), path)
        shards.append(ShardDigest(path.name, path.stat().st_size, own.hexdigest()))
    return SplitDigest(name, joint.hexdigest(), tuple(shards))


def differing_at_ends(split: Split) -> Iterator[tuple[Path, str]]:
    """The shards of a split that are not as the metadata of its dataset state them.

    Only their sizes and their ends are looked at.

    Yields:
      The file, and what differs.
    """
    for path, digest in _stated(split):
        if cause := digest.difference(path) if path.is_file() else _MISSING:
            yield path, cause


def differing(split: Split, now: Sequence[SplitDigest]) -> Iterator[tuple[Path, str]]:
    """The same, by the digests that all shards have `now`."""
    digests = {shard.name: shard for split in now for shard in split.shards}
    for path, digest in _stated(split):
        shard = digests.get(path.name)
        if shard and shard.sha256 != digest.sha256:
            yield path, f"sha256 {shard.sha256[:8]}, {digest.sha256[:8]} then"


def _stated(split: Split) -> Iterator[tuple[Path, FileDigest]]:
    """The shards of a split that the metadata state something of."""
    for path in sorted({Path(shard.path) for shard in split.shards}):
        if digest := split.dataset.metadata.files.get(path.name):
            yield path, digest


def changed(splits: Sequence[Split], before: Sequence[SplitDigest]) -> Iterator[tuple[Path, str]]:
    """The files that splits of a dataset are read from and that are not what they were.

    Yields:
      The file, or the dataset's folder where it is cut into other shards; and what differs.
    """
    (dataset,) = {split.dataset.directory: split.dataset for split in splits}.values()
    read = {Path(shard.path) for split in splits for shard in split.shards}
    for digest in before:
        paths = _paths(dataset, digest.name) if digest.name in dataset.split_names else []
        if not read.intersection(paths):
            continue
        if [path.name for path in paths] == [shard.name for shard in digest.shards]:
            for path, shard in zip(paths, digest.shards, strict=True):
                if path not in read:
                    continue
                if cause := shard.difference(path) if path.is_file() else _MISSING:
                    yield path, cause
        elif (
            all(path.is_file() for path in paths)
            and _of_split(digest.name, paths).sha256 != digest.sha256
        ):
            yield dataset.directory, f"other records in {digest.name}"


def _paths(dataset: Dataset, name: str) -> list[Path]:
    from .dataset import shards_of

    return [Path(shard.path) for shard in shards_of(dataset.builder, name)]
