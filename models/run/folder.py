"""The run folder: configuration, checkpoints, metrics and the trained model.

What lies in it:

    config.json       model, recipe, preprocessing, dataset, seed, versions
    metrics.jsonl     one JSON object for each logged step
    training.json     how the training went: steps, seconds, images/s, parameters; of which files
    checkpoints/      TensorFlow checkpoints, to resume from
    evaluation.json   figures by split
    model.keras       the trained model, from normalized images to logits; it is there if and only
                      if the run is finished
    model-….keras     what it was after this many steps, before the run was made longer
"""

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...base import catalog, configs, files, progress
from ...base.errors import DataError, UsageError, UserError
from ...base.files import JsonObject
from ...base.process import temporary
from ...base.tf import keras
from ...data.dataset import Dataset, Split
from . import keras_file, made
from .config import RunConfig, is_ours
from .longer import Reached, lengthened
from .records import Figures, MetricsRow, Robustness, TrainingRecord


class Run:
    """A run folder's paths."""

    def __init__(self, workdir: Path):
        self.workdir = workdir
        self.config = workdir / catalog.RUN_CONFIG
        self.metrics = workdir / catalog.RUN_METRICS
        self.checkpoints = workdir / "checkpoints"
        self.training_record = workdir / "training.json"
        self.evaluation = workdir / catalog.RUN_EVALUATION
        self.model = workdir / catalog.RUN_MODEL

    @property
    def finished(self) -> bool:
        return self.model.is_file()

    @contextlib.contextmanager
    def training(
        self, config: RunConfig, examples: int, overwrite: bool, extend: bool
    ) -> Iterator[list[str]]:
        """Holds the folder for training `config`; makes it, or takes up what is there.

        A run that a `UsageError` ends before its first step gives the folder back. A shorter run
        goes on.

        Args:
          config: of the run.
          examples: in an epoch of it.
          overwrite: deletes the run that is there first.
          extend: admits a run that goes on with a stretched schedule.

        Yields:
          What is to be said of how a shorter run goes on.

        Raises:
          UsageError: another run lies there, or files that are not ours.
          UserError: another process trains there, or the folder is not writable.
        """
        with files.owned(self.workdir, "training"):
            self._refuse_foreign()
            notes: list[str] = []
            if overwrite:
                self._delete()
            elif self.config.exists():
                notes = self._take_up(config, examples, extend)
            temporary.sweep(self.workdir)
            temporary.remove_leftovers(self.checkpoints, "*_temp")
            if not self.config.exists():
                files.write_json(self.config, config.to_config())
            try:
                yield notes
            except UsageError:
                begun = self.finished or self.metrics.exists()
                if not begun and not any(self.checkpoints.glob("*.index")):
                    self.config.unlink()  # The corrected command may use the folder.
                raise

    def _take_up(self, config: RunConfig, examples: int, extend: bool) -> list[str]:
        """Refuses to train `config` on another run; makes a shorter one as long.

        Returns:
          What is to be said of that.
        """
        reached = Reached(self.workdir, self._saved_step())
        longer = lengthened(self.load_config(), config, examples, reached, extend)
        if longer is None:
            return []
        self.reopen()
        files.write_json(self.config, longer.config.to_config())
        return longer.notes

    def reopen(self) -> None:
        """Makes a finished run an unfinished one; its model stays, as `model-<step>.keras`.

        Raises:
          UserError: its checkpoints are gone.
        """
        if not self.finished:
            return
        step = self._saved_step()
        if not step:
            raise UserError(
                f"{self.workdir} holds no checkpoint to go on from: --init_from={self.workdir} "
                "with another --workdir begins with its weights"
            )
        self.model.rename(self.workdir / f"model-{step}.keras")
        self.evaluation.unlink(missing_ok=True)

    def _saved_step(self) -> int:
        """The step of the newest checkpoint; 0 if there is none."""
        steps = (path.stem.rpartition("-")[2] for path in self.checkpoints.glob("ckpt-*.json"))
        return max((int(step) for step in steps if step.isdecimal()), default=0)

    def _refuse_foreign(self) -> None:
        """Other people's files may have our names; they are neither used nor deleted."""
        if self.config.exists() and is_ours(files.read_json(self.config)):
            return
        for path in (self.config, self.checkpoints, self.model):
            if path.exists():
                raise UsageError(
                    f"{path} does not belong to a run of digitline: choose another --workdir"
                )

    def _delete(self) -> None:
        """Deletes only our own files: the folder may hold others."""
        self.model.unlink(missing_ok=True)  # First, so that a kill leaves no finished run.
        for path in (self.evaluation, self.training_record, self.metrics):
            path.unlink(missing_ok=True)
        (self.workdir / "report.html").unlink(missing_ok=True)
        temporary.remove_leftovers(self.workdir, "model-*.keras")
        for folder in (self.checkpoints, self.workdir / "tensorboard"):
            shutil.rmtree(folder, ignore_errors=True)
        self.config.unlink(missing_ok=True)  # Last: it tells that the others are ours.

    def rewind_metrics(self, step: int) -> None:
        """Drops the metrics after `step`, which a resumed run will write again."""
        if not self.metrics.exists():
            return
        kept = []
        with contextlib.suppress(ValueError, KeyError, TypeError):  # A kill in mid-line.
            for line in self.metrics.read_text(encoding="utf-8").splitlines():
                if json.loads(line)["step"] <= step:
                    kept.append(line + "\n")
        files.write_text(self.metrics, "".join(kept))

    def log_metrics(self, row: MetricsRow) -> None:
        """Appends a row to `metrics.jsonl`."""
        try:
            with open(self.metrics, "a", encoding="utf-8") as file:
                file.write(json.dumps(row.to_config()) + "\n")
        except OSError as error:
            error.filename = str(self.metrics)
            raise

    def add_evaluation(self, split: str, figures: Figures) -> None:
        """Writes the figures of a split into `evaluation.json`, beside those of others.

        What was measured before on corrupted images stays, where the clean ones are the same.
        """
        before = self.evaluation_of(split)
        if before and figures.corruptions is None and before.misclassified == figures.misclassified:
            figures = dataclasses.replace(figures, corruptions=before.corruptions)
        files.write_json(self.evaluation, {**self._evaluations(), split: figures.to_config()})

    def evaluation_of(self, split: str) -> Figures | None:
        """The figures of a split in `evaluation.json`; None where some are missing."""
        try:
            return configs.from_config(Figures, self._evaluations()[split])
        except (KeyError, DataError):  # Earlier versions had fewer figures.
            return None

    def robustness(self) -> dict[str, Robustness]:
        """What was measured on corrupted images, by split."""
        known = {split: self.evaluation_of(split) for split in self._evaluations()}
        return {
            split: figures.corruptions
            for split, figures in known.items()
            if figures and figures.corruptions
        }

    def _evaluations(self) -> JsonObject:
        return files.read_json(self.evaluation) if self.evaluation.exists() else {}

    def finish(self, model: keras.Model, record: TrainingRecord, dataset: Dataset) -> None:
        """Writes `training.json`, then `model.keras`: the run is finished.

        Args:
          dataset: that it was trained on.
        """
        with files.replacing(self.model) as aside:
            model.save(aside)
            record = dataclasses.replace(record, made=made.of(aside, self.config, dataset))
            files.write_json(self.training_record, configs.to_config(record))

    def load_record(self) -> TrainingRecord:
        """What `training.json` holds."""
        try:
            return configs.from_config(TrainingRecord, files.read_json(self.training_record))
        except DataError as error:
            raise DataError(f"{self.training_record}: {error}") from None

    def load(self) -> tuple[RunConfig, keras.Model]:
        """The configuration and the model of a finished run.

        Raises:
          UserError: there is no run, or it is not finished, or damaged, or its files are not those
            that `train` left.
        """
        config = self.load_config()
        self.require_finished()
        recorded = self.load_record().made
        if recorded is None:
            progress.say(
                f"{self.training_record} does not record which {self.config.name}, "
                f"{self.model.name} and dataset belong together (a run of an earlier version): "
                "they are taken as they are"
            )
        else:
            made.require_same_files(recorded, self.model, self.config)
        return config, keras_file.load(self.model)

    def require_same_data(self, splits: Sequence[Split], lost: Sequence[str] = ()) -> None:
        """Refuses splits of the run's dataset, to be read, whose files are not what they were.

        Args:
          lost: as `made.require_same_data` takes it.

        Raises:
          DataError: names the file.
        """
        recorded = self.load_record().made
        if recorded is not None:
            made.require_same_data(recorded, splits, lost)

    def require_finished(self) -> None:
        """Refuses a run that is not finished, by a `UserError`."""
        if not self.finished:
            raise UserError(
                f"the run in {self.workdir} is not finished: the same digitline train command "
                "again resumes it"
            )

    def load_config(self) -> RunConfig:
        """The configuration in `config.json`.

        Raises:
          UserError: there is none, or not one of ours.
        """
        if not self.config.exists():
            raise catalog.no_run(self.workdir)
        config = files.read_json(self.config)
        try:
            return RunConfig.from_config(config if isinstance(config, dict) else {})
        except DataError as error:
            raise UserError(f"{self.config}: {error}; restore it or train again") from None


def default_folders(dataset: str, model: str) -> tuple[Run, Run]:
    """Where a run goes that no folder is named for: `runs/<dataset>/<model>`.

    Returns:
      That, and `runs/<model>`, where the last release began runs on all datasets.
    """
    # A dataset may be named by a path.
    names = (part for part in Path(dataset).parts if part not in (".", "..", "/"))
    return Run(catalog.RUNS.joinpath(*names, model)), Run(catalog.RUNS / model)
