"""A folder that TFDS made: read whole, or pictures of many sizes as a source of one size.

A slice is a shard.
"""

import collections
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from ...base import progress
from ...base.errors import DataError, UsageError, first_line
from ...base.pictures import decode
from ...base.pictures.config import PictureConfig
from ...base.tf import tf, tfds
from ..dataset import shards_of
from ..pipeline import records
from ..shards import Shard
from . import counted, labels
from .counted import CountedSlice, CountedSource, Survey
from .raw import RawSplit
from .slices import Damaged, Example, ReadOptions
from .stratify import SPLITS


def read(folder: Path) -> dict[str, RawSplit]:
    """Reads all splits of a folder whose images have one size."""
    builder: Any = tfds.builder_from_directory(str(folder))
    splits = {}
    for split in builder.info.splits:
        data = builder.as_dataset(split=split, batch_size=1000, as_supervised=True)
        images, numbers = zip(*data.as_numpy_iterator(), strict=True)
        splits[split] = RawSplit(np.concatenate(images), np.concatenate(numbers))
    return splits


@dataclasses.dataclass(frozen=True, kw_only=True)
class TfdsSlice(CountedSlice):
    """A whole shard."""

    shard: Shard


@dataclasses.dataclass(frozen=True)
class TfdsSource(CountedSource[TfdsSlice]):
    """Shards of pictures; a `slices.Source`."""

    pictures: PictureConfig

    def read(self, index: int) -> Iterator[Example | Damaged]:
        """Decodes the pictures of a shard, in order."""
        part = self.slices[index]
        seen = collections.Counter(part.before)
        for number, (content, label) in enumerate(_examples(part.shard)):
            (split,) = self.splits_of([(part.split, str(label))], seen)
            place = Path(f"{part.shard.path}, record {number}")
            try:
                image = decode.load(place, self.pictures, content)
            except DataError as error:
                yield Damaged(str(error))
                continue
            if not 0 <= label < len(self.label_names):
                yield Damaged(f"{place}: its label, {label}, is not a class")
                continue
            yield Example(split, image, label)


def plan(directory: Path, options: ReadOptions) -> TfdsSource:
    """Finds the shards in a folder that TFDS made, and counts their labels.

    Raises:
      DataError: there is no training split, or a record is not of images and labels.
    """
    builder = tfds.builder_from_directory(str(directory))
    features: Any = builder.info.features
    image: Any = features["image"]
    if options.image_size is None:
        raise UsageError("pictures that differ in size need --image_size=HxW")
    if not isinstance(image, tfds.features.Image):
        raise DataError(f"{directory}: its images are not pictures (PNG, JPEG), but {image}")
    sizes = {name: split.num_examples for name, split in builder.info.splits.items()}
    left_out = sorted(set(sizes) - set(SPLITS))
    if left_out:
        progress.say(f"left out: the splits {', '.join(left_out)}")
    slices = [
        TfdsSlice(split=split, shard=shard)
        for split in SPLITS
        if sizes.get(split)
        for shard in shards_of(builder, split)
    ]
    if not slices or slices[0].split != "train":
        raise DataError(f"{directory}: has no training split, but {', '.join(sizes) or 'none'}")
    slices, surveys = counted.survey(slices, _survey, options.executor, "counting labels")
    shape = (*options.image_size, options.channels or features["image"].shape[-1] or 3)
    return TfdsSource(
        labels.checked(features["label"].names, directory),
        shape,
        slices,
        options.cut({part.split for part in slices}),
        counted.totals(surveys, "train"),
        options.pictures(shape),
    )


def _survey(part: TfdsSlice) -> Survey:
    return Survey(
        collections.Counter((part.split, str(label)) for _, label in _examples(part.shard))
    )


def _examples(shard: Shard) -> Iterator[tuple[bytes, int]]:
    """The picture, undecoded, and the class number of each record.

    Raises:
      DataError: the shard is damaged.
    """
    if error := records.overlong(shard):
        raise error
    number = 0
    try:
        for record in records.read_one(shard).as_numpy_iterator():
            feature: Any = tf.train.Example.FromString(bytes(record)).features.feature
            content, label = feature["image"].bytes_list.value, feature["label"].int64_list.value
            if len(content) != 1 or len(label) != 1:
                raise records.damage(shard, number, "it holds no image or no label")
            yield content[0], label[0]
            number += 1
    except (*records.ERRORS, DecodeError) as error:
        raise records.damage(shard, number, first_line(error)) from error
    if number != len(shard.numbers):
        raise records.damage(shard, number, "it ends early")
