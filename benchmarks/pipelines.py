"""The input pipelines that are compared: ours, the tutorials', a numpy loop, grain's, PyTorch's.

All give batches of (float32 [B, H + 2P, W + 2P, C] in 0 to 1, labels [B]) in shuffled order;
what consumes them does nothing. An epoch is a function that runs one and returns the number of
images. Peers are imported where they are installed; they are not dependencies.
"""
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

import dataclasses
import importlib.util
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from digitline.base.tf import tf
from digitline.data.dataset import Dataset
from digitline.data.pipeline import batches, records
from digitline.data.pipeline.preprocess import Preprocess

Epoch = Callable[[], int]


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """One that is measured: its name, what it is, and a function that runs an epoch."""

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
      images: the split's, uint8 [N, H, W, C].
      labels: the split's, int64 [N].
    """

    dataset: Dataset
    split: str
    batch_size: int
    padding: int
    images: np.ndarray
    labels: np.ndarray

    @property
    def preprocess(self) -> Preprocess:
        """The same padding and scaling in the graph."""
        height, width, _ = self.dataset.image_shape
        mode = "pad" if self.padding else "none"
        return Preprocess(
            self.dataset.image_shape, height + 2 * self.padding, width + 2 * self.padding, mode
        )


def task(dataset: Dataset, split: str, batch_size: int, padding: int) -> Task:
    """The task on a split of a prepared dataset."""
    images, labels = (tensor.numpy() for tensor in records.load(dataset.split(split)))
    return Task(dataset, split, batch_size, padding, images, labels)


def installed(task: Task) -> list[Pipeline]:
    """All pipelines whose packages are there."""
    pipelines = [
        Pipeline("tutorial", "one image per map call, shuffle 10,000", tutorial(task)),
        Pipeline("cold", "ours, first epoch, from TFRecords", lambda: consume(task, ours(task))),
        Pipeline("warm", "ours, later epochs, in memory", warm(task)),
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
    shape, preprocess, padding = task.dataset.image_shape, task.preprocess, task.padding
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
        height, width = preprocess.height, preprocess.width
        return tf.image.pad_to_bounding_box(image, padding, padding, height, width), (
            example["label"]
        )

    dataset = (
        tf.data.TFRecordDataset([shard.path for shard in task.dataset.split(task.split).shards])
        .map(one, num_parallel_calls=tf.data.AUTOTUNE)
        .shuffle(10_000)
        .batch(task.batch_size)
        .prefetch(tf.data.AUTOTUNE)
    )

    def epoch() -> int:
        for _ in dataset:
            pass
        return len(task.labels)

    return epoch


def ours(task: Task) -> Iterator[object]:
    """All of it: opening, reading, decoding, building the graph, and batches without end."""
    split = task.dataset.split(task.split)
    batching = batches.Batching(batch_size=task.batch_size, seed=0)
    return iter(batches.training_batches(split, task.preprocess, batching))


def warm(task: Task) -> Epoch:
    """Ours, once it is running."""
    running = ours(task)
    return lambda: consume(task, running)


def consume(task: Task, running: Iterator[object]) -> int:
    """Takes an epoch of whole batches."""
    steps = -(-len(task.labels) // task.batch_size)
    for _ in range(steps):
        next(running)
    return steps * task.batch_size


def numpy_loop(task: Task) -> Epoch:
    """Gathers, pads and scales a permuted array; nothing runs beside it."""
    generator = np.random.default_rng(0)
    margins = ((0, 0), *[(task.padding, task.padding)] * 2, (0, 0))

    def epoch() -> int:
        permutation = generator.permutation(len(task.labels))
        for start in range(0, len(permutation), task.batch_size):
            indices = permutation[start : start + task.batch_size]
            batch = np.pad(task.images[indices], margins).astype(np.float32)
            batch *= np.float32(1 / 255)
            _ = batch, task.labels[indices]
        return len(permutation)

    return epoch


def grain_records(task: Task) -> Epoch:
    """Grain's lazy dataset over an ArrayRecord file, shuffled as a whole."""
    import grain
    from array_record.python import array_record_module

    folder = tempfile.TemporaryDirectory(prefix="digitline-")
    path = str(Path(folder.name) / "images.array_record")
    writer = array_record_module.ArrayRecordWriter(path, "group_size:1")
    for image, label in zip(task.images, task.labels, strict=True):
        writer.write(image.tobytes() + int(label).to_bytes(8, "little"))
    writer.close()
    margins = (*[(task.padding, task.padding)] * 2, (0, 0))

    def decode(record: bytes) -> tuple[np.ndarray, int]:
        image = np.frombuffer(record, np.uint8, count=len(record) - 8)
        image = np.pad(image.reshape(task.images.shape[1:]), margins)
        return image.astype(np.float32) * np.float32(1 / 255), int.from_bytes(record[-8:], "little")

    source = grain.sources.ArrayRecordDataSource(path)
    dataset = grain.MapDataset.source(source).shuffle(seed=0).map(decode).batch(task.batch_size)

    def epoch() -> int:
        assert folder  # The file goes with it.
        for _ in dataset.to_iter_dataset():
            pass
        return len(task.labels)

    return epoch


def torch_loader(task: Task) -> Epoch:
    """A DataLoader over arrays in memory, one image per call of the dataset."""
    import torch
    from torch.utils import data

    def collate(items: list[tuple]) -> tuple:
        batch = torch.stack([image for image, _ in items]).float() / 255
        margins = (0, 0, *[task.padding] * 4)
        return torch.nn.functional.pad(batch, margins), torch.stack([label for _, label in items])

    tensors = torch.from_numpy(task.images), torch.from_numpy(task.labels)
    loader = data.DataLoader(
        data.TensorDataset(*tensors), task.batch_size, shuffle=True, collate_fn=collate
    )

    def epoch() -> int:
        for _ in loader:
            pass
        return len(task.labels)

    return epoch
