"""Records of TFRecord files: read, and found where they are damaged."""

import concurrent.futures
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...base import refused, tfrecord
from ...base.errors import DataError, UsageError, first_line
from ...base.tf import tf
from ..dataset import Dataset, Split
from ..shards import Shard
from . import tensors
from .examples import parse

# Large enough to amortize the cost of an op, small enough for a core's cache.
_READ_BATCH = 1024
# What TensorFlow raises of a record; Python does where its message quotes bytes that are no text.
ERRORS = (tf.errors.OpError, UnicodeDecodeError)
# Of 500 images of 64x64: the first layers of `cnn` make 1.5 GB of them.
_PIXELS_AT_ONCE = 500 * 64 * 64
_READ_BUFFER_BYTES = 1 << 20
# Threads that read a split into memory; more did not help on two cores.
_READERS = 2
# Records of which some are picked at a time.
_BLOCK = 128


def decoded(
    split: Split,
    batch_size: int = _READ_BATCH,
    preprocess: Callable[[tf.Tensor], tf.Tensor] = tf.identity,
    parallel_calls: int = 2,
    any_label: bool = False,
) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
    """A split's images and labels in batches, in their order on disk; every record is checked.

    Args:
      split: what to read.
      batch_size: images in a batch; the last one may be smaller.
      preprocess: applied to each batch, as graph ops.
      parallel_calls: the number of batches that are parsed at once.
      any_label: as `parse` takes it.

    Yields:
      Images uint8 [n, H, W, C], or what `preprocess` makes of them, and labels int64 [n].

    Raises:
      DataError: a shard is missing, damaged or truncated; names it and the record.
      UsageError: there is nothing to read.
    """

    @tf.autograph.experimental.do_not_convert  # No Python control flow; it takes its time.
    def prepare(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels = parse(split.dataset, serialized, any_label)
        return preprocess(images), labels

    require_images(split)
    batches = ordered(split.shards).batch(batch_size).map(prepare, parallel_calls)
    seen = 0
    try:
        for images, labels in batches.prefetch(2):
            seen += len(labels)
            yield images, labels
    except ERRORS as error:
        if refused.says_nothing_of_the_file(error):
            raise
        raise (
            diagnose(split) or DataError(f"{split.dataset.directory}: {first_line(error)}")
        ) from error
    if seen != split.examples:
        raise diagnose(split) or DataError(
            f"{split.dataset.directory}: expected {split.examples:,} records, got {seen:,}"
        )


def load(*splits: Split) -> tuple[tf.Tensor, tf.Tensor]:
    """Reads whole splits of one shape into memory: images uint8 [N, H, W, C] and labels int64 [N].

    They lie one after another, each in its order on disk; errors are those of `decoded`.
    """
    for split in splits:
        require_images(split)
    total = sum(split.examples for split in splits)
    images = tensors.empty((total, *splits[0].dataset.image_shape))
    labels = np.empty(total, np.int64)

    def read(part: Split, start: int) -> None:
        for pixels, numbers in decoded(part):
            end = start + len(numbers)
            images[start:end], labels[start:end] = pixels.numpy(), numbers.numpy()
            start = end

    start = 0
    for split in splits:
        readers = min(_READERS, -(-split.examples // _READ_BATCH))
        parts = [split.of_worker(index, readers) for index in range(readers)]
        starts = itertools.accumulate((part.examples for part in parts[:-1]), initial=start)
        with concurrent.futures.ThreadPoolExecutor(readers) as pool:
            list(pool.map(read, parts, starts))
        start += split.examples
    return tensors.of(images), tf.constant(labels)


def images_at_once(image_shape: tuple[int, int, int], most: int) -> int:
    """How many images a network is shown at once: `most`, and fewer where they are large.

    What its layers make of images takes memory in proportion to their pixels.
    """
    return max(1, min(most, _PIXELS_AT_ONCE // (image_shape[0] * image_shape[1])))


def require_images(split: Split) -> None:
    """Refuses a split that is empty by a `UsageError` that names it."""
    if not split.examples:
        raise UsageError(f"the split {split.name} of {split.dataset.name} holds no images to read")


def read_one(shard: Shard) -> tf.data.Dataset:
    """The serialized records of one shard, in order."""
    return ordered((shard,))


def ordered(shards: tuple[Shard, ...]) -> tf.data.Dataset:
    """The serialized records of all shards, in their order on disk."""
    # Passing over and counting records costs a third of the reading: whole files are
    # read as they are.
    return _joined(reader(list(run)) for reader, run in itertools.groupby(shards, key=_reader_of))


def _reader_of(shard: Shard) -> Callable[[list[Shard]], tf.data.Dataset]:
    if shard.whole:
        return _whole
    return _ranges if isinstance(shard.numbers, range) else _single_records


def _whole(shards: list[Shard]) -> tf.data.Dataset:
    return _file([shard.path for shard in shards])


def _ranges(shards: list[Shard]) -> tf.data.Dataset:
    numbers = ((shard.path, shard.numbers) for shard in shards)
    return _joined(_file(path).skip(run[0]).take(len(run)) for path, run in numbers)


def _single_records(shards: list[Shard]) -> tf.data.Dataset:
    # One stream for all: a graph for each file would take longer to make than to run. Where a file
    # ends early too few records come, which is seen, since the last of a mask is always wanted.
    masks = [_mask(shard) for shard in shards]
    files = (_file(shard.path).take(len(mask)) for shard, mask in zip(shards, masks, strict=True))
    return _picked(_joined(files), tf.constant(np.concatenate(masks)))


def _joined(streams: Iterable[tf.data.Dataset]) -> tf.data.Dataset:
    return functools.reduce(lambda joined, stream: joined.concatenate(stream), streams)


def interleaved(shards: tuple[Shard, ...], cycle: int, seed: Any) -> tf.data.Dataset:
    """The records of all shards, several files in turn, with their indices in the split.

    Args:
      shards: what to read.
      cycle: how many files are read in turn.
      seed: of the order of the files, an int64 scalar.

    Returns:
      Elements (index int64, record string).
    """
    paths, masks = [shard.path for shard in shards], [_mask(shard).tobytes() for shard in shards]
    firsts = np.array([shard.first for shard in shards])
    files: Any = tf.data.Dataset.from_tensor_slices((paths, masks, firsts))
    return files.shuffle(len(shards), seed, reshuffle_each_iteration=False).interleave(
        lambda path, mask, first: _picked_of_file(path, mask).enumerate(first),
        cycle,
        block_length=16,
        num_parallel_calls=tf.data.AUTOTUNE,
    )


def diagnose(split: Split) -> DataError | None:
    """The first damaged shard and record; only a damaged shard is read one record at a time."""
    for shard in split.shards:
        if not Path(shard.path).is_file():
            return damage(shard, None, "the file is missing")
        if error := overlong(shard):
            return error
        if is_sound(split.dataset, shard):
            continue
        number, wanted, end = 0, set(shard.numbers), shard.numbers[-1] + 1
        try:
            for record in _file(shard.path).take(end):
                if number in wanted:
                    parse(split.dataset, record[tf.newaxis])
                number += 1
        except ERRORS as error:
            if refused.says_nothing_of_the_file(error):
                raise
            return damage(shard, number, first_line(error))
        if number != end:
            return damage(shard, number, "it ends early")
    return None


def is_sound(dataset: Dataset, shard: Shard) -> bool:
    """Whether all its records can be read: a thousand times faster than record by record."""
    if overlong(shard):
        return False

    @tf.autograph.experimental.do_not_convert  # No Python control flow; it takes its time.
    def parsed(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return parse(dataset, serialized)  # Images too: what nobody takes is not decoded.

    try:
        batches = ordered((shard,)).batch(_READ_BATCH).map(parsed)
        read = sum(len(labels) for _, labels in batches)
    except ERRORS as error:
        if refused.says_nothing_of_the_file(error):
            raise
        return False
    return read == len(shard.numbers)


def overlong(shard: Shard) -> DataError | None:
    """The error of a shard with a record that TensorFlow cannot be asked to read."""
    number = tfrecord.overlong(Path(shard.path))
    return None if number is None else damage(shard, number, "it is longer than the file")


def damage(shard: Shard, record: int | None, cause: str) -> DataError:
    """The error that names a shard and a record (its number in the file, from 0)."""
    where = "" if record is None else f", record {record}"
    return DataError(
        f"{shard.path}{where}: {cause}; copy the shard again, prepare the dataset again (the "
        "command of the first time, with --overwrite), or leave it out with --max_corrupt_records=N"
    )


def _mask(shard: Shard) -> np.ndarray:
    """Which of a file's first records to read: bool [n], n up to the last of them."""
    mask = np.zeros(shard.numbers[-1] + 1, bool)
    mask[np.asarray(shard.numbers)] = True
    return mask


def _picked_of_file(path: tf.Tensor, mask: tf.Tensor) -> tf.data.Dataset:
    chosen = tf.io.decode_raw(mask, tf.bool)
    return _picked(_file(path).take(tf.size(chosen, tf.int64)), chosen)


def _picked(records: tf.data.Dataset, mask: tf.Tensor) -> tf.data.Dataset:
    """The records that a mask (bool [n]) has, in order."""
    # Block by block: a call of a filter for each record costs three times as much.
    masks = tf.data.Dataset.from_tensor_slices(mask).batch(_BLOCK)
    return tf.data.Dataset.zip(records.batch(_BLOCK), masks).map(_masked).unbatch()


@tf.autograph.experimental.do_not_convert  # No Python control flow; it takes its time.
def _masked(records: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    return tf.boolean_mask(records, mask[: tf.size(records)])


def _file(paths: str | list[str] | tf.Tensor) -> tf.data.Dataset:
    return tf.data.TFRecordDataset(paths, buffer_size=_READ_BUFFER_BYTES)
