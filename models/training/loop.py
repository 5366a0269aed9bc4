"""The training loop: some steps for each graph call, under a `tf.distribute` strategy.

A step's batch is a pure function of (seed, step), and a checkpoint holds the
weights, the optimizer and the step; so a run that is killed and resumed ends
in the same weights as one that was not.
"""

import dataclasses
import functools
import math
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ...base import progress
from ...base.errors import UserError
from ...base.tf import keras, tf
from ...data.dataset import Split
from ...data.pipeline import records
from ...data.pipeline.batches import evaluation_batches
from .. import registry
from ..evaluation.metrics import Evaluation, evaluator
from ..run import Run, RunConfig
from . import input as feed
from . import network
from .checkpoints import Checkpoints
from .interrupts import Interrupts, Stopped
from .metrics_log import Journal, Tally
from .optimizer import make_optimizer, make_schedule
from .pace import Pace
from .steps import StepFigures, step_function
from .validations import Validations

EVALUATION_BATCH = 500
# What damaged records can end in; running out of memory, for one, cannot.
_DATA_ERRORS = (
    tf.errors.DataLossError,
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
    tf.errors.OutOfRangeError,
)


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a run is carried out; none of it changes a step.

    When it ends, and which weights are the best, depend on the validations, and so on
    how often there is one.

    Attributes:
      log_steps: optimizer steps between two rows of `metrics.jsonl`, at most.
      validation_epochs: epochs between two validations.
      checkpoint_interval_s: seconds between two checkpoints, at least.
      keep_checkpoints: how many stay.
      max_minutes: the run ends after so many minutes of training; 0 for no limit.
      tensorboard: whether scalars are written for TensorBoard too.
      cache_dir: the folder of the cache file, if the configuration asks for one.
    """

    log_steps: int = 100
    validation_epochs: float = 1.0
    checkpoint_interval_s: float = 5.0
    keep_checkpoints: int = 2
    max_minutes: float = 0.0
    tensorboard: bool = False
    cache_dir: Path | None = None


def train(
    run: Run, config: RunConfig, splits: Sequence[Split], validation: Split, settings: Settings
) -> tuple[keras.Model, Evaluation, dict[str, Any]]:
    """Trains a run to its end, from its last checkpoint if there is one.

    Args:
      run: the folder, held by the caller.
      config: what to train.
      splits: what to train on.
      validation: what to validate on.
      settings: how it is carried out.

    Returns:
      The trained model, its figures on the validation split, and how it went:
      `steps`, `resumed_from` (the last time), `seconds`, `images_per_s` (in
      all), `ended_by`, `best` (step and figures of the best validation).

    Raises:
      Stopped: a signal came; the state is saved.
      UserError: the loss is not finite, or the data are damaged.
    """
    return _Training(run, config, splits, validation, settings).train()


class _Training:
    """A run that is going on: its state, and what is done to it."""

    def __init__(
        self,
        run: Run,
        config: RunConfig,
        splits: Sequence[Split],
        validation: Split,
        settings: Settings,
    ):
        recipe, dataset = config.recipe, validation.dataset
        self._run, self._recipe, self._splits = run, recipe, splits
        self._settings = settings
        self._journal = Journal(run, recipe, settings.tensorboard)
        self._examples = sum(split.examples for split in splits)
        self._total = recipe.total_steps(self._examples)
        strategy = feed.strategy()
        # Keras draws the seeds of initializers and dropout from Python's generator.
        # TensorFlow's global seed is left alone: tf.data would mix it into the order.
        random.seed(config.seed)
        with strategy.scope():
            self._networks = network.make(lambda: _built(config, dataset.num_classes), recipe)
            self._optimizer = make_optimizer(
                recipe, self._total, self._examples, self._networks.trained.trainable_variables
            )
        self._schedule: Any = make_schedule(recipe, self._total, self._examples)
        self._step = tf.Variable(tf.constant(0, tf.int64), trainable=False, name="step")
        self._elapsed = tf.Variable(tf.constant(0.0, tf.float64), trainable=False, name="seconds")
        # All variables by their order: tracking the model itself would leave out the
        # state of dropout's random numbers.
        self._checkpoints = Checkpoints(
            run.checkpoints,
            "ckpt",
            settings.keep_checkpoints,
            networks=self._networks.variables,
            optimizer=[variable.value for variable in self._optimizer.variables],
            step=self._step,
            seconds=self._elapsed,
        )
        record = self._checkpoints.restore() or {}
        self._first = int(self._step)
        kept = [variable.value for variable in self._networks.model.variables]
        self._validations = Validations(run.checkpoints, kept, record)
        if self._first:
            progress.say(f"resuming {run.workdir} at step {self._first:,} of {self._total:,}")
        run.rewind_metrics(self._first)
        self._iterator = feed.iterator(strategy, config, splits, settings.cache_dir, self._first)
        self._run_steps = step_function(
            strategy, self._networks, self._optimizer, recipe, dataset.num_classes
        )
        self._evaluate = evaluator(self._networks.model)
        self._read = functools.partial(validation_batches, config, validation)
        # Read once, since it is seen after every epoch; unless images are not to be held.
        self._held = list(self._read()) if config.pipeline["cache"] == "memory" else None
        self._last_row: dict[str, Any] = {}
        self._before = float(self._elapsed)
        self._start = time.monotonic()

    def train(self) -> tuple[keras.Model, Evaluation, dict[str, Any]]:
        """See the module's function."""
        at, saved_at, last_saved = self._first, self._first, time.monotonic()
        figures: Evaluation | None = None
        pace, tally = Pace(), Tally()
        size = self._recipe.batch_size
        early = self._over(at) or self._patience_ends(at)  # It was killed at its end.
        with (
            Interrupts() as interrupts,
            progress.Progress(self._run.workdir.name, self._total * size, at * size) as bar,
        ):
            while at < self._total and not early:
                next_validation = self._next_validation(at)
                stop = min(self._next_log(at), next_validation, self._total)
                count = min(pace.steps, stop - at)
                began = time.monotonic()
                found = self._call(count)
                took = time.monotonic() - began
                pace.took(count, took)
                at += int(found.steps)
                tally.add(found, took)
                if not math.isfinite(float(found.loss)):
                    raise self._diverged(at, "loss", float(found.loss), found)
                self._step.assign(at)
                bar.advance(count * size, tally.note())
                early = self._over(at)
                if at == stop or early:
                    row = self._row(at, tally)
                    if at in (next_validation, self._total) or early:
                        figures = self._validated(at, row, found)
                        early = early or self._patience_ends(at)
                    self._journal.write(row)
                    self._last_row = row
                    tally = Tally()
                if time.monotonic() - last_saved >= self._settings.checkpoint_interval_s:
                    self._save(at)
                    saved_at, last_saved = at, time.monotonic()
                if interrupts.number:
                    break
            if at > saved_at:
                self._save(at)
            if interrupts.number and at < self._total and not early:
                raise Stopped(
                    f"{interrupts.name} at step {at:,} of {self._total:,}: the state is saved in "
                    f"{self._run.workdir}, and the same command goes on from there",
                    interrupts.number,
                )
        by_steps = "max_steps" if self._total == self._recipe.max_steps else "epochs"
        return self._result(at, figures, early or by_steps)

    def _call(self, count: int) -> StepFigures:
        try:
            return self._run_steps(self._iterator, tf.constant(count, tf.int64))
        except _DATA_ERRORS as error:
            for split in self._splits:
                damage = records.diagnose(split)
                if damage:
                    raise damage from error
            raise

    def _next_log(self, at: int) -> int:
        return (at // self._settings.log_steps + 1) * self._settings.log_steps

    def _next_validation(self, at: int) -> int:
        """The first step after `at` that reaches the last image of an interval."""
        steps = self._settings.validation_epochs * self._examples / self._recipe.batch_size
        number = int(at / steps)
        while math.ceil(number * steps) <= at:
            number += 1
        return math.ceil(number * steps)

    def _row(self, at: int, tally: Tally) -> dict[str, Any]:
        return {
            "step": at,
            "epoch": at * self._recipe.batch_size / self._examples,
            **tally.figures(self._recipe.batch_size),
            "learning_rate": self._rate(at),
            "weight_norm": self._weight_norm(),
        }

    def _rate(self, at: int) -> float:
        """The learning rate of the step that led to `at`."""
        rate: Any = self._schedule(at - 1) if callable(self._schedule) else self._schedule
        return float(rate)

    def _weight_norm(self) -> float:
        weights = [each.value for each in self._networks.trained.trainable_variables]
        return float(tf.linalg.global_norm(weights))

    def _validated(self, at: int, row: dict[str, Any], found: StepFigures) -> Evaluation:
        """Validates, adds the figures to the row, and keeps the weights if they are the best."""
        self._networks.catch_up()
        figures = self._evaluated()
        if not math.isfinite(figures.loss):  # The last step was the one too far.
            raise self._diverged(at, "validation loss", figures.loss, found)
        row |= {"validation_loss": figures.loss, "validation_accuracy": figures.accuracy}
        self._validations.add(at, figures)
        return figures

    def _evaluated(self) -> Evaluation:
        return self._evaluate(self._read() if self._held is None else self._held)

    def _over(self, at: int) -> str:
        """Why the run ends before its last step, if it does."""
        limit = self._settings.max_minutes * 60
        seconds = self._before + time.monotonic() - self._start
        return "max_minutes" if limit and seconds >= limit and at < self._total else ""

    def _patience_ends(self, at: int) -> str:
        """`patience`, if the validation at this step is one too many without a lower loss."""
        patience = self._recipe.patience * self._examples / self._recipe.batch_size
        if not patience or self._next_validation(at - 1) != at:
            return ""
        # Epochs are no whole numbers of steps: one step of leeway.
        return "patience" if self._validations.since_lowest(at) > patience - 1 else ""

    def _save(self, at: int) -> None:
        self._elapsed.assign(self._before + time.monotonic() - self._start)
        self._checkpoints.save(at, self._validations.record())

    def _diverged(self, at: int, name: str, loss: float, found: StepFigures) -> UserError:
        before = ""
        if self._last_row:
            before = (
                f"; at step {self._last_row['step']:,} they were "
                f"{self._last_row['gradient_norm']:g} and {self._last_row['weight_norm']:g}"
            )
        return UserError(
            f"the {name} is {loss} at step {at:,}: training diverged (norm of the gradients "
            f"{float(found.gradient_norm):g}, of the weights {self._weight_norm():g}{before}; "
            f"learning rate {self._rate(at):g}); try a lower --learning_rate than "
            f"{self._recipe.learning_rate:g}, or --clip_norm=1 (with --overwrite)"
        )

    def _result(
        self, at: int, figures: Evaluation | None, ended_by: str
    ) -> tuple[keras.Model, Evaluation, dict[str, Any]]:
        if figures is None:  # The run was killed after its last step.
            self._networks.catch_up()
        best = self._validations.best
        keeps_best = self._recipe.keep == "best" or self._recipe.patience
        if keeps_best and (best is None or best["step"] != at):
            self._validations.restore_best()
            figures = None
        if figures is None:
            figures = self._evaluated()
        seconds = float(self._elapsed)
        went = {
            "steps": at,
            "resumed_from": self._first,
            "seconds": seconds,
            "images_per_s": at * self._recipe.batch_size / max(seconds, 1e-9),
            "ended_by": ended_by,
            "best": self._validations.best,
        }
        return self._networks.model, figures, went


def validation_batches(
    config: RunConfig, validation: Split
) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
    """What a run is validated on, preprocessed: see `evaluation_batches`."""
    return evaluation_batches(validation, config.preprocess, EVALUATION_BATCH)


def _built(config: RunConfig, num_classes: int) -> keras.Model:
    """The network, with new weights.

    Raises:
      UsageError: it cannot take images of that size.
    """
    try:
        return registry.get(config.model).build(config.preprocess.output_shape, num_classes)
    except ValueError as error:
        if "output size would be zero or negative" not in str(error):
            raise
        crop, cut = config.recipe.crop, ""
        if crop:
            seen = "x".join(map(str, config.preprocess.output_shape))
            cut = f" ({seen} after --crop={crop})"
        why = f"{cut}: they are too small, no pixel is left for one of its layers"
        shape = config.preprocess.image_shape
        raise registry.cannot_take(config.model, shape, crop, why) from error
