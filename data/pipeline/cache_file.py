"""A split decoded once into a file, which is then mapped into memory.

The file holds the pixels of all images, row by row, image by image, and then the labels, 8
little-endian bytes each. It is written aside and renamed when it is whole; tf.data's own
cache files need a lock that outlives a kill, and hang on a full disk.
"""

import hashlib
import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...base import files, progress
from ...base.process import temporary
from ...base.tf import tf
from ..dataset import Split
from . import records, tensors


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
    if not is_whole(path, size):
        files.ensure_folder(cache_dir)
        with files.one_at_a_time(cache_dir):  # Workers may share the folder.
            if not is_whole(path, size):
                _write(path, splits)
    return path


def labels(splits: Sequence[Split], path: Path) -> tf.Tensor:
    """The labels in the cache file of some splits: int64 [N]."""
    shape = _shape(splits)
    return tf.constant(np.fromfile(path, "<i8", shape[0], offset=math.prod(shape)), tf.int64)


def images_in_graph(splits: Sequence[Split], path: Path) -> tf.Tensor:
    """The images uint8 [N, H, W, C], by an op that finds the file where the graph is run."""
    with tf.device("CPU"):
        return tf.raw_ops.ImmutableConst(
            dtype=tf.uint8, shape=_shape(splits), memory_region_name=str(path.resolve())
        )


def _shape(splits: Sequence[Split]) -> tuple[int, ...]:
    return (sum(split.examples for split in splits), *splits[0].dataset.image_shape)


def is_whole(path: Path, size: int) -> bool:
    """Whether a file is there, and was not cut."""
    return path.exists() and path.stat().st_size == size


def key(splits: Sequence[Split], made: object = None) -> str:
    """Tells the content from another, and what was `made` of it."""
    content = [
        (
            split.dataset.fingerprint,
            [(Path(shard.path).name, *_records(shard.numbers)) for shard in split.shards],
        )
        for split in splits
    ]
    return hashlib.sha256(f"{content}{made or ''}".encode()).hexdigest()[:16]


def _records(numbers: range | tuple[int, ...]) -> tuple[int, ...]:
    return (numbers.start, len(numbers)) if isinstance(numbers, range) else numbers


def _write(path: Path, splits: Sequence[Split]) -> None:
    cut = path.exists()  # By somebody else: we only rename whole files.
    if temporary.remove_leftovers(path.parent, f"{temporary.TEMPORARY}*-{path.name}") or cut:
        progress.say(f"the cache {path} was left incomplete; building it again")
    numbers_of_batches = []
    with files.replacing(path) as aside, open(aside, "wb") as file:
        for images, numbers in itertools.chain.from_iterable(map(records.decoded, splits)):
            file.write(images.numpy().tobytes())
            numbers_of_batches.append(numbers.numpy().astype("<i8"))
        file.write(np.concatenate(numbers_of_batches).tobytes())
