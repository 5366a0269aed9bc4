"""A split decoded once into a file, which is then mapped into memory.

The file holds the pixels of all images, row by row, image by image, then the labels, 8
little-endian bytes each, and at the end the checksum of all before it, as TFRecords have it: a file
whose checksum does not hold is made again. It is written aside and renamed when it is whole;
tf.data's own cache files need a lock that outlives a kill, and hang on a full disk.
"""

import hashlib
import itertools
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from ...base import files, progress, tfrecord
from ...base.process import temporary
from ...base.tf import tf
from ..dataset import Split
from . import records, tensors

# Of a file whose checksum is computed, this many bytes are in memory at once.
_PART_BYTES = 1 << 20


def load(splits: Sequence[Split], cache_dir: Path) -> tuple[tf.Tensor, tf.Tensor]:
    """All images and labels of some splits; writes their cache file first, unless it is there.

    Returns:
      Images uint8 [N, H, W, C], mapped, and labels int64 [N].

    Raises:
      DataError, UsageError: as `records.decoded`.
      OSError: the disk is full or not writable, or the file cannot be mapped.
    """
    path, shape = write(splits, cache_dir), _shape(splits)
    return tensors.of(tensors.mapped(path, shape)), labels(splits, path)


def write(splits: Sequence[Split], cache_dir: Path) -> Path:
    """The cache file of some splits, written now unless it is there; else as `load`."""
    path = cache_dir / f"{splits[0].dataset.name.replace('/', '-')}-{key(splits)}.cache"
    shape = _shape(splits)
    size = math.prod(shape) + 8 * shape[0]
    make(path, size, lambda file: _write(file, splits))
    return path


def make(path: Path, size: int, write_into: Callable[[IO[bytes]], object]) -> None:
    """Writes a cache file, unless it is there and whole.

    Args:
      path: of the file.
      size: of its content, in bytes; the checksum comes behind.
      write_into: writes the content.
    """
    if _is_whole(path, size):
        return
    files.ensure_folder(path.parent)
    with files.one_at_a_time(path.parent):  # Workers may share the folder.
        if _is_whole(path, size):
            return
        is_damaged = os.path.lexists(path)
        if (
            temporary.remove_leftovers(path.parent, f"{temporary.TEMPORARY}*-{path.name}")
            or is_damaged
        ):
            progress.say(f"the cache {path} was left incomplete, or is damaged; building it again")
        files.remove(path)
        with files.replacing(path) as aside:
            with open(aside, "wb") as file:
                write_into(file)
            checksum = _checksum(aside, size)
            with open(aside, "ab") as file:
                file.write(checksum)


def labels(splits: Sequence[Split], path: Path, offset: int | None = None) -> tf.Tensor:
    """The labels in the cache file of some splits: int64 [N].

    Args:
      offset: where they begin, in bytes; behind the pixels if None.

    Raises:
      DataError: one is none of the classes, which the last release took.
    """
    shape = _shape(splits)
    found = np.fromfile(path, "<i8", shape[0], offset=offset or math.prod(shape))
    if found.min() < 0 or found.max() >= splits[0].dataset.num_classes:
        for damage in filter(None, map(records.diagnose, splits)):
            raise damage
    return tf.constant(found, tf.int64)


def images_in_graph(splits: Sequence[Split], path: Path) -> tf.Tensor:
    """The images uint8 [N, H, W, C], by an op that finds the file where the graph is run."""
    with tf.device("CPU"):
        return tf.raw_ops.ImmutableConst(
            dtype=tf.uint8, shape=_shape(splits), memory_region_name=str(path.resolve())
        )


def _shape(splits: Sequence[Split]) -> tuple[int, ...]:
    return (sum(split.examples for split in splits), *splits[0].dataset.image_shape)


def _is_whole(path: Path, size: int) -> bool:
    """Whether a file is there, and its checksum holds."""
    if not path.is_file() or path.stat().st_size != size + tfrecord.CHECKSUM_BYTES:
        return False
    with files.opened(path) as file:
        file.seek(size)
        return file.read() == _checksum(path, size)


def _checksum(path: Path, size: int) -> bytes:
    """Of the first bytes of a file."""
    with files.opened(path) as file:
        parts = iter(lambda: file.read(min(_PART_BYTES, size - file.tell())), b"")
        return tfrecord.checksum_of(parts)


def key(splits: Sequence[Split], made: object = None) -> str:
    """Tells the content from another, and what was `made` of it."""
    content = [
        (
            split.dataset.fingerprint,
            [(*_file(Path(shard.path)), *_records(shard.numbers)) for shard in split.shards],
        )
        for split in splits
    ]
    return hashlib.sha256(f"{content}{made or ''}".encode()).hexdigest()[:16]


def _file(path: Path) -> tuple[str, int, int]:
    """A file's name, size and time of change: one that is exchanged has another."""
    status = path.stat() if path.is_file() else None
    return path.name, status.st_size if status else 0, status.st_mtime_ns if status else 0


def _records(numbers: range | tuple[int, ...]) -> tuple[int, ...]:
    return (numbers.start, len(numbers)) if isinstance(numbers, range) else numbers


def _write(file: IO[bytes], splits: Sequence[Split]) -> None:
    numbers_of_batches = []
    for images, numbers in itertools.chain.from_iterable(map(records.decoded, splits)):
        file.write(images.numpy().tobytes())
        numbers_of_batches.append(numbers.numpy().astype("<i8"))
    file.write(np.concatenate(numbers_of_batches).tobytes())
