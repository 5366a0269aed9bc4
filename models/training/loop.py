"""The training loop: some steps for each graph call, under a `tf.distribute` strategy.

A step's batch is a pure function of (seed, step), and a checkpoint holds the
weights, the optimizer and the step; so a run that is killed and resumed ends
in the same weights as one that was not. Of several workers the chief runs this loop, and the others
do the steps that it says (`devices/assist.py`).
"""

import contextlib
import dataclasses
import math
import time
from collections.abc import Sequence

from ...base import progress
from ...base.errors import UserError
from ...base.storage.writing import saved
from ...base.tf import keras, tf
from .. import registry
from ..evaluation.metrics import Evaluation
from ..run.config import RunConfig
from ..run.folder import Run
from ..run.records import MetricsRow, TrainingRecord
from .devices.strategy import Devices
from .devices.workers import Orders
from .input import Validators
from .interrupts import Interrupts, Stopped
from .metrics_log import MetricsLog, Tally, say_header
from .network.layers import PopulationStatistics
from .network.optimizer import make_schedule
from .options import Settings
from .plan import Plan
from .selection import Selection
from .stages import Stages
from .state import new_variables, restore
from .steps import StepFigures
from .watch import Watch

# A graph call is to take this long, so that a signal is heard soon; it does the number of steps
# that take as long, by the call before. Weights do not depend on how steps are cut into calls.
_CALL_S = 0.5
_FIRST_STEPS, _MOST_STEPS = 5, 1000


@dataclasses.dataclass(frozen=True)
class Trained:
    """The end of a run; the evaluation is on the validation split."""

    model: keras.Model
    evaluation: Evaluation
    record: TrainingRecord


def train(
    run: Run,
    config: RunConfig,
    selection: Selection,
    settings: Settings,
    devices: Devices,
    watch: Watch,
    notes: Sequence[str] = (),
) -> Trained:
    """Trains a run, whose folder the caller holds, to its end; from its last checkpoint if any.

    Args:
      watch: of the data.
      notes: to be said under the header.

    Raises:
      Stopped: a signal came; the state is saved.
      UserError: the loss is not finite, or the data are damaged.
    """
    with contextlib.closing(_Loop(run, config, selection, settings, devices, watch, notes)) as loop:
        return loop.train()


class _Loop:
    """A run that is going on."""

    def __init__(
        self,
        run: Run,
        config: RunConfig,
        selection: Selection,
        settings: Settings,
        devices: Devices,
        watch: Watch,
        notes: Sequence[str],
    ):
        self._run, self._splits, self._watch = run, selection.trained_on, watch
        self._metrics_log = MetricsLog(run, config.recipe, settings.tensorboard)
        examples = sum(split.examples for split in self._splits)
        self._plan = plan = Plan(
            config.recipe, settings, examples, registry.is_pretrained(config.model)
        )
        self._workers = devices.workers
        variables = new_variables(config, plan, devices.strategy)
        parameters = variables.networks.model.count_params()
        say_header(config, selection, plan, parameters, devices)
        for note in notes:
            progress.say(note)
        self._state = state = restore(run, config, plan, variables, self._workers)
        self._stages = Stages(
            config, plan, self._splits, settings, devices, variables, state.first_step
        )
        self._validators = Validators(config, selection.validation, state.networks.model, settings)
        self._statistics = PopulationStatistics(
            state.networks.model, self._splits, config.preprocess
        )
        self._step = self._saved_step = state.first_step
        self._tally = Tally()
        self._last_row: MetricsRow | None = None
        self._evaluation: Evaluation | None = None  # Of the weights as they are.
        self._calls, self._steps_per_call = 0, _FIRST_STEPS
        self._saved = time.monotonic()
        self._begun = self._saved - state.seconds  # As if there had been one session.
        # It may have been killed at its end.
        self._ended_by = self._time_is_up() or self._patience_is_over()

    def close(self) -> None:
        """Ends what fetches batches."""
        self._stages.close()

    def train(self) -> Trained:
        """Does the steps that are left."""
        total, size = self._plan.total_steps, self._plan.recipe.batch_size
        bar = progress.Progress(self._run.workdir.name, total * size, self._step * size)
        with Interrupts() as interrupts, bar:
            while (orders := self._agree(interrupts)).steps:
                figures = self._call(orders.steps)
                note = f"loss {self._tally.loss:.4f}, accuracy {self._tally.accuracy:.2%}"
                bar.advance(int(figures.steps) * size, note)
                self._ended_by = self._time_is_up()
                if self._ended_by or self._plan.stops_at(self._step):
                    self._log(figures)
                if time.monotonic() - self._saved >= self._plan.settings.checkpoint_interval_s:
                    self._save()
            if self._step > self._saved_step:
                self._save()
            if orders.stopped and interrupts.number:
                raise Stopped(
                    f"{interrupts.name} at step {self._step:,} of {total:,}: the state is saved in "
                    f"{self._run.workdir}; the same command resumes there",
                    interrupts.number,
                )
        return self._result()

    def _agree(self, interrupts: Interrupts) -> Orders:
        return self._workers.agree_on(self._steps_to_do(), interrupts, self._stages.ready)

    def _steps_to_do(self) -> int:
        """Up to the next step that is logged, and no longer than `_CALL_S`; 0 at the end."""
        if self._step >= self._plan.total_steps or self._ended_by:
            return 0
        return min(self._steps_per_call, self._plan.next_stop(self._step) - self._step)

    def _call(self, count: int) -> StepFigures:
        """Some steps."""
        begun = time.monotonic()
        figures = self._stages.do(self._step, count)
        seconds = time.monotonic() - begun
        self._step += int(figures.steps)
        self._tally.add(figures, seconds)
        self._calls += 1
        if self._calls > 1:  # The first call traces the graph too.
            wanted = int(count * _CALL_S / max(seconds, 1e-6))
            self._steps_per_call = max(1, min(wanted, 2 * self._steps_per_call, _MOST_STEPS))
        if not math.isfinite(float(figures.loss)):
            raise self._diverged("loss", float(figures.loss), figures)
        return figures

    def _log(self, figures: StepFigures) -> None:
        """Logs a row, with a validation where it is time for one; the best weights are saved."""
        self._watch.require_same()
        tally = self._tally
        row = MetricsRow(
            step=self._step,
            epoch=self._plan.epoch(self._step),
            loss=tally.loss,
            accuracy=tally.accuracy,
            gradient_norm=tally.gradient_norm,
            images_per_s=tally.steps_per_s * self._plan.recipe.batch_size,
            learning_rate=self._rate(),
            weight_norm=self._weight_norm(),
        )
        if self._ended_by or self._plan.validates_at(self._step):
            self._state.networks.catch_up()
            with self._statistics.in_place(self._step):
                evaluation = self._evaluation = self._validate()
                if not math.isfinite(evaluation.loss):  # The last step was the one too far.
                    raise self._diverged("validation loss", evaluation.loss, figures)
                self._state.validations.add(self._step, evaluation)
            row = dataclasses.replace(
                row, validation_loss=evaluation.loss, validation_accuracy=evaluation.accuracy
            )
            self._ended_by = self._ended_by or self._patience_is_over()
        self._metrics_log.write(row)
        self._last_row, self._tally = row, Tally()

    def _validate(self) -> Evaluation:
        """The evaluation of the model as it is."""
        return self._validators.after(self._plan.stage(max(self._step - 1, 0)))()

    def _rate(self) -> float:
        """The learning rate of the last step."""
        stage = self._plan.stage(self._step - 1)
        steps = stage.end - stage.first
        schedule = make_schedule(stage.recipe, steps, self._plan.examples)
        return float(schedule(self._step - 1 - stage.first)) if callable(schedule) else schedule

    def _weight_norm(self) -> float:
        variables = self._state.networks.trained.trainable_variables
        return float(tf.linalg.global_norm([variable.value for variable in variables]))

    def _seconds(self) -> float:
        return time.monotonic() - self._begun

    def _time_is_up(self) -> str:
        """`max_minutes`, if the run ends by it before its last step."""
        limit = self._plan.settings.max_minutes * 60
        is_over = limit and self._seconds() >= limit and self._step < self._plan.total_steps
        return "max_minutes" if is_over else ""

    def _patience_is_over(self) -> str:
        """`patience`, if the run ends by it."""
        steps = self._state.validations.since_lowest(self._step)
        return "patience" if self._plan.patience_ends(self._step, steps) else ""

    def _save(self) -> None:
        self._watch.require_same()  # Else weights of other data would be kept.
        self._state.save(self._step, self._seconds())
        saved(self._run.workdir)
        self._saved_step, self._saved = self._step, time.monotonic()

    def _diverged(self, name: str, loss: float, figures: StepFigures) -> UserError:
        last, before = self._last_row, ""
        if last is not None:
            norms = f"{last.gradient_norm:g} and {last.weight_norm:g}"
            before = f"; at step {last.step:,} they were {norms}"
        return UserError(
            f"the {name} is {loss} at step {self._step:,}: training diverged (norm of the "
            f"gradients {float(figures.gradient_norm):g}, of the weights {self._weight_norm():g}"
            f"{before}; learning rate {self._rate():g}); try a lower --learning_rate than "
            f"{self._plan.recipe.learning_rate:g}, or --clip_norm=1 (with --overwrite)"
        )

    def _result(self) -> Trained:
        networks, validations = self._state.networks, self._state.validations
        recipe, evaluation = self._plan.recipe, self._evaluation
        if evaluation is None:  # The run was killed after its last step.
            networks.catch_up()
        best = validations.best
        if self._plan.selects_best and (best is None or best.step != self._step):
            validations.restore_best()
            evaluation = None
        else:
            self._statistics.put(self._step)
        record = TrainingRecord(
            parameters=networks.model.count_params(),
            steps=self._step,
            resumed_from=self._state.first_step,
            seconds=self._state.seconds,
            images_per_s=self._step * recipe.batch_size / max(self._state.seconds, 1e-9),
            ended_by=self._ended_by or self._plan.last_step_ends_by,
            best=validations.best,
        )
        return Trained(networks.model, evaluation or self._validate(), record)
