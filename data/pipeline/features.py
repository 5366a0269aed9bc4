"""Features of images, computed once by a network's body and kept in a file; then their batches.

A body that is frozen gives the same features of an image each time. So that the head sees more than
one view of it, features are computed of changed images too: in epoch e it is trained on view e
modulo their number.

The file holds the features of the first view of all images, then those of the next, as
little-endian float32, and then the labels; it is made as `cache_file` says.
"""

import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from ...base import progress
from ...base.tf import tf
from ..dataset import Split
from . import batches, cache_file, records, tensors
from .augment import Augment
from .preprocess import Preprocess

# Images that the body is shown at a time.
_BATCH = 32


@dataclasses.dataclass(frozen=True)
class Body:
    """What makes features of images.

    Attributes:
      call: from preprocessed images float32 [N, H, W, C] to features float32 [N, size].
      digest: of its weights; it tells the features from those of another body.
    """

    call: Callable[[tf.Tensor], tf.Tensor]
    size: int
    digest: str


@dataclasses.dataclass(frozen=True)
class Views:
    """The views of each image, of which the first is the image itself.

    Attributes:
      seed: of what changes the others.
    """

    number: int = 1
    augment: Augment = Augment()
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class Features:
    """Of all images of some splits, one after another.

    Attributes:
      values: float32 [V, N, F], for V views.
      labels: int64 [N].
    """

    values: tf.Tensor
    labels: tf.Tensor


def compute(
    splits: Sequence[Split], preprocess: Preprocess, body: Body, views: Views, folder: Path
) -> Features:
    """The features of some splits; reads their file if they were computed before.

    Args:
      folder: of the file.

    Raises:
      DataError, UsageError: as `records.decoded`.
      OSError: the disk is full or not writable.
    """
    count = sum(split.examples for split in splits)
    shape = (views.number, count, body.size)
    changes = views if views.number > 1 else None
    key = cache_file.key(splits, (preprocess, body.digest, changes))
    path = folder / f"{splits[0].dataset.name.replace('/', '-')}-{key}.features"
    size = 4 * views.number * count * body.size + 8 * count
    cache_file.make(path, size, lambda file: _write(file, splits, preprocess, body, views))
    values = tensors.mapped(path, (size - 8 * count,)).view("<f4").reshape(shape)
    labels = cache_file.labels(splits, path, size - 8 * count)
    return Features(tensors.of(values), labels)


def training_batches(
    features: Features, splits: Sequence[Split], batching: batches.Batching, start_step: int
) -> tf.data.Dataset:
    """An endless stream of shuffled batches; the order is that of the images' own batches.

    Args:
      splits: that the features are of.
      start_step: the first batch is the one of this step.

    Returns:
      Batches of (float32 [n, F], int64 [n]), n being the rows of a batch that are made here.
    """
    views = tf.shape(features.values, tf.int64)[0]

    @tf.autograph.experimental.do_not_convert  # No Python control flow; it takes its time.
    def batch(epochs: tf.Tensor, indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        rows = tf.gather_nd(
            features.values, tf.stack([tf.math.floormod(epochs, views), indices], axis=1)
        )
        return rows, tf.gather(features.labels, indices)

    stream = batches.picked(splits, features.labels, batching, start_step)
    return stream.map(batch, tf.data.AUTOTUNE, deterministic=True).prefetch(batches.PREFETCH)


def evaluation_batches(features: Features, batch_size: int) -> list[tuple[tf.Tensor, tf.Tensor]]:
    """The first view of every image once, in order; the last batch may be smaller."""
    starts = range(0, len(features.labels), batch_size)
    ends = ((start, start + batch_size) for start in starts)
    return [(features.values[0, start:end], features.labels[start:end]) for start, end in ends]


def digest(arrays: Sequence[np.ndarray]) -> str:
    """Of a body's weights, in order."""
    sha256 = hashlib.sha256()
    for array in arrays:
        sha256.update(np.ascontiguousarray(array).tobytes())
    return sha256.hexdigest()


def _write(
    file: IO[bytes], splits: Sequence[Split], preprocess: Preprocess, body: Body, views: Views
) -> None:
    """View by view; the labels come last."""
    count = sum(split.examples for split in splits)
    numbers_in_split = batches.numbers_in_splits(splits).numpy()
    labels = np.empty(count, "<i8")
    decoded = functools.partial(records.decoded, batch_size=_BATCH)
    call = tf.function(body.call, reduce_retracing=True, autograph=False)
    with progress.Progress("features", views.number * count) as bar:
        for view in range(views.number):
            start = 0
            for images, numbers in itertools.chain.from_iterable(map(decoded, splits)):
                end = start + len(numbers)
                if view:
                    keys = np.full((len(numbers), 3), (views.seed, view, 0), np.int64)
                    keys[:, 2] = numbers_in_split[start:end]
                    images = views.augment(images, tf.constant(keys))
                file.write(call(preprocess(images)).numpy().astype("<f4").tobytes())
                labels[start:end], start = numbers.numpy(), end
                bar.advance(len(numbers))
        file.write(labels.tobytes())
