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
from ..dataset import Split


def path_of(splits: Sequence[Split], cache_dir: Path) -> Path:
    """Where the cache of some splits lies; another content has another name."""
    content = [
        (
            split.dataset.fingerprint,
            [(Path(shard.path).name, shard.skip, shard.take) for shard in split.shards],
        )
        for split in splits
    ]
    key = hashlib.sha256(f"{content}".encode()).hexdigest()[:16]
    return cache_dir / f"{splits[0].dataset.name.replace('/', '-')}-{key}.cache"


def write(
    path: Path, splits: Sequence[Split], batches: Iterable[tuple[tf.Tensor, tf.Tensor]]
) -> None:
    """Writes a cache file, unless it is there.

    Args:
      path: of the file.
      splits: what it is to hold.
      batches: these, decoded: images uint8 [n, H, W, C] and labels int64 [n].

    Raises:
      OSError: the disk is full, or not writable.
    """
    if path.exists() and path.stat().st_size == _size(splits):
        return
    files.ensure_folder(path.parent)
    cut = path.exists()  # By somebody else: we only rename whole files.
    if files.remove_leftovers(path.parent, f"{files.TEMPORARY}*-{path.name}") or cut:
        progress.say(f"the cache {path} was left incomplete; building it again")
    labels = []
    with files.replacing(path) as temporary, open(temporary, "wb") as file:
        for images, numbers in batches:
            file.write(images.numpy().tobytes())
            labels.append(numbers.numpy().astype("<i8"))
        file.write(np.concatenate(labels).tobytes())


def mapped(path: Path, splits: Sequence[Split]) -> tuple[tf.Tensor, tf.Tensor]:
    """A cache file as tensors.

    Args:
      path: of the file.
      splits: what it holds.

    Returns:
      Images uint8 [N, H, W, C], mapped, and labels int64 [N].

    Raises:
      OSError: the file cannot be mapped.
    """
    count, shape = _count(splits), splits[0].dataset.image_shape
    try:
        with tf.device("CPU"):
            images = tf.raw_ops.ImmutableConst(
                dtype=tf.uint8, shape=[count, *shape], memory_region_name=str(path)
            )
    except tf.errors.OpError as error:
        raise OSError(f"{path}: cannot be mapped into memory: {first_line(error)}") from error
    labels = np.fromfile(path, "<i8", count, offset=count * int(np.prod(shape)))
    return images, tf.constant(labels, tf.int64)


def _count(splits: Sequence[Split]) -> int:
    return sum(split.examples for split in splits)


def _size(splits: Sequence[Split]) -> int:
    """Of the whole file, in bytes."""
    return _count(splits) * (int(np.prod(splits[0].dataset.image_shape)) + 8)
