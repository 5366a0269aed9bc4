"""Which images a run trains on and validates on."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from ...base.errors import UsageError
from ...data import shards
from ...data.dataset import Dataset, Split, open_dataset
from ...data.inspection import split_classes
from ...data.pipeline import salvage
from ..recipe import PipelineConfig
from ..run.config import DatasetConfig, MixConfig
from .input import EVALUATION_BATCH
from .options import TrainOptions


@dataclasses.dataclass(frozen=True)
class Selection:
    """The images of a run.

    Attributes:
      mixed: parts of other datasets to train on too.
      notes: which splits lack classes.
    """

    training: Split
    mixed: tuple[Split, ...]
    validation: Split
    notes: tuple[str, ...] = ()

    @property
    def trained_on(self) -> tuple[Split, ...]:
        """All splits to train on."""
        return self.training, *self.mixed

    @property
    def read(self) -> tuple[Split, ...]:
        """All splits that are read."""
        return *self.trained_on, self.validation

    @property
    def config(self) -> DatasetConfig:
        """As the run's configuration has it."""
        dataset = self.training.dataset
        return DatasetConfig(
            dataset.name,
            dataset.version,
            dataset.fingerprint,
            dataset.label_names,
            self.training.name,
            self.validation.name,
            tuple(
                MixConfig(split.dataset.name, split.dataset.fingerprint, split.name, split.weight)
                for split in self.mixed
            ),
        )

    def usable(
        self, options: TrainOptions, batch_size: int, folder: Path
    ) -> tuple["Selection", list[str]]:
        """What is read of it: without damaged records, of a dry run only the first batches.

        Args:
          folder: of the copies of damaged shards.

        Returns:
          That, and a line for each damaged record.

        Raises:
          DataError: more are damaged than may be.
        """
        selection = self.first_batches(2 * batch_size, 2 * EVALUATION_BATCH)
        selection = selection if options.dry_run else self
        (training, *mixed, validation), lost = salvage.usable(
            selection.read, options.max_corrupt_records, folder
        )
        return Selection(training, tuple(mixed), validation), lost

    def first_batches(self, training: int, validation: int) -> "Selection":
        """Only the first images of each split."""
        return Selection(
            self.training.cut(0, training),
            tuple(split.cut(0, training) for split in self.mixed),
            self.validation.cut(0, validation),
        )


def select(
    options: TrainOptions, dataset: Dataset, recorded: DatasetConfig | None = None
) -> Selection:
    """What to train and to validate on.

    Args:
      recorded: by the run on this dataset that is there already. What no flag names stays as it
        is there: defaults were others in the last release.

    Raises:
      UsageError: there is nothing to train on or to learn, or the splits do not fit.
    """
    if dataset.num_classes < 2:  # Any network is right about it, and has learnt nothing.
        raise UsageError(
            f"{dataset.name} in {dataset.directory} has only one class "
            f"({', '.join(dataset.label_names)}): there is nothing to tell apart; add images of "
            "another class and prepare it again"
        )
    train_name, validation_name = _names(options, dataset, recorded)
    train, validation = dataset.split(train_name), dataset.split(validation_name)
    if not validation.examples and not options.validation_split:
        raise UsageError(
            f"{dataset.name} in {dataset.directory} has too few images to validate on any "
            f"({train.examples:,} of {train_name}); add images and prepare it again, or name "
            "splits with --train_split and --validation_split"
        )
    _check_splits(train, validation)
    _check_classes("train_split", train)
    _check_classes("validation_split", validation)
    mixes = {mix.name: mix.split for mix in recorded.mix} if recorded else {}
    mixed = tuple(_mixed(word, dataset, options, mixes) for word in options.mix)
    training = training_split(dataset, train_name, options.pipeline)
    notes = split_classes.notes(train, [validation, *_test(dataset, train_name, validation_name)])
    selection = Selection(training, mixed, validation, notes)
    for split in selection.trained_on:
        if not split.examples:
            raise UsageError(
                f"--skip={options.pipeline.skip} --shard={options.pipeline.shard} leave no images "
                f"of {split.name} of {split.dataset.name}"
            )
    return selection


def _names(
    options: TrainOptions, dataset: Dataset, recorded: DatasetConfig | None
) -> tuple[str, str]:
    """The training and the validation split."""
    train, validation = options.train_split, options.validation_split
    if recorded:
        train, validation = train or recorded.train_split, validation or recorded.validation_split
    if train and validation:
        return train, validation
    default_train, default_validation = dataset.default_splits()
    return train or default_train, validation or default_validation


def training_split(dataset: Dataset, name: str, pipeline: PipelineConfig) -> Split:
    """The part of a split, named in TFDS's syntax, that a run trains on.

    Raises:
      UsageError: there is no such split or part.
    """
    split = dataset.split(name)
    stop = pipeline.skip + pipeline.take if pipeline.take else split.examples
    return split.cut(pipeline.skip, stop).of_worker(*_shard(pipeline.shard))


def _check_splits(training: Split, validation: Split) -> None:
    """Refuses splits that are empty or share images: the validation figure would be false."""
    for flag, split in (("train_split", training), ("validation_split", validation)):
        if not split.examples:
            raise UsageError(f"--{flag}={split.name} of {split.dataset.name} holds no images")
    common = shards.common(training.shards, validation.shards)
    if common:
        raise UsageError(
            f"--train_split={training.name} and --validation_split={validation.name} share "
            f"{common:,} images; give both so that they share none"
        )


def _check_classes(flag: str, split: Split) -> None:
    """Refuses a split of one class, as of files that are sorted by class: figures mean nothing."""
    names = [split.dataset.label_names[label] for label in split_classes.present(split) or ()]
    if split.examples > 1 and len(names) == 1:
        raise UsageError(
            f"--{flag}={split.name} of {split.dataset.name}: all its {split.examples:,} images are "
            f"of one class ({names[0]}); give --train_split and --validation_split so that each "
            "has images of every class"
        )


def _test(dataset: Dataset, *used: str) -> list[Split]:
    """The split that is left for the test, if there is one."""
    is_left = "test" in dataset.split_names and not any("test" in name for name in used)
    return [dataset.split("test")] if is_left else []


def _mixed(
    word: str, dataset: Dataset, options: TrainOptions, recorded: Mapping[str, str]
) -> Split:
    """The training split of a dataset that is mixed in, given as `name:weight`."""
    name, _, number = word.rpartition(":")
    try:
        weight = float(number)
    except ValueError:
        weight = 0.0
    if not name or not 0 < weight < float("inf"):
        raise UsageError(f"--mix={word}: expected name:weight, with a weight above 0")
    other = open_dataset(options.data_dir, name)
    if (other.image_shape, other.num_classes) != (dataset.image_shape, dataset.num_classes):
        raise UsageError(
            f"--mix={word}: {name} has images {list(other.image_shape)} and {other.num_classes} "
            f"classes, {dataset.name} {list(dataset.image_shape)} and {dataset.num_classes}"
        )
    split = other.split(recorded.get(name) or other.default_splits()[0])
    return dataclasses.replace(split.of_worker(*_shard(options.pipeline.shard)), weight=weight)


def _shard(text: str) -> tuple[int, int]:
    """Which part, of how many."""
    index, _, number = text.partition("/")
    if index.isdecimal() and number.isdecimal() and int(index) < int(number):
        return int(index), int(number)
    raise UsageError(f"--shard={text}: expected i/n, such as 0/4 to 3/4")
