"""What a run reports while it trains: `metrics.jsonl`, TensorBoard, standard error."""

import dataclasses
from pathlib import Path

from ...base import progress
from ...base.errors import UsageError
from ...base.tables import short
from ...base.tf import tf
from .. import registry
from ..recipe import Recipe
from ..run.config import RunConfig
from ..run.folder import Run
from ..run.records import MetricsRow
from .devices.strategy import Devices
from .plan import Plan
from .selection import Selection
from .steps import StepFigures

# The folder in a run's that TensorBoard reads.
BOARD = "tensorboard"


class Tally:
    """Means over the steps since the last row, and the gradient norm of the last step."""

    def __init__(self) -> None:
        self._steps, self._loss, self._accuracy, self._seconds = 0, 0.0, 0.0, 0.0
        self.gradient_norm = 0.0

    def add(self, figures: StepFigures, seconds: float) -> None:
        """Counts the steps of a call."""
        self._steps += int(figures.steps)
        self._loss += float(figures.loss)
        self._accuracy += float(figures.accuracy)
        self.gradient_norm = float(figures.gradient_norm)
        self._seconds += seconds

    @property
    def loss(self) -> float:
        return self._loss / self._steps

    @property
    def accuracy(self) -> float:
        return self._accuracy / self._steps

    @property
    def steps_per_s(self) -> float:
        return self._steps / max(self._seconds, 1e-9)


class MetricsLog:
    """Writes the rows of a run, for TensorBoard too if it is wanted.

    Raises:
      UsageError: TensorBoard is not installed.
    """

    def __init__(self, run: Run, recipe: Recipe, tensorboard: bool):
        self._run, self._recipe = run, recipe
        self._writer = tf.summary.create_file_writer(str(board(run))) if tensorboard else None

    def write(self, row: MetricsRow) -> None:
        """Writes a row; one with a validation is shown too."""
        self._run.metrics_log.append(row)
        if self._writer is not None:
            with self._writer.as_default(step=row.step):
                for name, value in row.to_config().items():
                    if name != "step":
                        tf.summary.scalar(name, value)
            self._writer.flush()
        if row.validation_loss is not None:
            # The last step may end a little after the last epoch does.
            epochs = self._recipe.all_epochs
            epoch = min(row.epoch, epochs)
            progress.say(
                f"epoch {epoch:.2f} of {epochs:g}: loss {row.loss:.4f}, "
                f"accuracy {row.accuracy:.2%}, validation loss {row.validation_loss:.4f}, "
                f"validation accuracy {row.validation_accuracy:.2%}, "
                f"{row.images_per_s:,.0f} images/s"
            )


def say_header(
    config: RunConfig, selection: Selection, plan: Plan, parameters: int, devices: Devices
) -> None:
    """Says what is trained on what, before the first step."""
    training, validation = selection.training, selection.validation
    names, prepared = ", ".join(config.label_names), config.preprocess
    mixed = "".join(f", {split.examples:,} of {split.dataset.name}" for split in selection.mixed)
    shape, network_input = (
        "x".join(map(str, size)) for size in (prepared.image_shape, prepared.output_shape)
    )
    how = f", {prepared.resizing} to {network_input}" if shape != network_input else ""
    recipe, own = config.recipe, registry.get(config.model).RECIPES[config.recipe_name]
    changes = [
        f"{field.name}={getattr(recipe, field.name)}"
        for field in dataclasses.fields(recipe)
        if getattr(recipe, field.name) != getattr(own, field.name)
    ]
    changed = f", with {' '.join(changes)}" if changes else ""
    lines = {
        "data": f"{config.dataset.name} {config.dataset.version}: {training.examples:,} images of "
        f"{training.name}{mixed}, {validation.examples:,} of {validation.name} to validate",
        "classes": f"{len(config.label_names):,}: {short(names, 80)}",
        "images": f"{shape}{how}",
        "network": f"{config.model}, {parameters:,} parameters",
        "recipe": f"{config.recipe_name}{changed}",
        "steps": f"{plan.total_steps:,} of {recipe.batch_size} images, {recipe.all_epochs:g} epochs"
        + _of_stages(plan),
        "device": devices.describe(recipe.batch_size),
    }
    progress.say("\n".join(f"{name:<9}{line}" for name, line in lines.items()))


def _of_stages(plan: Plan) -> str:
    """What is trained in which steps, where that is not all in all."""
    first, *rest = plan.stages
    if not first.on_features:
        return ""
    views = f", {plan.recipe.views} views of each image" if plan.recipe.views > 1 else ""
    head = f"the head on features of the pretrained body{views}"
    return f": {head}" + (f"; from step {first.end:,} on the whole network" if rest else "")


def board(run: Run) -> Path:
    """The folder that TensorBoard reads.

    Raises:
      UsageError: TensorBoard is not installed.
    """
    try:
        import tensorboard  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise UsageError(
            "--tensorboard needs TensorBoard: pip install 'digitline[tensorboard]'"
        ) from None
    return run.workdir / BOARD
