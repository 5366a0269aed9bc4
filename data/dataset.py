"""A prepared dataset opened: its shape, labels, splits and files."""

import dataclasses
import functools
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..base import files, progress
from ..base.errors import DataError, UsageError, first_line
from ..base.pictures.config import PictureConfig, unrecorded
from ..base.storage import records
from ..base.tf import tfds
from . import by_class, hints, listing, shards
from .metadata import END_BYTES, FEATURES, Metadata, prepare_again, read_metadata
from .shards import Shard

# MNIST's training split is cut as in the article, 55,000 / 5,000: the first twelfth validates.
_MNIST, _MNIST_SHARE = "mnist", 12
# What a dataset may call a validation split of its own.
_VALIDATION_NAMES = ("validation", "valid", "val", "dev")
# Any other training split without one.
_TRAIN_PART, _VALIDATION_PART = "train[10%: by class]", "train[:10% by class]"


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A prepared dataset.

    Attributes:
      name: `mnist`, or with a configuration `emnist/letters`.
      directory: the TFDS folder that holds the TFRecords, called as the version.
      image_shape: (height, width, channels).
      encoding: of the image in a record: `raw` bytes, or `encoded` (PNG or JPEG).
      label_names: by class number.
      builder: TFDS's own view of the folder.
      metadata: what is recorded of it.
    """

    name: str
    directory: Path
    image_shape: tuple[int, int, int]
    encoding: str
    label_names: tuple[str, ...]
    builder: tfds.core.DatasetBuilder = dataclasses.field(repr=False, compare=False)
    metadata: Metadata = dataclasses.field(repr=False, compare=False)

    @property
    def version(self) -> str:
        return self.directory.name

    @property
    def num_classes(self) -> int:
        return len(self.label_names)

    @property
    def split_names(self) -> tuple[str, ...]:
        """The splits that lie on disk."""
        return tuple(sorted(self.builder.info.splits, reverse=True))

    def split(self, name: str) -> "Split":
        """A split by its name in TFDS's syntax: `test`, `train[:5000]`, `train[5000:]+test`.

        Beyond TFDS's, `train[:10% by class]` is a part of each class (see `by_class`).

        Raises:
          UsageError: there is no such split.
        """
        if by_class.MARK not in name:
            return Split(self, name, shards_of(self.builder, name))
        parts: list[Shard] = []
        for term in map(str.strip, name.split("+")):
            first = shards.count(parts)
            for shard in self._term(term):
                parts.append(dataclasses.replace(shard, first=first + shard.first))
        return Split(self, name, tuple(parts))

    def _term(self, term: str) -> tuple[Shard, ...]:
        if by_class.MARK not in term:
            return shards_of(self.builder, term)
        name, start, stop = by_class.parse(term)
        return by_class.cut(shards_of(self.builder, name), self._labels(name), start, stop)

    @functools.cached_property
    def _labels(self) -> Callable[[str], np.ndarray]:
        """The labels of a split by its name; they are read once."""
        return functools.cache(lambda name: by_class.labels_of(shards_of(self.builder, name)))

    def default_splits(self) -> tuple[str, str]:
        """The training and the validation split, in the syntax of `split`.

        Raises:
          UsageError: there is no training split.
        """
        there = self.split_names
        if "train" not in there:
            raise UsageError(
                f"{self.name} in {self.directory} has no split called train ({', '.join(there)}): "
                "name splits with --train_split and --validation_split"
            )
        for name in _VALIDATION_NAMES:
            if name in there:
                return "train", name
        if self.name != _MNIST:
            return _TRAIN_PART, _VALIDATION_PART
        cut = self.split("train").examples // _MNIST_SHARE
        return f"train[{cut}:]", f"train[:{cut}]"

    def reported_split(self, name: str | None, validation: str | None = None) -> str:
        """The split that figures are of: `name`, or test.

        Where there is no test split, which is said, it is `validation`, or the validation split.
        """
        if name is None and "test" not in self.split_names:
            validation = validation or self.default_splits()[1]
            progress.say(f"{self.name} has no test split: figures are of {validation}")
            return validation
        return name or "test"

    @property
    def pictures(self) -> PictureConfig:
        """How a picture file becomes an image of this dataset."""
        return self.metadata.pictures or unrecorded(self.name, self.image_shape)

    @functools.cached_property
    def fingerprint(self) -> str:
        """Tells this content from another: 16 hex digits.

        Where we wrote the dataset, it is of the images and labels, and lies in its metadata.
        Elsewhere it is of the features, and of every shard's name, size and two ends.
        """
        if self.metadata.fingerprint:
            return self.metadata.fingerprint
        digest = hashlib.sha256(files.read_bytes(self.directory / FEATURES, records.LARGEST))
        paths = {shard.path for name in self.split_names for shard in self.split(name).shards}
        for path in map(Path, sorted(paths)):
            if not files.is_there(path):
                raise DataError(f"{path}: the shard is missing; {prepare_again(self.name)}")
            with files.opened(path) as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(0)
                head = file.read(END_BYTES)
                file.seek(max(0, size - END_BYTES))
                digest.update(f"{path.name} {size}".encode() + head + file.read())
        return digest.hexdigest()[:16]


@dataclasses.dataclass(frozen=True)
class Split:
    """Images to read: a split of a dataset, or a part of one.

    Attributes:
      name: in TFDS's split syntax.
      shards: the records to read, in order.
      weight: in a mix of splits; only ratios count.
    """

    dataset: Dataset
    name: str
    shards: tuple[Shard, ...]
    weight: float = 1.0

    @property
    def examples(self) -> int:
        """The number of images to read."""
        return shards.count(self.shards)

    def cut(self, start: int, stop: int) -> "Split":
        """The images from the `start`-th up to, not including, the `stop`-th."""
        return dataclasses.replace(self, shards=shards.cut(self.shards, start, stop))

    def spread(self, number: int) -> "Split":
        """Evenly spaced images, `number` of them or all: of every class, in whatever order."""
        return dataclasses.replace(self, shards=shards.spread(self.shards, number))

    def of_worker(self, index: int, workers: int) -> "Split":
        """The part of one of several workers: see `shards.of_worker`."""
        return dataclasses.replace(self, shards=shards.of_worker(self.shards, index, workers))


def shards_of(builder: tfds.core.DatasetBuilder, split: str) -> tuple[Shard, ...]:
    """The files of a split of a folder that TFDS opened, in order.

    Raises:
      UsageError: there is no such split.
    """
    try:
        instructions = builder.info.splits[split].file_instructions
    except (KeyError, ValueError) as error:
        cause = str(error).strip("'\"").splitlines()[0]
        there = ", ".join(sorted(builder.info.splits, reverse=True))
        raise UsageError(f"no split '{split}' in {builder.name} ({there}): {cause}") from None
    parts, first = [], 0
    for file in instructions:
        take = file.examples_in_shard - file.skip if file.take == -1 else file.take
        whole = take == file.examples_in_shard
        if take:  # A file may be empty.
            numbers = range(file.skip, file.skip + take)
            parts.append(Shard(str(file.filename), numbers, first, whole))
        first += take
    return tuple(parts)


def open_dataset(data_dir: Path, name: str) -> Dataset:
    """Opens the newest version of a prepared dataset, ours or one that TFDS itself wrote.

    Raises:
      DataError: it is not there, damaged, or not one of images and labels.
    """
    directory = listing.newest(data_dir, name)
    if directory is None:
        raise DataError(f"{name} is not prepared in {data_dir}{hints.not_prepared(data_dir, name)}")
    metadata = read_metadata(directory, name)
    try:
        builder = tfds.builder_from_directory(str(directory))
        features: Any = builder.info.features
        image, label_names = features["image"], tuple(features["label"].names)
        image_shape = tuple(image.shape)
        for split in builder.info.splits.values():
            _ = split.file_instructions
    except Exception as error:  # Whatever TFDS and protobuf raise on a damaged folder.
        raise DataError(
            f"{directory}: not a dataset of images and labels that TFDS can open: "
            f"{first_line(error)}; {prepare_again(name)}"
        ) from error
    if len(image_shape) != 3:
        raise DataError(f"{directory}: expected images [H, W, C], got {list(image_shape)}")
    if None in image_shape:
        raise DataError(
            f"{directory}: its pictures differ in size; make a copy of one size, such as 64x64: "
            + hints.prepare(data_dir, name, "--image_size=64x64")
        )
    return Dataset(
        name=name,
        directory=directory,
        image_shape=image_shape,
        encoding="encoded" if isinstance(image, tfds.features.Image) else "raw",
        label_names=label_names,
        builder=builder,
        metadata=metadata,
    )
