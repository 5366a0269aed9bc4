"""The picture files that a dataset was made of: which one became which image.

Beside the shards of a split lies a list, `<name>-<split>.files`: an entry for each image, in the
order of the records: the file's size, its time of change, and its path below the folder that
the metadata names.
"""

from __future__ import annotations

import bisect
import collections
import dataclasses
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..base import addresses, files
from ..base.errors import DataError
from ..base.files import JsonObject
from .metadata import prepare_again

if TYPE_CHECKING:  # Workers import this file, and must not load TensorFlow.
    from .dataset import Dataset, Split

# The key of the folder in the metadata.
_ROOT = "files_root"
_END = b"\0"
# Of a list, this much is read at a time.
_PART_BYTES = 1 << 20


def entry(path: Path, name: bytes) -> bytes:
    """The entry of a file in a list.

    Args:
      path: of the file.
      name: its path below the folder.
    """
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}\t".encode() + name + _END


def root_metadata(root: Path) -> JsonObject:
    """What `metadata.json` says of the folder that the paths are below."""
    return {_ROOT: addresses.shown(str(root.resolve()))}


def list_of(folder: Path, name: str, split: str) -> Path:
    """The list of a split.

    Args:
      folder: of the dataset.
      name: of the dataset.
      split: as it lies on disk.
    """
    return folder / f"{name.partition('/')[0]}-{split}.files"


@dataclasses.dataclass(frozen=True)
class SourceFile:
    """A file that became an image.

    Attributes:
      index: of the image in the split.
      size, time: of the file when the dataset was made: bytes, and nanoseconds since 1970.
    """

    index: int
    path: Path
    size: int
    time: int

    @property
    def state(self) -> str:
        """`same`, `changed` or `gone` since the dataset was made."""
        try:
            status = self.path.stat()
        except OSError:
            return "gone"
        is_same = (status.st_size, status.st_mtime_ns) == (self.size, self.time)
        return "same" if is_same else "changed"


def sample(split: Split, count: int) -> list[SourceFile] | None:
    """Files of a split's images, evenly spread over it; all if there are no more than `count`.

    Returns:
      None where it is not known which files they were: a dataset made of none, or by an older
      version; a split that damaged records were left out of.
    """
    root = split.dataset.metadata.files_root
    starts = _starts(split.dataset)
    if root is None or any(shard.path not in starts for shard in split.shards):
        return None
    number = min(count, split.examples)
    wanted = [position * split.examples // number for position in range(number)]
    # By list, from the number of an entry to the index of its image in the split.
    by_list: dict[Path, dict[int, int]] = collections.defaultdict(dict)
    position = 0
    for shard in split.shards:
        path, start = starts[shard.path]
        end = position + len(shard.numbers)
        for index in wanted[bisect.bisect_left(wanted, position) : bisect.bisect_left(wanted, end)]:
            by_list[path][start + shard.numbers[index - position]] = index
        position = end
    for path in by_list:
        digest = split.dataset.metadata.files.get(path.name)
        if not files.is_there(path):
            if digest is None:
                return None
            raise DataError(f"{path} does not exist; {prepare_again(split.dataset.name)}")
        if cause := digest and digest.whole_difference(path):
            raise DataError(
                f"{path} is not what was written ({cause}); {prepare_again(split.dataset.name)}"
            )
    found = [
        _source_file(Path(root), indices[number], content, path)
        for path, indices in by_list.items()
        for number, content in _entries(path, sorted(indices))
    ]
    return sorted(found, key=lambda file: file.index)


def _source_file(root: Path, index: int, content: bytes, where: Path) -> SourceFile:
    text, _, name = content.partition(b"\t")
    try:
        size, time = map(int, text.split())
    except ValueError:
        raise DataError(
            f"{where}: not a list of files; delete it: none is looked at then"
        ) from None
    return SourceFile(index, root / os.fsdecode(name), size, time)


def _entries(path: Path, numbers: list[int]) -> Iterator[tuple[int, bytes]]:
    """Entries of a list by their numbers, ascending; there may be millions of others."""
    start, rest, left = 0, b"", collections.deque(numbers)
    with open(path, "rb") as file:
        while left and (part := file.read(_PART_BYTES)):
            *entries, rest = (rest + part).split(_END)
            while left and left[0] < start + len(entries):
                number = left.popleft()
                yield number, entries[number - start]
            start += len(entries)


def _starts(dataset: Dataset) -> dict[str, tuple[Path, int]]:
    """By shard: the list of its split, and the place of its first record there."""
    starts = {}
    for split in dataset.split_names:
        path, start = list_of(dataset.directory, dataset.name, split), 0
        for shard in dataset.split(split).shards:
            starts[shard.path] = path, start
            start += len(shard.numbers)
    return starts


def join(parts: Iterable[Path], target: Path) -> None:
    """Puts the lists of the shards of a split together, in order, and removes them."""
    with open(target, "wb") as file:
        for part in parts:
            with open(part, "rb") as content:
                shutil.copyfileobj(content, file)
            part.unlink()
