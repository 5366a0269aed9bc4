"""A folder that TFDS made: read whole, or pictures of many sizes as a source of one size.

A slice is a shard. A first pass counts the labels of each, so that the cut into
splits is exact.
"""

import collections
import dataclasses
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...base import pictures, progress
from ...base.errors import DataError, UsageError, first_line
from ...base.tf import tf, tfds
from ..dataset import shards_of
from ..pipeline import records
from ..shards import Shard
from .raw import RawSplit
from .slices import Damaged, Example, LabelCounts, Plan, counts_before
from .stratify import SPLITS, Cut


def read(folder: Path) -> dict[str, RawSplit]:
    """Reads all splits of a folder whose images have one size."""
    builder: Any = tfds.builder_from_directory(str(folder))
    splits = {}
    for split in builder.info.splits:
        data = builder.as_dataset(split=split, batch_size=1000, as_supervised=True)
        images, labels = zip(*data.as_numpy_iterator(), strict=True)
        splits[split] = RawSplit(np.concatenate(images), np.concatenate(labels))
    return splits


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
    before: LabelCounts = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class TfdsSource:
    """Shards of pictures; a `slices.Source`.

    Attributes:
      label_names: by class number.
      image_shape: (height, width, channels) of all images.
      slices: in order.
      cut: of the training split.
      totals: by class number, the number of training examples in all.
    """

    label_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    slices: tuple[TfdsSlice, ...]
    cut: Cut
    totals: LabelCounts

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
                (split,) = self.cut.splits_of([str(label)], seen, self.totals)
            place = Path(f"{part.shard.path}, record {number}")
            try:
                image = pictures.decode(place, self.image_shape, content)
            except DataError as error:
                yield Damaged(str(error))
                continue
            if not 0 <= label < len(self.label_names):
                yield Damaged(f"{place}: its label, {label}, is not a class")
                continue
            yield Example(split, image, label)


def plan(directory: Path, plan: Plan) -> TfdsSource:
    """Finds the shards and counts their labels.

    Args:
      directory: that TFDS made.
      plan: how to read it; with an image size.

    Raises:
      DataError: there is no training split, or a record is not of images and labels.
    """
    builder = tfds.builder_from_directory(str(directory))
    features: Any = builder.info.features
    image: Any = features["image"]
    if plan.image_size is None:
        raise UsageError("pictures that differ in size need --image_size=HxW")
    if not isinstance(image, tfds.features.Image):
        raise DataError(f"{directory}: its images are not pictures (PNG, JPEG), but {image}")
    sizes = {name: split.num_examples for name, split in builder.info.splits.items()}
    left_out = sorted(set(sizes) - set(SPLITS))
    if left_out:
        progress.say(f"left out: the splits {', '.join(left_out)}")
    slices = [
        TfdsSlice(split, shard)
        for split in SPLITS
        if sizes.get(split)
        for shard in shards_of(builder, split)
    ]
    if not slices or slices[0].split != "train":
        raise DataError(f"{directory}: has no training split, but {', '.join(sizes) or 'none'}")
    splits = [part.split for part in slices]
    counts = plan.executor(functools.partial(_count, slices), len(slices), "counting labels")
    before, totals = counts_before(splits, counts)
    return TfdsSource(
        tuple(features["label"].names),
        (*plan.image_size, plan.channels or features["image"].shape[-1] or 3),
        tuple(
            dataclasses.replace(part, before=earlier)
            for part, earlier in zip(slices, before, strict=True)
        ),
        plan.cut(set(splits)),
        totals,
    )


def _count(slices: Sequence[TfdsSlice], index: int) -> LabelCounts:
    """The number of records of each class in a shard."""
    return dict(collections.Counter(str(label) for _, label in _examples(slices[index].shard)))


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
