"""TFRecords to batches.

What training sees is a pure function of (seed, step): the stream is the
split's epochs one after another, each shuffled by a seed of its own, cut into
batches that may span two epochs. So a run that resumes at a step gets the very
batch that would have come, and the position to save is the step alone.

Three ways to hold the split, by `cache`:

- `memory`: decoded once into one uint8 tensor; an epoch is a permutation that
  is computed index by index (no buffer), a batch is one gather.
- `file`: decoded once into a file (`cache_file`); shuffled through a buffer.
- `off`: read from the TFRecords in each epoch, shards interleaved in shuffled
  order; shuffled through a buffer.

Records are batched before they are parsed, so that parsing and preprocessing
are a few ops for each batch and not for each image.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import DataError, UsageError, first_line
from ..base.tf import tf
from . import cache_file
from .dataset import Dataset, Shard
from .preprocess import Preprocess

CACHES = ("memory", "file", "off")

# Large enough to amortize the cost of an op, small enough for a core's cache.
_READ_BATCH = 512
_READ_BUFFER_BYTES = 1 << 20
# Batches prepared ahead. A fixed number: auto-tuning takes its time to find
# one, and short runs would be over before.
_PREFETCH = 8
# Any number of steps: the consumer stops, not the stream.
_FOREVER = 2**62


def load(dataset: Dataset, split: str) -> tuple[tf.Tensor, tf.Tensor]:
    """Reads a whole split into memory, in its order on disk.

    Returns:
      Images uint8 [N, H, W, C] and labels int64 [N].

    Raises:
      DataError: a shard is missing, damaged or truncated; names it and the record.
      UsageError: the split is empty.
    """
    images, labels = zip(*_decoded(dataset, split), strict=True)
    return tf.concat(images, 0), tf.concat(labels, 0)


def _decoded(dataset: Dataset, split: str) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
    """A split's decoded images and labels, in batches, in order; every shard is checked."""
    shards = _shards(dataset, split)
    for shard in shards:
        found = 0
        batches = _records(shard).batch(_READ_BATCH)
        try:
            for images, labels in batches.map(lambda x: parse(dataset, x)):
                found += len(labels)
                yield images, labels
        except tf.errors.OpError as error:
            cause = first_line(error)
            raise (diagnose(dataset, (shard,)) or _damage(shard, found, cause)) from error
        if found != shard.take:
            raise _damage(shard, shard.skip + found, "it ends early")


def _shards(dataset: Dataset, split: str) -> tuple[Shard, ...]:
    shards = dataset.shards(split)
    if not sum(shard.take for shard in shards):
        raise UsageError(f"the split {split} of {dataset.name} holds no images")
    return shards


def parse(dataset: Dataset, records: Any) -> tuple[tf.Tensor, Any]:
    """Parses a batch of serialized `tf.Example`s, as graph ops.

    Args:
      dataset: whose records they are.
      records: string [N].

    Returns:
      Images uint8 [N, H, W, C] and labels int64 [N].
    """
    features = tf.io.parse_example(
        records,
        {
            "image": tf.io.FixedLenFeature([], tf.string),
            "label": tf.io.FixedLenFeature([], tf.int64),
        },
    )
    height, width, channels = dataset.image_shape
    if dataset.encoding == "raw":
        pixels = tf.io.decode_raw(features["image"], tf.uint8)
        images = tf.reshape(pixels, [-1, height, width, channels])
    else:
        images = tf.map_fn(
            lambda content: tf.io.decode_image(content, channels, expand_animations=False),
            features["image"],
            fn_output_signature=tf.TensorSpec(dataset.image_shape, tf.uint8),
        )
    return images, features["label"]


def training_batches(
    dataset: Dataset,
    split: str,
    preprocess: Preprocess,
    *,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    cache: str = "memory",
    cache_dir: Path | None = None,
    shuffle_buffer: int = 10_000,
) -> tf.data.Dataset:
    """An endless stream of shuffled batches, all of the same size.

    Args:
      dataset: a prepared dataset.
      split: in TFDS's split syntax.
      preprocess: applied to each batch, as graph ops.
      batch_size: images in a batch.
      seed: of the order.
      start_step: the first batch is the one of this step.
      cache: `memory`, `file` or `off`.
      cache_dir: the folder of the cache file; needed for `file`.
      shuffle_buffer: with `file` and `off`, how many examples the order is
        drawn from; the whole split is shuffled where it fits in.

    Returns:
      Batches of (float32 [batch_size, height, width, C], int64 [batch_size]).

    Raises:
      DataError: the split is damaged.
      UsageError: it is empty.
    """
    if cache not in CACHES:
        raise ValueError(f"Expected cache to be one of {CACHES}. Received: cache={cache!r}")
    if cache == "memory":
        return _from_memory(dataset, split, preprocess, batch_size, seed, start_step)
    examples = sum(shard.take for shard in _shards(dataset, split))
    if cache == "file":
        if cache_dir is None:
            raise ValueError("Expected cache_dir with cache='file'. Received: None")
        epoch = _cached_epochs(dataset, split, cache_dir, seed, shuffle_buffer)
    else:
        epoch = _streamed_epochs(dataset, split, seed, shuffle_buffer)
    first_epoch, skip = divmod(start_step * batch_size, examples)
    stream = epoch(tf.constant(first_epoch, tf.int64)).skip(skip)
    stream = stream.concatenate(
        tf.data.Dataset.range(first_epoch + 1, _FOREVER).flat_map(epoch)
    ).batch(batch_size, drop_remainder=True)

    decode = cache_file.decode if cache == "file" else parse

    def prepare(records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels = decode(dataset, records)
        return preprocess(images), labels

    return stream.map(prepare, tf.data.AUTOTUNE, deterministic=True).prefetch(_PREFETCH)


def evaluation_batches(
    dataset: Dataset, split: str, preprocess: Preprocess, *, batch_size: int
) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
    """Every example of a split exactly once, in order; the last batch may be smaller.

    Yields:
      (float32 [n, height, width, C], int64 [n]), n at most `batch_size`.

    Raises:
      DataError: a shard is missing, damaged or truncated.
    """

    def prepare(records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels = parse(dataset, records)
        return preprocess(images), labels

    shards = _shards(dataset, split)
    records = _interleaved(shards, cycle_length=1).batch(batch_size)
    seen = 0
    try:
        for images, labels in records.map(prepare, tf.data.AUTOTUNE).prefetch(_PREFETCH):
            seen += len(labels)
            yield images, labels
    except tf.errors.OpError as error:
        raise (diagnose(dataset, shards) or DataError(first_line(error))) from error
    expected = dataset.num_examples(split)
    if seen != expected:
        raise diagnose(dataset, shards) or DataError(
            f"the split {split} of {dataset.name}: expected {expected:,} examples, got {seen:,}"
        )


def diagnose(dataset: Dataset, shards: tuple[Shard, ...]) -> DataError | None:
    """Finds the first damaged shard and record, reading one record at a time."""
    for shard in shards:
        index = shard.skip
        if not Path(shard.path).is_file():
            return _damage(shard, None, "the file is missing")
        try:
            for record in _records(shard):
                parse(dataset, record[tf.newaxis])
                index += 1
        except tf.errors.OpError as error:
            return _damage(shard, index, first_line(error))
        if index != shard.skip + shard.take:
            return _damage(shard, index, "it ends early")
    return None


def _from_memory(
    dataset: Dataset,
    split: str,
    preprocess: Preprocess,
    batch_size: int,
    seed: int,
    start_step: int,
) -> tf.data.Dataset:
    images, labels = load(dataset, split)
    count = tf.constant(len(labels), tf.int64)

    def batch(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        position = step * batch_size + tf.range(batch_size, dtype=tf.int64)
        epoch = position // count
        # The raw op takes a seed for each index, which a batch that spans two
        # epochs needs; tf.random.experimental.index_shuffle does not.
        index = tf.raw_ops.RandomIndexShuffle(
            index=position % count,
            seed=tf.stack([tf.fill([batch_size], tf.constant(seed, tf.int64)), epoch, epoch], 1),
            max_index=count - 1,
            rounds=4,
        )
        return preprocess(tf.gather(images, index)), tf.gather(labels, index)

    steps = tf.data.Dataset.range(start_step, _FOREVER)
    return steps.map(batch, tf.data.AUTOTUNE, deterministic=True).prefetch(_PREFETCH)


def _streamed_epochs(dataset: Dataset, split: str, seed: int, shuffle_buffer: int) -> Any:
    """A function from an epoch's number to its records, serialized and shuffled."""
    shards = dataset.shards(split)

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        epoch_seed = _epoch_seed(seed, number)
        records = _interleaved(shards, cycle_length=min(len(shards), 8), seed=epoch_seed)
        return records.shuffle(shuffle_buffer, epoch_seed, reshuffle_each_iteration=False)

    return epoch


def _cached_epochs(
    dataset: Dataset, split: str, cache_dir: Path, seed: int, shuffle_buffer: int
) -> Any:
    """A function from an epoch's number to its cached records, shuffled."""
    path = cache_file.path_of(dataset, split, cache_dir)
    cache_file.write(path, _decoded(dataset, split))

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        records = cache_file.records(path, dataset)
        return records.shuffle(
            shuffle_buffer, _epoch_seed(seed, number), reshuffle_each_iteration=False
        )

    return epoch


def _epoch_seed(seed: int, epoch: tf.Tensor) -> Any:
    """A seed for each epoch, far from those of neighbouring seeds and epochs."""
    return tf.random.stateless_uniform(
        [], seed=tf.stack([tf.constant(seed, tf.int64), epoch]), maxval=2**31 - 1, dtype=tf.int64
    )


def _records(shard: Shard) -> tf.data.Dataset:
    return _read(tf.constant(shard.path), shard.skip, shard.take)


def _read(path: tf.Tensor, skip: Any, take: Any) -> tf.data.Dataset:
    file = tf.data.TFRecordDataset(path, buffer_size=_READ_BUFFER_BYTES)
    return file.skip(skip).take(take)


def _interleaved(shards: tuple[Shard, ...], cycle_length: int, seed: Any = None) -> tf.data.Dataset:
    """The records of all shards, in a fixed order; shards are shuffled if there is a seed."""
    columns = (
        [shard.path for shard in shards],
        np.array([shard.skip for shard in shards], np.int64),
        np.array([shard.take for shard in shards], np.int64),
    )
    files = tf.data.Dataset.from_tensor_slices(columns)
    if seed is not None:
        files = files.shuffle(len(shards), seed, reshuffle_each_iteration=False)
    read: Any = _read
    return files.interleave(
        read, cycle_length, block_length=16, num_parallel_calls=tf.data.AUTOTUNE
    )


def _damage(shard: Shard, record: int | None, cause: str) -> DataError:
    where = "" if record is None else f", record {record}"
    return DataError(
        f"{shard.path}{where}: {cause}; copy the shard again, or make the dataset anew with "
        "digitline prepare --overwrite"
    )
