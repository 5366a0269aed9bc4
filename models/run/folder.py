"""The run folder: configuration, checkpoints, metrics and the trained model.

What lies in it:

    config.json       model, recipe, preprocessing, dataset, seed, versions
    metrics.jsonl     one JSON object for each logged step
    training.json     how the training went: steps, seconds, images/s, parameters; of which files
    checkpoints/      TensorFlow checkpoints, to resume from
    evaluation.json   figures by split
    data.json         digests of the shards that it began with: it goes on with no others
    model.keras       the trained model, from normalized images to logits; it is there if and only
                      if the run is finished
    model-….keras     what it was after this many steps, before the run was made longer
"""

import contextlib
import dataclasses
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...base import catalog, configs, files, progress
from ...base.errors import DataError, UsageError, UserError
from ...base.files import JsonObject
from ...base.process import clock, temporary
from ...base.storage import records
from ...base.tf import keras
from ...data.dataset import Split
from ...data.digests import SplitDigest
from . import keras_file, made
from .config import RunConfig, is_ours
from .evaluation_file import EvaluationFile
from .longer import Reached, lengthened
from .metrics_file import METRICS, MetricsFile
from .records import Made, TrainingRecord, Written

# What to do about a damaged file.
_CONFIG = "restore it, or train again with another --workdir"
_RECORD = "restore it, or train again with --overwrite"


class Run:
    """A run folder's paths."""

    def __init__(self, workdir: Path):
        self.workdir = workdir
        self.config = workdir / catalog.RUN_CONFIG
        self.metrics = workdir / catalog.RUN_METRICS
        self.checkpoints = workdir / "checkpoints"
        self.training_record = workdir / "training.json"
        self.data = workdir / "data.json"
        self.evaluation = workdir / catalog.RUN_EVALUATION
        self.model = workdir / catalog.RUN_MODEL

    @property
    def finished(self) -> bool:
        return files.is_there(self.model)

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
            if overwrite or not self.finished:
                clock.require_for_zip(self.model)
            notes: list[str] = []
            if overwrite:
                self._delete()
            elif files.is_there(self.config):
                notes = self._take_up(config, examples, extend)
            temporary.sweep(self.workdir)
            temporary.remove_leftovers(self.checkpoints, "*_temp")
            if not self.config.exists():
                self._write_config(dataclasses.replace(config, id=secrets.token_hex(8)))
            try:
                with files.naming(self.workdir):
                    yield notes
            except UsageError:
                begun = self.finished or self.metrics.exists()
                if not begun and not any(self.checkpoints.glob("*.index")):
                    self.config.unlink()  # The corrected command may use the folder.
                    files.remove(self.data)
                raise

    def _take_up(self, config: RunConfig, examples: int, extend: bool) -> list[str]:
        """Refuses to train `config` on another run; makes a shorter one as long.

        Returns:
          What is to be said of that.
        """
        reached = Reached(self.workdir, self._saved_step())
        there = self.load_config()
        longer = lengthened(there, config, examples, reached, extend)
        if longer is None:
            return []
        self.reopen()
        self._write_config(dataclasses.replace(longer.config, id=there.id))
        return longer.notes

    def _write_config(self, config: RunConfig) -> None:
        records.write(self.config, config.to_config(), free=catalog.RUN_FREE)

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
        if files.is_there(self.config) and is_ours(self.recorded(whole=False)):
            return
        for path in (self.config, self.checkpoints, self.model):
            if path.exists():
                alone = "" if path == self.config else f" (there is no {self.config.name})"
                raise UsageError(
                    f"{path} does not belong to a run of digitline{alone}: choose another --workdir"
                )

    def _delete(self) -> None:
        """Deletes only our own files: the folder may hold others."""
        files.remove(self.model)  # First, so that a kill leaves no finished run.
        written = (self.evaluation, self.training_record, self.metrics, self.data)
        for path in (*written, self.workdir / "report.html", self.workdir / "tensorboard"):
            files.remove(path)
        temporary.remove_leftovers(self.workdir, "model-*.keras")
        files.remove(self.checkpoints)
        files.remove(self.config)  # Last: it tells that the others are ours.

    @property
    def metrics_log(self) -> MetricsFile:
        """The rows of metrics.jsonl."""
        return MetricsFile(self.metrics)

    def rows(self) -> tuple[dict[str, float], ...]:
        """The figures of each row of metrics.jsonl by their names, as far as they are finite.

        Raises:
          DataError: the file is damaged.
        """
        written = None
        if self.finished:
            recorded = self.load_record().made
            return self.metrics_log.rows(recorded and recorded.metrics, is_all=True)
        if step := self._saved_step():
            with contextlib.suppress(DataError):  # That it is damaged is for `train` to say.
                path = self.checkpoints / f"ckpt-{step}.json"
                saved = records.read_object(path, of=self._id()).get(METRICS)
                written = saved and configs.from_config(Written, saved)
        return self.metrics_log.rows(written)

    @property
    def evaluations(self) -> EvaluationFile:
        """The figures in evaluation.json.

        Raises:
          UserError: there is no run, or its configuration is damaged.
        """
        return EvaluationFile(self.evaluation, self.load_config())

    def finish(
        self, model: keras.Model, record: TrainingRecord, splits: tuple[SplitDigest, ...]
    ) -> None:
        """Writes `training.json`, then `model.keras`: the run is finished.

        Args:
          splits: of the dataset that it was trained on.
        """
        clock.require_for_zip(self.model)
        with files.replacing(self.model) as aside:
            model.save(aside)
            metrics = self.metrics_log.written()
            made_of = Made(files.sha256(aside), self.recorded(), splits, metrics)
            record = dataclasses.replace(record, made=made_of)
            records.write(self.training_record, configs.to_config(record), self._id())

    def load_record(self) -> TrainingRecord:
        """What `training.json` holds.

        Raises:
          DataError: it is missing or damaged.
        """
        return records.read(self.training_record, TrainingRecord, _RECORD, self._id())

    def load(self) -> tuple[RunConfig, keras.Model]:
        """The configuration and the model of a finished run.

        Raises:
          UserError: there is no run, or it is not finished, or damaged, or its files are not those
            that `train` left.
        """
        config = self.require_same_files()
        return config, keras_file.load(self.model)

    def require_same_files(self) -> RunConfig:
        """The configuration of a finished run, whose files are those that `train` left.

        Raises:
          UserError: as `load`.
        """
        try:
            config = self.load_config()
        except DataError:
            self._name_difference()
            raise
        self.require_finished()
        recorded = self.load_record().made
        if recorded is None:
            progress.say(
                f"{self.training_record} does not record which {self.config.name}, "
                f"{self.model.name} and dataset belong together (a run of an earlier version): "
                "they are taken as they are"
            )
        else:
            made.require_same_config(recorded, self.model, self.config, self.recorded())
            made.require_same_model(recorded, self.model)
        return config

    def _name_difference(self) -> None:
        """Says by an error in what a configuration that was edited differs, if that is known."""
        recorded, edited = None, {}
        with contextlib.suppress(UserError):
            edited = self.recorded(whole=False)
            record = records.read_object(self.training_record, of=None)
            recorded = records.checked(self.training_record, TrainingRecord, record).made
        if recorded is not None:
            made.require_same_config(recorded, self.model, self.config, edited)

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
            if files.is_there(self.training_record):
                raise UserError(
                    f"{self.model} is missing: restore it, or the same digitline train command "
                    "again makes it of the last checkpoint"
                )
            raise UserError(
                f"the run in {self.workdir} is not finished: the same digitline train command "
                "again resumes it"
            )

    def load_config(self) -> RunConfig:
        """The configuration in `config.json`.

        Raises:
          UserError: there is none, or it is damaged, or not one of ours.
        """
        config = self.recorded()
        try:
            return RunConfig.from_config(config)
        except DataError as error:
            raise DataError(f"{self.config}: {error}; {_CONFIG}") from None

    def recorded(self, whole: bool = True) -> JsonObject:
        """The content of `config.json`.

        Args:
          whole: refuses one that was edited.

        Raises:
          UserError: there is none, or it is damaged.
        """
        if not files.is_there(self.config):
            raise catalog.no_run(self.workdir)
        return records.read_object(self.config, _CONFIG, "" if whole else None, catalog.RUN_FREE)

    def _id(self) -> str:
        """Of the run, for what is recorded of it."""
        return self.load_config().id


def default_folders(dataset: str, model: str) -> tuple[Run, Run]:
    """Where a run goes that no folder is named for: `runs/<dataset>/<model>`.

    Returns:
      That, and `runs/<model>`, where the last release began runs on all datasets.
    """
    # A dataset may be named by a path.
    names = (part for part in Path(dataset).parts if part not in (".", "..", "/"))
    return Run(catalog.RUNS.joinpath(*names, model)), Run(catalog.RUNS / model)
