"""The configuration of a run: what decides its weights, as config.json holds it."""

import dataclasses
import importlib.metadata
import subprocess
from collections.abc import Collection
from pathlib import Path

from ... import __version__
from ...base import addresses, configs, progress
from ...base.errors import DataError, UserError
from ...base.files import JsonObject
from ...base.pictures.config import PictureConfig, unrecorded
from ...data import listing
from ...data.dataset import Dataset, open_dataset
from ...data.pipeline.preprocess import Preprocess
from ..recipe import PipelineConfig, Recipe

_FORMAT = 1
# What decides the weights; the data may move between two sessions of one run.
_IDENTITY = ("model", "recipe", "preprocess", "dataset", "pipeline", "seed")
# The same, which the last release did not write.
_LATER_IDENTITY = ("init_sha256",)
_PACKAGES = ("tensorflow", "keras", "tensorflow-datasets", "numpy", "absl-py")


@dataclasses.dataclass(frozen=True)
class MixConfig:
    """A dataset that is mixed in; the run's own has the weight 1."""

    name: str
    fingerprint: str
    split: str
    weight: float


@dataclasses.dataclass(frozen=True)
class DatasetConfig:
    """What a run trains and validates on; splits are in TFDS's syntax."""

    name: str
    version: str
    fingerprint: str
    label_names: tuple[str, ...]
    train_split: str
    validation_split: str
    mix: tuple[MixConfig, ...] = ()


@dataclasses.dataclass(frozen=True)
class Extension:
    """A run was made longer: up to `step` it was one of this many epochs and steps."""

    step: int
    epochs: float
    max_steps: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What a run is: enough to train it again, and to prepare its model's input.

    Attributes:
      model: a name in the registry.
      recipe_name: the recipe that the flags started from; `recipe` is the one after them.
      data_dir: where the dataset lay.
      seed: of weights and order.
      recorded_pictures: how a picture file becomes an image of the dataset; None in runs from
        before it was recorded.
      extended: each time that the run was made longer.
      id: tells the run from any other, also from one that is configured as it is; empty in runs of
        earlier versions.
      init_from, init_sha256: the file of the model whose weights it began with, and its digest.
    """

    model: str
    recipe_name: str
    recipe: Recipe
    preprocess: Preprocess
    dataset: DatasetConfig
    pipeline: PipelineConfig
    data_dir: str
    seed: int
    recorded_pictures: PictureConfig | None = None
    extended: tuple[Extension, ...] = ()
    id: str = ""
    init_from: str | None = None
    init_sha256: str | None = None

    @property
    def pictures(self) -> PictureConfig:
        """How a picture file becomes an image of the dataset."""
        shape = self.preprocess.image_shape
        return self.recorded_pictures or unrecorded(self.dataset.name, shape)

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of the classes, by class number."""
        return self.dataset.label_names

    @property
    def is_of_last_release(self) -> bool:
        """Whether a version wrote it that fitted no recipe to data, and resized in another way."""
        return self.recorded_pictures is None

    def resumed_with(self, config: "RunConfig", flags: Collection[str]) -> "RunConfig":
        """What this version would train, as far as the run of the last release has it.

        Args:
          config: of this version.
          flags: the recipe's fields that were given; the others are as they were then.
        """
        recipe = config.recipe
        if self.recipe_name == config.recipe_name:
            given = {name: getattr(recipe, name) for name in flags}
            recipe = dataclasses.replace(self.recipe, **given)
        return dataclasses.replace(
            config,
            recipe=recipe,
            preprocess=self.preprocess,
            recorded_pictures=None,
        )

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
        names = config.keys() & {field.name for field in dataclasses.fields(cls)}
        return configs.from_config(cls, {name: config[name] for name in names})


def is_ours(config: object) -> bool:
    """Whether this is the content of a `config.json` that some version of digitline wrote."""
    return isinstance(config, dict) and config.keys() >= {*_IDENTITY, "format", "digitline"}


def differences(there: RunConfig, here: RunConfig) -> list[str]:
    """What makes two runs others: `recipe.epochs is 5.0 there, 3.0 here`."""
    first, second = (flat(configs.to_config(config)) for config in (there, here))
    return [
        f"{name} is {first[name]} there, {second[name]} here"
        for name in first
        if name.partition(".")[0] in (*_IDENTITY, *_LATER_IDENTITY) and first[name] != second[name]
    ]


def flat(value: object, name: str = "") -> dict[str, object]:
    """Nested objects as one, with names such as `recipe.epochs`."""
    if not isinstance(value, dict):
        return {name: value}
    members = (flat(inner, f"{name}.{key}" if name else key) for key, inner in value.items())
    return {key: inner for member in members for key, inner in member.items()}


def open_run_dataset(
    config: RunConfig, data_dir: Path | str | None, allow_other: bool = True
) -> Dataset:
    """The dataset that a run was trained on; by default where it lay then.

    Args:
      allow_other: whether it may have other images since, which is said; its classes are the same.

    Raises:
      UserError: it is not there, or it is not the same dataset.
    """
    place, name = addresses.local(data_dir or config.data_dir), config.dataset.name
    if data_dir is None and listing.newest(place, name) is None:
        raise UserError(
            f"{name} is not prepared in {place}, where it lay when the run was trained, as its "
            "config.json has it: give --data_dir"
        )
    dataset = open_dataset(place, name)
    image_shape = config.preprocess.image_shape
    if (dataset.num_classes, dataset.image_shape) != (len(config.label_names), image_shape):
        raise UserError(
            f"{dataset.directory} does not fit the run: it has {dataset.num_classes} classes and "
            f"images {list(dataset.image_shape)}, the run {len(config.label_names)} and "
            f"{list(image_shape)}; give the right --data_dir"
        )
    for number, names in enumerate(zip(dataset.label_names, config.label_names, strict=True)):
        if names[0] != names[1]:
            raise UserError(
                f"{dataset.directory} does not fit the run: class {number} is {names[0]} there, "
                f"{names[1]} in the run; give the right --data_dir, or train again"
            )
    if dataset.fingerprint != config.dataset.fingerprint:
        differs = (
            f"{dataset.directory} is not byte for byte the dataset of the run (fingerprint "
            f"{dataset.fingerprint}, the run's is {config.dataset.fingerprint})"
        )
        if not allow_other:
            raise UserError(
                f"{differs}: it was prepared again since; give the --data_dir of what the run was "
                "trained on, or train again"
            )
        progress.say(f"note: {differs}")
    return dataset


def git_commit() -> str | None:
    """The commit of the checkout that this code runs from; None where it is not one."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    git = ["git", "-C", str(root), "rev-parse", "HEAD"]
    try:
        return subprocess.check_output(git, stderr=subprocess.DEVNULL, timeout=10).decode().strip()
    except (OSError, subprocess.SubprocessError):
        return None
