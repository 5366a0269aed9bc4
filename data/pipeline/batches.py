"""TFRecords to batches.

What training sees is a pure function of (seed, step): the stream is the
split's epochs one after another, each in an order of its own, cut into
batches that may span two epochs. So a run that resumes at a step gets the very
batch that would have come, and the position to save is the step alone.

Three ways to hold the split, by `cache`:

- `memory`: decoded once into one uint8 tensor; an example's place in the order
  is computed (`order`), no buffer holds it, and a batch is one gather.
- `file`: the same, but the tensor is a file that is mapped into memory
  (`cache_file`): for splits that are larger than the memory.
- `off`: read from the TFRecords in each epoch, shards interleaved in shuffled
  order; shuffled through a buffer.

Records are batched before they are parsed, so that parsing and preprocessing
are a few ops for each batch and not for each image.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...base.errors import DataError, UsageError, first_line
from ...base.tf import tf
from .. import shards as parts
from ..dataset import Dataset
from ..shards import Shard
from . import cache_file, order, records
from .augment import Augment
from .preprocess import Preprocess
from .records import decoded, load

__all__ = ["CACHES", "Source", "decoded", "evaluation_batches", "load", "training_batches"]

CACHES = ("memory", "file", "off")

# Batches prepared ahead. A fixed number: auto-tuning takes its time to find
# one, and short runs would be over before.
_PREFETCH = 8
# The order is computed for so many steps at a time: its ops cost as much for few as for many.
_STEPS = 32
# Any number of steps: the consumer stops, not the stream.
_FOREVER = 2**62


@dataclasses.dataclass(frozen=True)
class Source:
    """Where training images come from.

    Attributes:
      dataset: a prepared dataset.
      split: in TFDS's split syntax.
      shards: the part of the split to read; by default all of it.
      weight: of this source in a mix; only ratios count.
    """

    dataset: Dataset
    split: str
    shards: tuple[Shard, ...] | None = None
    weight: float = 1.0

    def parts(self) -> tuple[Shard, ...]:
        """The shards to read.

        Raises:
          UsageError: there is nothing to read.
        """
        return records.non_empty(self.dataset, self.split, self.shards)


def training_batches(
    sources: Source | Sequence[Source],
    preprocess: Preprocess,
    *,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    augment: Augment | None = None,
    cache: str = "memory",
    cache_dir: Path | None = None,
    shuffle_buffer: int = 10_000,
    balance_classes: bool = False,
    worker: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """An endless stream of shuffled batches, all of the same size.

    Args:
      sources: one, or several to mix by weight (not with `off`).
      preprocess: applied to each batch, as graph ops.
      batch_size: images in a batch.
      seed: of the order and of the augmentation.
      start_step: the first batch is the one of this step.
      augment: random changes before the preprocessing.
      cache: `memory`, `file` or `off`.
      cache_dir: the folder of the cache file; needed for `file`.
      shuffle_buffer: with `off`, how many examples the order is drawn from;
        the whole split is shuffled where it fits in.
      balance_classes: as many images of each class (not with `off`).
      worker: (index, number) of workers that share out each source; their
        parts are disjoint and complete.

    Returns:
      Batches of (float32 [batch_size, height, width, C], int64 [batch_size]).

    Raises:
      DataError: a split is damaged.
      UsageError: one is empty, or the arguments do not go together.
    """
    sources = [sources] if isinstance(sources, Source) else list(sources)
    if cache not in CACHES:
        raise ValueError(f"Expected cache to be one of {CACHES}. Received: cache={cache!r}")
    if cache == "file" and cache_dir is None:
        raise ValueError("Expected cache_dir with cache='file'. Received: None")
    if cache == "off" and (balance_classes or len(sources) > 1):
        raise UsageError(
            "mixing datasets and balancing classes pick single images, which TFRecords alone do "
            "not allow: use --cache=memory or --cache=file, not off"
        )
    sources = [
        dataclasses.replace(source, shards=parts.of_worker(source.parts(), *worker))
        for source in sources
    ]

    def finish(images: tf.Tensor, labels: tf.Tensor, epoch: Any, place: Any) -> Any:
        if augment is not None and augment.active:
            seeds = tf.fill(tf.shape(place), tf.constant(seed, tf.int64))
            images = augment(images, tf.stack([seeds, epoch, place], axis=1))
        return preprocess(images), labels

    if cache == "off":
        stream, decode = _streamed(sources[0], shuffle_buffer, batch_size, seed, start_step)
    else:
        held = _mapped(sources, cache_dir) if cache_dir and cache == "file" else _loaded(sources)
        stream, decode = _picked(sources, *held, balance_classes, batch_size, seed, start_step)

    @tf.autograph.experimental.do_not_convert  # No Python control flow; it takes its time.
    def prepare(*elements: tf.Tensor) -> Any:
        return finish(*decode(*elements))

    return stream.map(prepare, tf.data.AUTOTUNE, deterministic=True).prefetch(_PREFETCH)


def evaluation_batches(
    dataset: Dataset,
    split: str,
    preprocess: Preprocess,
    *,
    batch_size: int,
    shards: tuple[Shard, ...] | None = None,
) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
    """Every example of a split exactly once, in order; the last batch may be smaller.

    Args:
      dataset: a prepared dataset.
      split: in TFDS's split syntax.
      preprocess: applied to each batch, as graph ops.
      batch_size: images in a batch.
      shards: the part of the split to read; by default all of it.

    Yields:
      (float32 [n, height, width, C], int64 [n]), n at most `batch_size`.

    Raises:
      DataError: a shard is missing, damaged or truncated.
      UsageError: the split is empty.
    """

    def prepare(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels = records.parse(dataset, serialized)
        return preprocess(images), labels

    shards = records.non_empty(dataset, split, shards)
    batches = records.ordered(shards).batch(batch_size).map(prepare, tf.data.AUTOTUNE)
    seen = 0
    try:
        for images, labels in batches.prefetch(_PREFETCH):
            seen += len(labels)
            yield images, labels
    except tf.errors.OpError as error:
        raise (records.diagnose(dataset, shards) or DataError(first_line(error))) from error
    records.require_all(dataset, shards, seen)


def _loaded(sources: list[Source]) -> tuple[tf.Tensor, tf.Tensor]:
    """Images and labels of all sources, one after another, in memory."""
    loaded = [load(source.dataset, source.split, source.parts()) for source in sources]
    images, labels = zip(*loaded, strict=True)
    return tf.concat(images, 0), tf.concat(labels, 0)


def _mapped(sources: list[Source], cache_dir: Path) -> tuple[tf.Tensor, tf.Tensor]:
    """The same, in a file that is mapped into memory."""
    read = [(source.dataset, source.parts()) for source in sources]
    path = cache_file.path_of(read, cache_dir)
    batches = (decoded(each.dataset, each.split, each.parts()) for each in sources)
    cache_file.write(path, read, itertools.chain.from_iterable(batches))
    return cache_file.mapped(path, read)


def _picked(
    sources: list[Source],
    images: tf.Tensor,
    labels: tf.Tensor,
    balance_classes: bool,
    batch_size: int,
    seed: int,
    start_step: int,
) -> tuple[tf.data.Dataset, Any]:
    """Epochs and indices of each batch, and the function to (images, labels, epochs, places)."""
    places = np.concatenate(
        [
            np.arange(shard.first, shard.first + shard.take)
            for source in sources
            for shard in source.parts()
        ]
    )
    places = tf.constant(places, tf.int64)
    if balance_classes:
        classes = labels.numpy()
        groups = [np.flatnonzero(classes == each) for each in np.unique(classes)]
        pick = order.mixed(groups, [1.0] * len(groups), seed)
    elif len(sources) > 1:
        sizes = [parts.count(source.parts()) for source in sources]
        groups = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
        pick = order.mixed(groups, [source.weight for source in sources], seed)
    else:
        pick = order.shuffled(len(labels), seed)

    @tf.autograph.experimental.do_not_convert  # No Python control flow; it takes its time.
    def picked(step: tf.Tensor) -> tf.data.Dataset:
        position = step * batch_size + tf.range(_STEPS * batch_size, dtype=tf.int64)
        epoch, index = (tf.reshape(each, [_STEPS, batch_size]) for each in pick(position))
        return tf.data.Dataset.from_tensor_slices((epoch, index))

    def batch(epoch: tf.Tensor, index: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return (
            tf.gather(images, index),
            tf.gather(labels, index),
            epoch,
            tf.gather(places, index),
        )

    return tf.data.Dataset.range(start_step, _FOREVER, _STEPS).flat_map(picked), batch


def _streamed(
    source: Source, shuffle_buffer: int, batch_size: int, seed: int, start_step: int
) -> tuple[tf.data.Dataset, Any]:
    """Batches of records, and the function to (images, labels, epochs, places)."""
    dataset, shards = source.dataset, source.parts()

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        epoch_seed = _epoch_seed(seed, number)
        stream = records.interleaved(shards, min(len(shards), 8), epoch_seed)
        stream = stream.shuffle(shuffle_buffer, epoch_seed, reshuffle_each_iteration=False)
        return stream.map(lambda place, record: (number, place, record))

    def decode(epochs: tf.Tensor, places: tf.Tensor, serialized: tf.Tensor) -> Any:
        return *records.parse(dataset, serialized), epochs, places

    first_epoch, skip = divmod(start_step * batch_size, parts.count(shards))
    numbers = tf.data.Dataset.range(first_epoch + 1, _FOREVER)
    stream = epoch(tf.constant(first_epoch, tf.int64)).skip(skip)
    stream = stream.concatenate(numbers.flat_map(epoch))
    return stream.batch(batch_size, drop_remainder=True), decode


def _epoch_seed(seed: int, epoch: tf.Tensor) -> Any:
    """A seed for each epoch, far from those of neighbouring seeds and epochs."""
    return tf.random.stateless_uniform(
        [], seed=tf.stack([tf.constant(seed, tf.int64), epoch]), maxval=2**31 - 1, dtype=tf.int64
    )
