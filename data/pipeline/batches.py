"""TFRecords to batches.

What training sees is a pure function of (seed, step): the split's epochs one after another,
each in an order of its own, cut into batches that may span two epochs. So only the step has
to be saved to resume a run.

Three ways to hold the split, by `cache`:

- `memory`: decoded once into one uint8 tensor; which example comes when is computed
  (`order`), and a batch is one gather.
- `file`: the same, but the tensor is a file that is mapped into memory (`cache_file`).
- `off`: read from the TFRecords in each epoch, shuffled through a buffer.

Records are batched before they are parsed: a few ops for each batch, not for each image.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...base.errors import UsageError
from ...base.tf import tf
from .. import shards
from ..dataset import Split
from . import cache_file, examples, order, records, served, tensors
from .augment import Augment
from .preprocess import Preprocess

CACHES = ("memory", "file", "off")

# Batches prepared ahead. A fixed number: auto-tuning takes its time to find
# one, and short runs would be over before.
PREFETCH = 8
# The order is computed for this many steps at a time: its ops cost as much for few as for many.
_STEPS = 32
# Any number of steps: the consumer stops, not the stream.
_FOREVER = 2**62

# Elements of a stream, and the function from one to (images uint8 [B, H, W, C], labels, epochs,
# indices in the split; int64 [B] each).
_Batch = tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]
_Stream = tuple[tf.data.Dataset, Callable[..., _Batch]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Batching:
    """How training images become batches.

    Attributes:
      seed: of the order and of the augmentation.
      augment: random changes before the preprocessing.
      balance_classes: as many images of each class (not with `off`).
      cache: `memory`, `file` or `off`.
      cache_dir: the folder of the cache file; needed for `file`.
      shuffle_buffer: with `off`, how many examples the order is drawn from;
        the whole split is shuffled where it fits in.
      service: the address of a data service whose workers make the batches (not with `off`).
        They see `cache_dir` under the same path.
      ahead: fetches and counts what comes from the service; the stream can be read once then.
      rows: of each batch, those that are made here: the first, and the one after the last; None
        for all. The rest, which other workers make, is neither parsed nor augmented.
    """

    batch_size: int
    seed: int
    augment: Augment = Augment()
    balance_classes: bool = False
    cache: str = "memory"
    cache_dir: Path | None = None
    shuffle_buffer: int = 10_000
    rows: tuple[int, int] | None = None
    service: str | None = None
    ahead: served.Ahead | None = None

    def __post_init__(self):
        if self.cache not in CACHES:
            raise ValueError(f"Expected cache to be one of {CACHES}. Received: {self.cache!r}")
        if (self.cache == "file" or self.service) and self.cache_dir is None:
            raise ValueError("Expected cache_dir with cache='file' or service. Received: None")
        first, end = self.rows_here
        if not 0 <= first < end <= self.batch_size:
            raise ValueError(
                f"Expected rows of a batch of {self.batch_size} images. Received: {self.rows}"
            )

    @property
    def rows_here(self) -> tuple[int, int]:
        """`rows`, written out."""
        return self.rows or (0, self.batch_size)


def training_batches(
    splits: Split | Sequence[Split], preprocess: Preprocess, batching: Batching, start_step: int = 0
) -> tf.data.Dataset:
    """An endless stream of shuffled batches, all of the same size.

    Args:
      splits: one, or several to mix by weight (not with `off`).
      preprocess: applied to each batch, as graph ops.
      start_step: the first batch is the one of this step.

    Returns:
      Batches of (float32 [n, height, width, C], int64 [n]), n being `batch_size`, or the number of
      the rows that are made here.

    Raises:
      DataError: a split is damaged.
      UsageError: one is empty, or the arguments do not go together.
    """
    splits = [splits] if isinstance(splits, Split) else list(splits)
    if batching.cache == "off" and (batching.balance_classes or len(splits) > 1):
        raise UsageError(
            "mixing datasets and balancing classes pick single images, which a stream of TFRecords "
            "does not allow: use --cache=memory or --cache=file, not off"
        )
    for split in splits:
        records.require_images(split)
    if batching.cache == "off" and batching.service:
        raise UsageError(
            "a data service makes the batch of each step by itself, which a stream of TFRecords "
            "does not allow: use --cache=memory or --cache=file, not off"
        )
    if batching.cache == "off":
        stream, decode = _streamed(splits[0], batching, start_step)
    else:
        stream, decode = _picked(splits, batching, start_step)
    augment, (first, end) = batching.augment, batching.rows_here
    others = (first, batching.batch_size - end)

    @tf.autograph.experimental.do_not_convert  # No Python control flow; it takes its time.
    def prepare(*element: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels, epochs, indices = decode(*element)
        if augment.active:
            seeds = tf.fill(tf.shape(indices), tf.constant(batching.seed, tf.int64))
            images = augment(images, tf.stack([seeds, epochs, indices], axis=1), others)
        return preprocess(images), labels

    if batching.service:

        def numbered(step: int) -> tf.data.Dataset:
            steps = tf.data.Dataset.range(step, _FOREVER)
            made = steps.map(lambda step: (step, *prepare(step)), tf.data.AUTOTUNE, True)
            return made.prefetch(PREFETCH)

        return served.in_order(numbered, batching.service, start_step, batching.ahead)
    return stream.map(prepare, tf.data.AUTOTUNE, deterministic=True).prefetch(PREFETCH)


def evaluation_batches(
    split: Split, preprocess: Preprocess, batch_size: int
) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
    """Every example of a split exactly once, in order; the last batch may be smaller.

    Returns:
      Batches of (float32 [n, height, width, C], int64 [n]), n at most `batch_size`.

    Raises:
      DataError, UsageError: as `records.decoded`, when the first batch is asked for.
    """
    return records.decoded(split, batch_size, preprocess, tf.data.AUTOTUNE)


def _picked(splits: list[Split], batching: Batching, start_step: int) -> _Stream:
    """Epochs and indices of each batch; the images are held in memory or in a file."""
    images, labels = _held(splits, batching)
    index_in_split = numbers_in_splits(splits)

    def batch(epoch: tf.Tensor, index: tf.Tensor) -> _Batch:
        return (
            tf.gather(images(), index),
            tf.gather(labels, index),
            epoch,
            tf.gather(index_in_split, index),
        )

    if batching.service:
        pick, (first, end) = _order(splits, labels, batching), batching.rows_here
        rows = tf.range(first, end, dtype=tf.int64)

        def of_step(step: tf.Tensor) -> _Batch:
            return batch(*pick(step * batching.batch_size + rows))

        return tf.data.Dataset.range(start_step, _FOREVER), of_step
    return picked(splits, labels, batching, start_step), batch


def numbers_in_splits(splits: Sequence[Split]) -> tf.Tensor:
    """The index of each image in its split, of all splits one after another: int64 [N]."""
    ranges = [shards.indices(split.shards) for split in splits]
    return tf.constant(np.concatenate(ranges), tf.int64)


def picked(
    splits: Sequence[Split], labels: tf.Tensor, batching: Batching, start_step: int
) -> tf.data.Dataset:
    """Which images are in which batch: an endless stream of epochs and indices, int64 [n] each.

    Args:
      splits: what the indices count through, one after another.
      labels: of all of them, int64 [N].
      start_step: the first element is of the batch of this step.
    """
    pick, (first, end) = _order(splits, labels, batching), batching.rows_here
    steps, rows = np.arange(_STEPS)[:, np.newaxis], np.arange(first, end)
    places = tf.constant((steps * batching.batch_size + rows).ravel(), tf.int64)

    @tf.autograph.experimental.do_not_convert  # No Python control flow; it takes its time.
    def some(step: tf.Tensor) -> tf.data.Dataset:
        position = step * batching.batch_size + places
        epoch, index = (tf.reshape(numbers, [_STEPS, end - first]) for numbers in pick(position))
        return tf.data.Dataset.from_tensor_slices((epoch, index))

    stream = tf.data.Dataset.range(start_step, _FOREVER, _STEPS).flat_map(some)
    return stream.with_options(tensors.AS_IT_IS)


def _held(splits: list[Split], batching: Batching) -> tuple[Callable[[], tf.Tensor], tf.Tensor]:
    """The images uint8 [N, H, W, C], for a graph that is run here or by a service; the labels."""
    if batching.cache_dir is not None and batching.service:
        path = cache_file.write(splits, batching.cache_dir)
        return lambda: cache_file.images_in_graph(splits, path), cache_file.labels(splits, path)
    if batching.cache_dir is not None and batching.cache == "file":
        images, labels = cache_file.load(splits, batching.cache_dir)
    else:
        images, labels = records.load(*splits)
    return lambda: images, labels


def _order(splits: Sequence[Split], labels: tf.Tensor, batching: Batching) -> order.Order:
    """Which image comes when, as indices into all splits, one after another."""
    if batching.balance_classes:
        classes = labels.numpy()
        _, sizes = np.unique(classes, return_counts=True)
        groups = np.split(np.argsort(classes, kind="stable"), np.cumsum(sizes)[:-1])
        return order.mixed(groups, [1.0] * len(groups), batching.seed)
    if len(splits) > 1:
        sizes = [split.examples for split in splits]
        groups = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
        return order.mixed(groups, [split.weight for split in splits], batching.seed)
    return order.shuffled(len(labels), batching.seed)


def _streamed(split: Split, batching: Batching, start_step: int) -> _Stream:
    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        # Of this function's graph, which takes it from the process: a notebook's seed is not ours,
        # and tf.data cannot bring a seed of 0 together with one that is a tensor.
        tf.compat.v1.get_default_graph().seed = None
        epoch_seed = _epoch_seed(batching.seed, number)
        stream = records.interleaved(split.shards, min(len(split.shards), 8), epoch_seed)
        stream = stream.shuffle(batching.shuffle_buffer, epoch_seed, reshuffle_each_iteration=False)
        return stream.map(lambda index, record: (number, index, record))

    first, end = batching.rows_here

    def decode(epochs: tf.Tensor, indices: tf.Tensor, serialized: tf.Tensor) -> _Batch:
        images, labels = examples.parse(split.dataset, serialized[first:end])
        return images, labels, epochs[first:end], indices[first:end]

    first_epoch, skip = divmod(start_step * batching.batch_size, split.examples)
    first_number = tf.data.Dataset.from_tensors(tf.constant(first_epoch, tf.int64))
    numbers = tf.data.Dataset.range(first_epoch + 1, _FOREVER)
    stream = first_number.flat_map(epoch).skip(skip)
    stream = stream.concatenate(numbers.flat_map(epoch))
    return stream.batch(batching.batch_size, drop_remainder=True), decode


def _epoch_seed(seed: int, epoch: tf.Tensor) -> Any:  # `shuffle` is declared to take an int.
    """A seed for each epoch, far from those of neighbouring seeds and epochs."""
    return tf.random.stateless_uniform(
        [], seed=tf.stack([tf.constant(seed, tf.int64), epoch]), maxval=2**31 - 1, dtype=tf.int64
    )
