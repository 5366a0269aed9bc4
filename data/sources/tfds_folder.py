"""A folder that TFDS made, of pictures of many sizes, as a source of examples of one size.

A slice is a shard. A first pass counts the labels of each, so that the cut into
splits is exact.
"""

import collections
import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...base import pictures, progress
from ...base.errors import DataError, UsageError, first_line
from ...base.tf import tf, tfds
from ..dataset import shards_of
from ..pipeline import records
from ..shards import Shard
from .slices import Damaged, Example, Executor
from .stratify import SPLITS, Cut


@dataclasses.dataclass(frozen=True)
class TfdsSlice:
    """A shard.

    Attributes:
      split: whose.
      shard: the whole file.
      before: by class number, the number of records in the split's earlier shards.
    """

    split: str
    shard: Shard
    before: dict[int, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class TfdsSource:
    """Shards of pictures; a `slices.Source`.

    Attributes:
      label_names: by class number.
      image_shape: (height, width, channels) to give them all.
      slices: in order.
      cut: of the training split.
      counts: by class number, the number of training examples in all.
    """

    label_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    slices: tuple[TfdsSlice, ...]
    cut: Cut
    counts: dict[int, int]

    @property
    def num_slices(self) -> int:
        return len(self.slices)

    def read(self, index: int) -> Iterator[Example | Damaged]:
        """Decodes the pictures of a shard, in order."""
        part = self.slices[index]
        seen = collections.Counter(part.before)
        for number, (content, label) in enumerate(_examples(part.shard)):
            split = part.split
            if split == "train":
                rank = np.array([seen[label]])
                split = SPLITS[self.cut.splits(str(label), self.counts[label], rank)[0]]
            seen[label] += 1
            place = Path(f"{part.shard.path}, record {number}")
            try:
                image = pictures.decode(place, self.image_shape, content)
            except DataError as error:
                yield Damaged(str(error))
                continue
            if not 0 <= label < len(self.label_names):
                yield Damaged(f"{place}: its label, {label}, is no class")
                continue
            yield Example(split, image, label)


def read(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Reads the splits of a folder that TFDS made.

    Returns:
      By split: images uint8 [N, H, W, C] and labels int64 [N].
    """
    builder: Any = tfds.builder_from_directory(str(folder))
    found = {}
    for split in builder.info.splits:
        data = builder.as_dataset(split=split, batch_size=1000, as_supervised=True)
        images, labels = zip(*data.as_numpy_iterator(), strict=True)
        found[split] = np.concatenate(images), np.concatenate(labels)
    return found


def plan(
    directory: Path,
    image_size: tuple[int, int] | None,
    channels: int | None,
    cut_of: Any,
    executor: Executor,
) -> TfdsSource:
    """Finds the shards and counts their labels.

    Args:
      directory: that TFDS made.
      image_size: (height, width).
      channels: 1 or 3; None: as `features.json` says.
      cut_of: from the names of the splits to the cut of the training split.
      executor: runs the first pass over the shards.

    Raises:
      UsageError: there is no image size.
      DataError: there is no training split, or a record is not of images and labels.
    """
    builder: Any = tfds.builder_from_directory(str(directory))
    features: Any = builder.info.features
    image: Any = features["image"]
    label: Any = features["label"]
    if image_size is None:
        raise UsageError("pictures that differ in size need --image_size=HxW")
    if not isinstance(image, tfds.features.Image):
        raise DataError(f"{directory}: its images are no pictures (PNG, JPEG), but {image}")
    sizes = {name: split.num_examples for name, split in builder.info.splits.items()}
    left_out = sorted(set(sizes) - set(SPLITS))
    if left_out:
        progress.say(f"left out: the splits {', '.join(left_out)}")
    parts = [
        TfdsSlice(split, shard)
        for split in SPLITS
        if sizes.get(split)
        for shard in shards_of(builder, split)
    ]
    if not parts or parts[0].split != "train":
        raise DataError(f"{directory}: has no training split, but {', '.join(sizes) or 'none'}")
    found = executor(functools.partial(_count, parts), len(parts), "counting labels")
    slices = []
    seen: dict[str, collections.Counter[int]] = collections.defaultdict(collections.Counter)
    for part, counts in zip(parts, found, strict=True):
        slices.append(dataclasses.replace(part, before=dict(seen[part.split])))
        seen[part.split].update(counts)
    return TfdsSource(
        tuple(label.names),
        (*image_size, channels or features["image"].shape[-1] or 3),
        tuple(slices),
        cut_of(set(seen)),
        dict(seen["train"]),
    )


def _count(parts: list[TfdsSlice], index: int) -> dict[int, int]:
    """The number of records of each class in a shard."""
    return dict(collections.Counter(label for _, label in _examples(parts[index].shard)))


def _examples(shard: Shard) -> Iterator[tuple[bytes, int]]:
    """The picture, undecoded, and the class number of each record.

    Raises:
      DataError: the shard is damaged.
    """
    number = 0
    try:
        for record in records.read_one(shard).as_numpy_iterator():
            feature: Any = tf.train.Example.FromString(bytes(record)).features.feature
            content, label = feature["image"].bytes_list.value, feature["label"].int64_list.value
            if len(content) != 1 or len(label) != 1:
                raise records.damage(shard, number, "it holds no image or no label")
            yield content[0], label[0]
            number += 1
    except tf.errors.OpError as error:
        raise records.damage(shard, number, first_line(error)) from error
    if number != shard.take:
        raise records.damage(shard, number, "it ends early")
