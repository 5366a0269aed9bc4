"""Which images a run trains on and validates on, by its flags."""

import dataclasses
from pathlib import Path
from typing import Any

from ...base.errors import UsageError
from ...data import shards
from ...data.dataset import Dataset, Split, open_dataset


def require_classes(dataset: Dataset) -> None:
    """Refuses a dataset of one class: any network is right about it, and has learnt nothing.

    Raises:
      UsageError: names the class.
    """
    if dataset.num_classes < 2:
        raise UsageError(
            f"{dataset.name} in {dataset.directory} has one class alone "
            f"({', '.join(dataset.label_names)}): there is nothing to tell apart; add images of "
            "another class and prepare it anew"
        )


def splits(values: Any, dataset: Dataset) -> tuple[str, str]:
    """The training and the validation split, by the flags or by default.

    Raises:
      UsageError: one is empty, or they share images: the validation figure would be false.
    """
    defaults = dataset.default_splits()
    train_split, validation_split = (
        given or default
        for given, default in zip(
            (values.train_split, values.validation_split), defaults, strict=True
        )
    )
    for flag, split in (("train", train_split), ("validation", validation_split)):
        if not dataset.num_examples(split):
            raise UsageError(f"--{flag}_split={split} of {dataset.name} holds no images")
    common = shards.common(
        dataset.split(train_split).shards, dataset.split(validation_split).shards
    )
    if common:
        raise UsageError(
            f"--train_split={train_split} and --validation_split={validation_split} share "
            f"{common:,} images; give both so that they share none"
        )
    return train_split, validation_split


def sources(values: Any, dataset: Dataset, train_split: str) -> list[Split]:
    """What to train on: the dataset, and those that are mixed in.

    Raises:
      UsageError: a mix is not name:weight, or its dataset does not fit.
    """
    index, number = _shard(values.shard)
    found = [part(dataset.split(train_split), values.skip, values.take, values.shard)]
    for each in values.mix:
        name, _, word = each.rpartition(":")
        try:
            weight = float(word)
        except ValueError:
            weight = 0.0
        if not name or not 0 < weight < float("inf"):
            raise UsageError(f"--mix={each}: name:weight was expected, the weight above 0")
        other = open_dataset(Path(values.data_dir), name)
        if (other.image_shape, other.num_classes) != (dataset.image_shape, dataset.num_classes):
            raise UsageError(
                f"--mix={each}: {name} has images {list(other.image_shape)} and "
                f"{other.num_classes} classes, {dataset.name} {list(dataset.image_shape)} and "
                f"{dataset.num_classes}"
            )
        split = other.split(other.default_splits()[0]).of_worker(index, number)
        found.append(dataclasses.replace(split, weight=weight))
    for split in found:
        if not split.examples:
            raise UsageError(
                f"--skip={values.skip} --shard={values.shard} leave no images of {split.name} "
                f"of {split.dataset.name}"
            )
    return found


def part(split: Split, skip: int, take: int, shard: str) -> Split:
    """The images of a training split that --skip, --take and --shard leave."""
    index, number = _shard(shard)
    stop = skip + take if take else split.examples
    return split.cut(skip, stop).of_worker(index, number)


def _shard(text: str) -> tuple[int, int]:
    """Which of how many parts.

    Raises:
      UsageError: it is not i/n with i below n.
    """
    index, _, number = text.partition("/")
    if index.isdecimal() and number.isdecimal() and int(index) < int(number):
        return int(index), int(number)
    raise UsageError(f"--shard={text}: expected i/n, such as 0/4 to 3/4")


def first_batches(splits: list[Split], batch_size: int, batches: int) -> list[Split]:
    """Of each split, only this many batches."""
    return [split.cut(0, batches * batch_size) for split in splits]
