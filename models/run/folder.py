"""The run folder: configuration, checkpoints, metrics and the trained model.

What lies in it:

    config.json       model, recipe, preprocessing, dataset, seed, versions
    metrics.jsonl     one JSON object for each logged step
    training.json     how the training went: steps, seconds, images/s, parameters
    checkpoints/      TensorFlow checkpoints, to resume from
    evaluation.json   figures by split
    model.keras       the trained model; it is there if and only if the run is finished
"""

import contextlib
import dataclasses
import importlib.metadata
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import __version__
from ..base import files, progress
from ..base.errors import UsageError, UserError, first_line
from ..base.tf import keras
from ..data.dataset import Dataset, open_dataset
from ..data.pipeline.preprocess import Preprocess
from .recipe import Recipe

_FORMAT = 1
# What decides the weights; versions and paths may change between two sessions of one run.
_IDENTITY = ("format", "model", "recipe", "preprocess", "dataset", "pipeline", "seed")
_PACKAGES = ("tensorflow", "keras", "tensorflow-datasets", "numpy", "absl-py")


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """What a run is: enough to train it again, and to feed its model.

    Attributes:
      model: a name in the registry.
      recipe_name: the recipe that the flags started from.
      recipe: the hyperparameters after the flags.
      preprocess: from raw pixels to the network's input.
      dataset: name, version, fingerprint, label_names, train_split, validation_split.
      pipeline: cache and shuffle_buffer, on which the order of the images depends.
      data_dir: where the dataset lay.
      seed: of weights and order.
    """

    model: str
    recipe_name: str
    recipe: Recipe
    preprocess: Preprocess
    dataset: dict[str, Any]
    pipeline: dict[str, Any]
    data_dir: str
    seed: int

    def to_json(self) -> dict[str, Any]:
        """The content of `config.json`."""
        return {
            "format": _FORMAT,
            "model": self.model,
            "recipe_name": self.recipe_name,
            "recipe": self.recipe.to_config(),
            "preprocess": self.preprocess.to_config(),
            "dataset": self.dataset,
            "pipeline": self.pipeline,
            "data_dir": self.data_dir,
            "seed": self.seed,
            "digitline": __version__,
            "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
            "git_commit": git_commit(),
        }

    @property
    def label_names(self) -> tuple[str, ...]:
        return tuple(self.dataset["label_names"])


class Run:
    """A run folder's paths."""

    def __init__(self, workdir: Path):
        self.workdir = workdir
        self.config = workdir / "config.json"
        self.metrics = workdir / "metrics.jsonl"
        self.checkpoints = workdir / "checkpoints"
        self.training_record = workdir / "training.json"
        self.evaluation = workdir / "evaluation.json"
        self.model = workdir / "model.keras"

    @property
    def finished(self) -> bool:
        return self.model.is_file()

    @contextlib.contextmanager
    def training(self, config: RunConfig, overwrite: bool) -> Iterator[None]:
        """Holds the folder for training `config`; makes it, or takes up what is there.

        A run that a `UsageError` ends before its first step gives the folder back.

        Args:
          config: of the run to start or resume.
          overwrite: deletes the run that is there first.

        Raises:
          UsageError: another run lies there, or files that are not ours.
          UserError: another process trains there, or the folder is not writable.
        """
        with files.owned(self.workdir, "training"):
            self._refuse_foreign()
            wanted = config.to_json()
            if overwrite:
                self._delete()
            elif self.config.exists():
                self._refuse_other(files.read_json(self.config), wanted)
            files.remove_leftovers(self.workdir, f"{files.TEMPORARY}*")
            files.remove_leftovers(self.checkpoints, "*_temp")
            if not self.config.exists():
                files.write_json(self.config, wanted)
            try:
                yield
            except UsageError:
                begun = self.finished or self.metrics.exists()
                if not begun and not any(self.checkpoints.glob("*.index")):
                    self.config.unlink()  # The command, mended, may have the folder.
                raise

    def _refuse_foreign(self) -> None:
        """Other people's files may have our names; they are neither used nor deleted."""
        if self.config.exists():
            found = files.read_json(self.config)
            if isinstance(found, dict) and found.keys() >= {*_IDENTITY, "digitline"}:
                return
            foreign = self.config
        elif self.checkpoints.exists() or self.model.exists():
            foreign = self.checkpoints if self.checkpoints.exists() else self.model
        else:
            return
        raise UsageError(f"{foreign} is not of a run of digitline: choose another --workdir")

    def _refuse_other(self, found: dict[str, Any], wanted: dict[str, Any]) -> None:
        difference = _difference(
            {key: found.get(key) for key in _IDENTITY}, {key: wanted[key] for key in _IDENTITY}
        )
        if difference:
            raise UsageError(
                f"{self.workdir} holds another run ({'; '.join(difference)}): choose another "
                "--workdir, or add --overwrite to delete that run"
            )

    def _delete(self) -> None:
        """Deletes our own files alone: the folder may hold others."""
        self.model.unlink(missing_ok=True)  # First, so that a kill leaves no finished run.
        report = self.workdir / "report.html"
        for path in (self.evaluation, self.training_record, self.metrics, report):
            path.unlink(missing_ok=True)
        for folder in (self.checkpoints, self.workdir / "tensorboard"):
            shutil.rmtree(folder, ignore_errors=True)
        self.config.unlink(missing_ok=True)  # Last: it tells that the others are ours.

    def rewind_metrics(self, step: int) -> None:
        """Drops the metrics after `step`, which a resumed run will write again."""
        if not self.metrics.exists():
            return
        kept = []
        for line in self.metrics.read_text(encoding="utf-8").splitlines():
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line + "\n")
            except (ValueError, KeyError, TypeError):
                break  # The kill came in the middle of this line.
        files.write_text(self.metrics, "".join(kept))

    def log_metrics(self, row: dict[str, Any]) -> None:
        """Appends a row to `metrics.jsonl`."""
        try:
            with open(self.metrics, "a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            error.filename = str(self.metrics)
            raise

    def add_evaluation(self, split: str, figures: dict[str, Any]) -> None:
        """Writes the figures of a split into `evaluation.json`, beside those of others."""
        known = files.read_json(self.evaluation) if self.evaluation.exists() else {}
        files.write_json(self.evaluation, {**known, split: figures})

    def finish(self, model: keras.Model, record: dict[str, Any]) -> None:
        """Writes `training.json`, then `model.keras`: the run is finished."""
        files.write_json(self.training_record, record)
        with files.replacing(self.model) as temporary:
            model.save(temporary)

    def load(self) -> tuple[RunConfig, keras.Model]:
        """The configuration and the model of a finished run.

        Raises:
          UserError: there is no run, or it is not finished, or damaged.
        """
        config = self.load_config()
        if not self.finished:
            raise UserError(
                f"the run in {self.workdir} is not finished: the same digitline train command "
                "again resumes it"
            )
        try:
            model = keras.models.load_model(self.model, compile=False)
        except Exception as error:  # Whatever Keras, zip and HDF5 raise on a damaged file.
            raise UserError(f"{self.model} cannot be loaded: {first_line(error)}") from error
        assert isinstance(model, keras.Model)
        return config, model

    def load_config(self) -> RunConfig:
        """The configuration in `config.json`.

        Raises:
          UserError: there is none, or not one of ours.
        """
        if not self.config.exists():
            raise UserError(f"{self.workdir} holds no run (no config.json): train one first")
        found = files.read_json(self.config)
        if not isinstance(found, dict) or found.get("format") != _FORMAT:
            raise UserError(f"{self.config} is not a configuration of this version of digitline")
        try:
            return RunConfig(
                model=found["model"],
                recipe_name=found["recipe_name"],
                recipe=Recipe.from_config(found["recipe"]),
                preprocess=Preprocess.from_config(found["preprocess"]),
                dataset=found["dataset"],
                pipeline=found["pipeline"],
                data_dir=found["data_dir"],
                seed=found["seed"],
            )
        except KeyError as error:
            raise UserError(f"{self.config} lacks {error}; restore it or train anew") from None


def open_run_dataset(config: RunConfig, data_dir: str | None) -> Dataset:
    """The dataset that a run was trained on.

    Args:
      config: of the run.
      data_dir: where to look; by default where it lay when the run was trained.

    Raises:
      UserError: it is not there, or it is not the same dataset.
    """
    name = config.dataset["name"]
    dataset = open_dataset(Path(data_dir or config.data_dir), name)
    wanted = config.dataset["fingerprint"]
    if dataset.fingerprint != wanted:
        progress.say(
            f"note: {dataset.directory} is not byte for byte the dataset of the run "
            f"(fingerprint {dataset.fingerprint}, the run's is {wanted})"
        )
    if list(dataset.label_names) != config.dataset["label_names"] or (
        dataset.image_shape != config.preprocess.image_shape
    ):
        raise UserError(
            f"{dataset.directory} does not fit the run: it has {dataset.num_classes} classes and "
            f"images {list(dataset.image_shape)}, the run {len(config.label_names)} and "
            f"{list(config.preprocess.image_shape)}; give the right --data_dir"
        )
    return dataset


def git_commit() -> str | None:
    """The commit of the checkout that this code runs from; None where it is no checkout."""
    root = Path(__file__).resolve().parent.parent
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


def _difference(found: Any, wanted: Any, name: str = "") -> list[str]:
    """Where two configurations differ: `recipe.epochs is 5.0 there, 3.0 here`."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        lines = []
        for key in {**found, **wanted}:
            path = f"{name}.{key}" if name else key
            lines += _difference(found.get(key), wanted.get(key), path)
        return lines
    # Through JSON, since that is how `found` came here: a tuple is a list there.
    if found == json.loads(json.dumps(wanted)):
        return []
    return [f"{name} is {found} there, {wanted} here"]
