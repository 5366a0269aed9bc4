"""A split decoded once into a file of fixed-length records.

A record is the image's pixels, row by row, then the label as 8 little-endian
bytes. The file is written aside and renamed when it is whole, so an
interrupted one is never read; tf.data's own cache files need a lock that
outlives a kill, and hang on a full disk.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..base import files, progress
from ..base.tf import tf
from .dataset import Dataset
from .shards import Shard


def path_of(dataset: Dataset, shards: tuple[Shard, ...], cache_dir: Path) -> Path:
    """Where the cache of a part of a dataset lies; another content has another name."""
    content = [(Path(each.path).name, each.skip, each.take) for each in shards]
    key = hashlib.sha256(f"{dataset.fingerprint} {content}".encode()).hexdigest()[:16]
    return cache_dir / f"{dataset.name.replace('/', '-')}-{key}.records"


def write(path: Path, batches: Iterable[tuple[tf.Tensor, tf.Tensor]]) -> None:
    """Writes a cache file, unless it is there.

    Args:
      path: of the file.
      batches: images uint8 [n, H, W, C] and labels int64 [n].

    Raises:
      OSError: the disk is full, or not writable.
    """
    if path.exists():
        return
    files.ensure_folder(path.parent)
    if files.remove_leftovers(path.parent, f"{files.TEMPORARY}*-{path.name}"):
        progress.say(f"the cache {path} was left incomplete; building it anew")
    with files.replacing(path) as temporary, open(temporary, "wb") as file:
        for images, labels in batches:
            pixels = images.numpy().reshape(len(labels), -1)
            ends = labels.numpy().astype("<i8")[:, np.newaxis].view(np.uint8)
            file.write(np.concatenate([pixels, ends], axis=1).tobytes())


def records(path: Path, dataset: Dataset) -> tf.data.Dataset:
    """The records of a cache file, undecoded, in order."""
    return tf.data.FixedLengthRecordDataset(
        str(path), record_bytes=_image_bytes(dataset) + 8, buffer_size=1 << 20
    )


def decode(dataset: Dataset, batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes a batch of records, as graph ops.

    Args:
      dataset: whose images they are.
      batch: string [N].

    Returns:
      Images uint8 [N, H, W, C] and labels int64 [N].
    """
    size = _image_bytes(dataset)
    content = tf.reshape(tf.io.decode_raw(batch, tf.uint8), [-1, size + 8])
    images = tf.reshape(content[:, :size], [-1, *dataset.image_shape])
    return images, tf.bitcast(content[:, size:], tf.int64)


def _image_bytes(dataset: Dataset) -> int:
    height, width, channels = dataset.image_shape
    return height * width * channels
