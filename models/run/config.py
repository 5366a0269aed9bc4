"""The configuration of a run: what decides its weights, as config.json holds it."""

import dataclasses
import importlib.metadata
import subprocess
from pathlib import Path

from ... import __version__
from ...base import configs, progress
from ...base.errors import DataError, UserError
from ...base.files import JsonObject
from ...data.dataset import Dataset, Split, open_dataset
from ...data.pipeline.preprocess import Preprocess
from ..recipe import Recipe
from .pipeline import PipelineConfig

_FORMAT = 1
# What decides the weights; the data may move between two sessions of one run.
_IDENTITY = ("model", "recipe", "preprocess", "dataset", "pipeline", "seed")
_PACKAGES = ("tensorflow", "keras", "tensorflow-datasets", "numpy", "absl-py")


@dataclasses.dataclass(frozen=True)
class MixConfig:
    """A dataset that is mixed in.

    Attributes:
      name, fingerprint: of the dataset.
      split: in TFDS's syntax.
      weight: the run's own dataset has the weight 1.
    """

    name: str
    fingerprint: str
    split: str
    weight: float


@dataclasses.dataclass(frozen=True)
class DatasetConfig:
    """What a run trains and validates on.

    Attributes:
      name, version, fingerprint: of the dataset.
      label_names: by class number.
      train_split, validation_split: in TFDS's syntax.
      mix: datasets that are trained on too.
    """

    name: str
    version: str
    fingerprint: str
    label_names: tuple[str, ...]
    train_split: str
    validation_split: str
    mix: tuple[MixConfig, ...] = ()

    @classmethod
    def of(cls, training: Split, mixed: tuple[Split, ...], validation: Split) -> "DatasetConfig":
        """The configuration of these splits; `training` and `validation` are of one dataset."""
        dataset = training.dataset
        return cls(
            dataset.name,
            dataset.version,
            dataset.fingerprint,
            dataset.label_names,
            training.name,
            validation.name,
            tuple(
                MixConfig(split.dataset.name, split.dataset.fingerprint, split.name, split.weight)
                for split in mixed
            ),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What a run is: enough to train it again, and to prepare its model's input.

    Attributes:
      model: a name in the registry.
      recipe_name: the recipe that the flags started from.
      recipe: the hyperparameters after the flags.
      preprocess: from raw pixels to the network's input.
      dataset: what it trains and validates on.
      pipeline: how it reads its images.
      data_dir: where the dataset lay.
      seed: of weights and order.
    """

    model: str
    recipe_name: str
    recipe: Recipe
    preprocess: Preprocess
    dataset: DatasetConfig
    pipeline: PipelineConfig
    data_dir: str
    seed: int

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of the classes, by class number."""
        return self.dataset.label_names

    def to_config(self) -> JsonObject:
        """The content of `config.json`, with the versions of what trains the run."""
        return {
            "format": _FORMAT,
            **configs.to_config(self),
            "digitline": __version__,
            "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
            "git_commit": git_commit(),
        }

    @classmethod
    def from_config(cls, config: JsonObject) -> "RunConfig":
        """The configuration back from the content of `config.json`.

        Raises:
          DataError: says what is wrong with it.
        """
        if config.get("format") != _FORMAT:
            raise DataError("it is not a configuration of this version of digitline")
        names = {field.name for field in dataclasses.fields(cls)}
        own = {name: value for name, value in config.items() if name in names}
        return configs.from_config(cls, own)


def is_ours(config: object) -> bool:
    """Whether this is the content of a `config.json` that some version of digitline wrote."""
    return isinstance(config, dict) and config.keys() >= {*_IDENTITY, "format", "digitline"}


def differences(there: RunConfig, here: RunConfig) -> list[str]:
    """What makes two runs others: `recipe.epochs is 5.0 there, 3.0 here`."""
    first, second = (_flat(configs.to_config(config)) for config in (there, here))
    return [
        f"{name} is {first.get(name)} there, {second.get(name)} here"
        for name in {**first, **second}
        if name.partition(".")[0] in _IDENTITY and first.get(name) != second.get(name)
    ]


def _flat(config: JsonObject, prefix: str = "") -> dict[str, object]:
    """Nested objects as one, with dots in the names."""
    flat: dict[str, object] = {}
    for name, value in config.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def open_run_dataset(config: RunConfig, data_dir: Path | str | None) -> Dataset:
    """The dataset that a run was trained on.

    Args:
      config: of the run.
      data_dir: where to look; by default where it lay when the run was trained.

    Raises:
      UserError: it is not there, or it is not the same dataset.
    """
    dataset = open_dataset(Path(data_dir or config.data_dir), config.dataset.name)
    if dataset.fingerprint != config.dataset.fingerprint:
        progress.say(
            f"note: {dataset.directory} is not byte for byte the dataset of the run "
            f"(fingerprint {dataset.fingerprint}, the run's is {config.dataset.fingerprint})"
        )
    if (dataset.label_names, dataset.image_shape) != (
        config.label_names,
        config.preprocess.image_shape,
    ):
        raise UserError(
            f"{dataset.directory} does not fit the run: it has {dataset.num_classes} classes and "
            f"images {list(dataset.image_shape)}, the run {len(config.label_names)} and "
            f"{list(config.preprocess.image_shape)}; give the right --data_dir"
        )
    return dataset


def git_commit() -> str | None:
    """The commit of the checkout that this code runs from; None where it is no checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
