"""A split decoded once into a file, which is then mapped into memory.

The file holds the pixels of all images, row by row, image by image, and then
the labels, 8 little-endian bytes each. It is written aside and renamed when it
is whole, so an interrupted one is never read; tf.data's own cache files need a
lock that outlives a kill, and hang on a full disk.

Mapped, the file is a tensor like one in memory: any image is read when it is
asked for, and the system keeps in memory what fits there.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ...base import files, progress
from ...base.errors import first_line
from ...base.tf import tf
from .. import shards as parts
from ..dataset import Dataset
from ..shards import Shard


def path_of(read: Sequence[tuple[Dataset, tuple[Shard, ...]]], cache_dir: Path) -> Path:
    """Where the cache of parts of datasets lies; another content has another name."""
    content = [
        (dataset.fingerprint, [(Path(each.path).name, each.skip, each.take) for each in shards])
        for dataset, shards in read
    ]
    key = hashlib.sha256(f"{content}".encode()).hexdigest()[:16]
    return cache_dir / f"{read[0][0].name.replace('/', '-')}-{key}.cache"


def write(
    path: Path,
    read: Sequence[tuple[Dataset, tuple[Shard, ...]]],
    batches: Iterable[tuple[tf.Tensor, tf.Tensor]],
) -> None:
    """Writes a cache file, unless it is there.

    Args:
      path: of the file.
      read: what it is to hold.
      batches: that, decoded: images uint8 [n, H, W, C] and labels int64 [n].

    Raises:
      OSError: the disk is full, or not writable.
    """
    if path.exists() and path.stat().st_size == _size(read):
        return
    files.ensure_folder(path.parent)
    cut = path.exists()  # By somebody else: we rename whole files alone.
    if files.remove_leftovers(path.parent, f"{files.TEMPORARY}*-{path.name}") or cut:
        progress.say(f"the cache {path} was left incomplete; building it anew")
    labels = []
    with files.replacing(path) as temporary, open(temporary, "wb") as file:
        for images, numbers in batches:
            file.write(images.numpy().tobytes())
            labels.append(numbers.numpy().astype("<i8"))
        file.write(np.concatenate(labels).tobytes())


def mapped(
    path: Path, read: Sequence[tuple[Dataset, tuple[Shard, ...]]]
) -> tuple[tf.Tensor, tf.Tensor]:
    """A cache file as tensors.

    Args:
      path: of the file.
      read: what it holds.

    Returns:
      Images uint8 [N, H, W, C], mapped, and labels int64 [N].

    Raises:
      OSError: the file cannot be mapped.
    """
    count, shape = _count(read), read[0][0].image_shape
    try:
        with tf.device("CPU"):
            images = tf.raw_ops.ImmutableConst(
                dtype=tf.uint8, shape=[count, *shape], memory_region_name=str(path)
            )
    except tf.errors.OpError as error:
        raise OSError(f"{path}: cannot be mapped into memory: {first_line(error)}") from error
    labels = np.fromfile(path, "<i8", count, offset=count * int(np.prod(shape)))
    return images, tf.constant(labels, tf.int64)


def _count(read: Sequence[tuple[Dataset, tuple[Shard, ...]]]) -> int:
    return sum(parts.count(shards) for _, shards in read)


def _size(read: Sequence[tuple[Dataset, tuple[Shard, ...]]]) -> int:
    """Of the whole file, in bytes."""
    return _count(read) * (int(np.prod(read[0][0].image_shape)) + 8)
