"""Measuring input pipelines: ours, the tutorials', a numpy loop, and others' where installed.

All give batches of (float32 [B, H + 2P, W + 2P, C] in 0 to 1, labels) in
shuffled order; what consumes them does nothing.
"""

import gc
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import psutil

from benchmarks import pipeline_peers as speed_peers
from benchmarks.pipeline_peers import Epoch
from digitline.base.tf import tf
from digitline.data import shards as parts
from digitline.data.dataset import Dataset
from digitline.data.pipeline import batches as pipeline
from digitline.data.pipeline import records
from digitline.data.pipeline.preprocess import Preprocess

# How often the memory is looked at while a round runs, in seconds.
_MEMORY_INTERVAL_S = 0.02


def measure(
    dataset: Dataset,
    split: str,
    *,
    batch_size: int,
    padding: int,
    rounds: int,
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Measures each pipeline for some rounds; the rounds of all take turns.

    Args:
      dataset, split: what is read.
      batch_size: images in a batch.
      padding: black pixels on each side.
      rounds: epochs of each.
      say: is told of the progress.

    Returns:
      A row for each: `name`, `what`, `images_per_s` (median), `rounds`
      (images/s of each), `slowest`, `fastest`, `peak_rss_mb` (of the whole
      process while it ran).
    """
    height, width, _ = dataset.image_shape
    preprocess = Preprocess(
        dataset.image_shape, height + 2 * padding, width + 2 * padding, "pad" if padding else "none"
    )
    images, labels = (tensor.numpy() for tensor in records.load(dataset, split))
    contenders: dict[str, tuple[str, Epoch]] = {
        "tutorial": (
            "one image per map call, shuffle 10,000",
            _tutorial(dataset, split, preprocess, batch_size),
        ),
        "cold": (
            "ours, first epoch, from TFRecords",
            _cold(dataset, split, preprocess, batch_size),
        ),
        "warm": ("ours, later epochs, in memory", _warm(dataset, split, preprocess, batch_size)),
        "numpy": ("a bare numpy loop", _numpy(images, labels, padding, batch_size)),
    }
    contenders |= speed_peers.installed(images, labels, padding, batch_size)
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    peaks = dict.fromkeys(contenders, 0.0)
    for number in range(rounds + 1):
        for name, (_, epoch) in contenders.items():
            rate, peak = _timed(epoch)
            peaks[name] = max(peaks[name], peak)
            if number:  # The first round warms up: files, graphs, allocators.
                rates[name].append(rate)
        if number:
            say(f"round {number} of {rounds}: " + ", ".join(
                f"{name} {each[-1]:,.0f}" for name, each in rates.items()
            ) + " images/s")  # fmt: skip
    return [
        {
            "name": name,
            "what": what,
            "images_per_s": statistics.median(rates[name]),
            "rounds": rates[name],
            "slowest": min(rates[name]),
            "fastest": max(rates[name]),
            "peak_rss_mb": peaks[name],
        }
        for name, (what, _) in contenders.items()
    ]


def _timed(epoch: Epoch) -> tuple[float, float]:
    """Images per second of one epoch, and the process's peak memory in MB meanwhile."""
    gc.collect()
    process, peak, done = psutil.Process(), [0], threading.Event()

    def watch() -> None:
        while not done.wait(_MEMORY_INTERVAL_S):
            peak[0] = max(peak[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    start = time.perf_counter()
    images = epoch()
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    return images / seconds, max(peak[0], process.memory_info().rss) / 1e6


def _tutorial(dataset: Dataset, split: str, preprocess: Preprocess, batch_size: int) -> Epoch:
    """As tutorials have it: each image on its own through parse, decode, cast, scale and pad."""
    count = parts.count(dataset.shards(split))
    paths = [shard.path for shard in dataset.shards(split)]
    top = (preprocess.height - preprocess.image_shape[0]) // 2
    left = (preprocess.width - preprocess.image_shape[1]) // 2

    def one(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        features = tf.io.parse_single_example(
            serialized,
            {
                "image": tf.io.FixedLenFeature([], tf.string),
                "label": tf.io.FixedLenFeature([], tf.int64),
            },
        )
        if dataset.encoding == "raw":
            image = tf.reshape(
                tf.io.decode_raw(features["image"], tf.uint8), preprocess.image_shape
            )
        else:
            image = tf.io.decode_image(features["image"], expand_animations=False)
            image.set_shape(preprocess.image_shape)
        image = tf.cast(image, tf.float32) / 255.0
        image = tf.image.pad_to_bounding_box(image, top, left, preprocess.height, preprocess.width)
        return image, features["label"]

    batches = (
        tf.data.TFRecordDataset(paths)
        .map(one, num_parallel_calls=tf.data.AUTOTUNE)
        .shuffle(10_000)
        .batch(batch_size)
        .prefetch(tf.data.AUTOTUNE)
    )

    def epoch() -> int:
        for _ in batches:
            pass
        return count

    return epoch


def _ours(dataset: Dataset, split: str, preprocess: Preprocess, batch_size: int) -> Iterator[Any]:
    source = pipeline.Source(dataset, split)
    return iter(pipeline.training_batches(source, preprocess, batch_size=batch_size, seed=0))


def _consume(batches: Iterator[Any], images: int, batch_size: int) -> int:
    steps = -(-images // batch_size)
    for _ in range(steps):
        next(batches)
    return steps * batch_size


def _cold(dataset: Dataset, split: str, preprocess: Preprocess, batch_size: int) -> Epoch:
    """All of it: opening, reading, decoding, building the graph, and an epoch of batches."""
    count = dataset.num_examples(split)
    return lambda: _consume(_ours(dataset, split, preprocess, batch_size), count, batch_size)


def _warm(dataset: Dataset, split: str, preprocess: Preprocess, batch_size: int) -> Epoch:
    count = dataset.num_examples(split)
    batches = _ours(dataset, split, preprocess, batch_size)
    return lambda: _consume(batches, count, batch_size)


def _numpy(images: np.ndarray, labels: np.ndarray, padding: int, batch_size: int) -> Epoch:
    """Gathers, pads and scales a permuted array; nothing runs beside it."""
    generator = np.random.default_rng(0)
    margins = ((0, 0), (padding, padding), (padding, padding), (0, 0))

    def epoch() -> int:
        permutation = generator.permutation(len(labels))
        for at in range(0, len(labels), batch_size):
            index = permutation[at : at + batch_size]
            batch = np.pad(images[index], margins).astype(np.float32)
            batch *= np.float32(1 / 255)
            _ = batch, labels[index]
        return len(labels)

    return epoch
