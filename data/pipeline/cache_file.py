"""A split decoded once into a file, which is then mapped into memory.

The file holds the pixels of all images, row by row, image by image, and then the labels, 8
little-endian bytes each. It is written aside and renamed when it is whole; tf.data's own
cache files need a lock that outlives a kill, and hang on a full disk.
"""

import hashlib
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...base import files, progress
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
    path = cache_dir / f"{splits[0].dataset.name.replace('/', '-')}-{_key(splits)}.cache"
    shape = (sum(split.examples for split in splits), *splits[0].dataset.image_shape)
    num_pixels = int(np.prod(shape))
    size = num_pixels + 8 * shape[0]
    if not _is_whole(path, size):
        files.ensure_folder(cache_dir)
        with files.one_at_a_time(cache_dir):  # Workers may share the folder.
            if not _is_whole(path, size):
                _write(path, splits)
    labels = np.fromfile(path, "<i8", shape[0], offset=num_pixels)
    return tensors.of(tensors.mapped(path, shape)), tf.constant(labels, tf.int64)


def _is_whole(path: Path, size: int) -> bool:
    return path.exists() and path.stat().st_size == size


def _key(splits: Sequence[Split]) -> str:
    """Tells the content from another."""
    content = [
        (
            split.dataset.fingerprint,
            [(Path(shard.path).name, *_records(shard.numbers)) for shard in split.shards],
        )
        for split in splits
    ]
    return hashlib.sha256(f"{content}".encode()).hexdigest()[:16]


def _records(numbers: range | tuple[int, ...]) -> tuple[int, ...]:
    return (numbers.start, len(numbers)) if isinstance(numbers, range) else numbers


def _write(path: Path, splits: Sequence[Split]) -> None:
    cut = path.exists()  # By somebody else: we only rename whole files.
    if files.remove_leftovers(path.parent, f"{files.TEMPORARY}*-{path.name}") or cut:
        progress.say(f"the cache {path} was left incomplete; building it again")
    labels = []
    with files.replacing(path) as temporary, open(temporary, "wb") as file:
        for images, numbers in itertools.chain.from_iterable(map(records.decoded, splits)):
            file.write(images.numpy().tobytes())
            labels.append(numbers.numpy().astype("<i8"))
        file.write(np.concatenate(labels).tobytes())
