"""The input pipelines that are compared: ours, the tutorials', a numpy loop, grain's, PyTorch's.

All give batches of (float32 [B, H + 2P, W + 2P, C] in 0 to 1, labels [B]) in shuffled order;
what consumes them does nothing. Peers are imported where they are installed; they are no
dependencies.
"""
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

import dataclasses
import functools
import importlib.util
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from digitline.base.tf import tf
from digitline.data.dataset import Dataset
from digitline.data.pipeline import batches, records
from digitline.data.pipeline.preprocess import Preprocess

# Runs an epoch and returns the number of images.
Epoch = Callable[[], int]


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """One that is measured."""

    name: str
    what: str
    epoch: Epoch


@dataclasses.dataclass(frozen=True)
class Task:
    """What every pipeline reads and gives.

    Attributes:
      dataset, split: what is read.
      batch_size: images in a batch.
      padding: black pixels on each side.
    """

    dataset: Dataset
    split: str
    batch_size: int
    padding: int

    @functools.cached_property
    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """The split's images, uint8 [N, H, W, C], and labels, int64 [N]."""
        images, labels = records.load(self.dataset.split(self.split))
        return images.numpy(), labels.numpy()

    @property
    def preprocess(self) -> Preprocess:
        """The same padding and scaling in the graph."""
        shape = self.dataset.image_shape
        height, width = (size + 2 * self.padding for size in shape[:2])
        return Preprocess(shape, height, width, "pad" if self.padding else "none")


def installed(task: Task) -> list[Pipeline]:
    """All pipelines whose packages are there."""
    pipelines = [
        Pipeline("tutorial", "one image per map call, shuffle 10,000", tutorial(task)),
        Pipeline("cold", "ours, first epoch, from TFRecords", lambda: consume(task, ours(task))),
        Pipeline(
            "warm", "ours, later epochs, in memory", functools.partial(consume, task, ours(task))
        ),
        Pipeline("numpy", "a bare numpy loop", numpy_loop(task)),
    ]
    if importlib.util.find_spec("grain") and importlib.util.find_spec("array_record"):
        what = "grain, one image per map call, from ArrayRecord"
        pipelines.append(Pipeline("grain", what, grain_records(task)))
    if importlib.util.find_spec("torch"):
        what = "PyTorch's DataLoader, no workers, from memory"
        pipelines.append(Pipeline("torch", what, torch_loader(task)))
    return pipelines


def tutorial(task: Task) -> Epoch:
    """As tutorials have it: each image by itself through parse, decode, cast, scale and pad."""
    shape, padding = task.dataset.image_shape, task.padding
    height, width = task.preprocess.height, task.preprocess.width
    features = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
    }

    def one(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        example = tf.io.parse_single_example(serialized, features)
        if task.dataset.encoding == "raw":
            image = tf.reshape(tf.io.decode_raw(example["image"], tf.uint8), shape)
        else:
            image = tf.io.decode_image(example["image"], expand_animations=False)
            image.set_shape(shape)
        image = tf.cast(image, tf.float32) / 255.0
        image = tf.image.pad_to_bounding_box(image, padding, padding, height, width)
        return image, example["label"]

    dataset = (
        tf.data.TFRecordDataset([shard.path for shard in task.dataset.split(task.split).shards])
        .map(one, num_parallel_calls=tf.data.AUTOTUNE)
        .shuffle(10_000)
        .batch(task.batch_size)
        .prefetch(tf.data.AUTOTUNE)
    )
    return lambda: drain(task, dataset)


def ours(task: Task) -> Iterator[object]:
    """All of it: opening, reading, decoding, building the graph, and batches without end."""
    split = task.dataset.split(task.split)
    batching = batches.Batching(batch_size=task.batch_size, seed=0)
    return iter(batches.training_batches(split, task.preprocess, batching))


def consume(task: Task, running: Iterator[object]) -> int:
    """Takes an epoch of whole batches from one that does not end; returns the number of images."""
    steps = -(-len(task.arrays[1]) // task.batch_size)
    for _ in range(steps):
        next(running)
    return steps * task.batch_size


def drain(task: Task, batches: Iterable[object]) -> int:
    """Takes all batches of one epoch; returns the number of images."""
    for _ in batches:
        pass
    return len(task.arrays[1])


def numpy_loop(task: Task) -> Epoch:
    """Gathers, pads and scales a permuted array; nothing runs beside it."""
    generator = np.random.default_rng(0)
    margins = ((0, 0), *[(task.padding, task.padding)] * 2, (0, 0))
    images, labels = task.arrays

    def epoch() -> int:
        permutation = generator.permutation(len(labels))
        for start in range(0, len(permutation), task.batch_size):
            indices = permutation[start : start + task.batch_size]
            batch = np.pad(images[indices], margins).astype(np.float32)
            batch *= np.float32(1 / 255)
            _ = batch, labels[indices]
        return len(permutation)

    return epoch


def grain_records(task: Task) -> Epoch:
    """Grain's lazy dataset over an ArrayRecord file, shuffled as a whole."""
    import grain
    from array_record.python import array_record_module

    folder = tempfile.TemporaryDirectory(prefix="digitline-")
    path = str(Path(folder.name) / "images.array_record")
    writer = array_record_module.ArrayRecordWriter(path, "group_size:1")
    for image, label in zip(*task.arrays, strict=True):
        writer.write(image.tobytes() + int(label).to_bytes(8, "little"))
    writer.close()
    margins = (*[(task.padding, task.padding)] * 2, (0, 0))

    def decode(record: bytes) -> tuple[np.ndarray, int]:
        image = np.frombuffer(record, np.uint8, count=len(record) - 8)
        image = np.pad(image.reshape(task.dataset.image_shape), margins)
        return image.astype(np.float32) * np.float32(1 / 255), int.from_bytes(record[-8:], "little")

    source = grain.sources.ArrayRecordDataSource(path)
    dataset = grain.MapDataset.source(source).shuffle(seed=0).map(decode).batch(task.batch_size)

    def epoch() -> int:
        assert folder  # The file goes with it.
        return drain(task, dataset.to_iter_dataset())

    return epoch


def torch_loader(task: Task) -> Epoch:
    """A DataLoader over arrays in memory, one image per call of the dataset."""
    import torch
    from torch.utils import data

    def collate(items: list[tuple]) -> tuple:
        batch = torch.stack([image for image, _ in items]).float() / 255
        margins = (0, 0, *[task.padding] * 4)
        return torch.nn.functional.pad(batch, margins), torch.stack([label for _, label in items])

    tensors = map(torch.from_numpy, task.arrays)
    loader = data.DataLoader(
        data.TensorDataset(*tensors), task.batch_size, shuffle=True, collate_fn=collate
    )
    return lambda: drain(task, loader)
