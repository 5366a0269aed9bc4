"""What a run tells while it goes on: `metrics.jsonl`, TensorBoard, standard error."""

from pathlib import Path
from typing import Any

from ...base import progress
from ...base.errors import UsageError
from ...base.tf import tf
from ..recipe import Recipe
from ..run import Run
from .steps import StepFigures


class Tally:
    """Figures of the steps since the last row."""

    def __init__(self) -> None:
        self._steps, self._loss, self._accuracy, self._seconds = 0, 0.0, 0.0, 0.0
        self._gradient_norm = 0.0

    def add(self, found: StepFigures, seconds: float) -> None:
        """Counts the steps of a call."""
        self._steps += int(found.steps)
        self._loss += float(found.loss)
        self._accuracy += float(found.accuracy)
        self._gradient_norm = float(found.gradient_norm)
        self._seconds += seconds

    def figures(self, batch_size: int) -> dict[str, float]:
        """Means over the steps; of the gradients' norm, the last."""
        return {
            "loss": self._loss / self._steps,
            "accuracy": self._accuracy / self._steps,
            "gradient_norm": self._gradient_norm,
            "images_per_s": self._steps * batch_size / max(self._seconds, 1e-9),
        }

    def note(self) -> str:
        """For the progress bar."""
        loss, accuracy = self._loss / self._steps, self._accuracy / self._steps
        return f"loss {loss:.4f}, accuracy {accuracy:.2%}"


class Journal:
    """Writes the rows of a run.

    Args:
      run: whose `metrics.jsonl`.
      recipe: for the text.
      tensorboard: whether to write scalars for TensorBoard too, into `<workdir>/tensorboard`.

    Raises:
      UsageError: TensorBoard is not installed.
    """

    def __init__(self, run: Run, recipe: Recipe, tensorboard: bool):
        self._run, self._recipe = run, recipe
        self._writer = tf.summary.create_file_writer(str(board(run))) if tensorboard else None

    def write(self, row: dict[str, Any]) -> None:
        """Writes a row: `step` and its figures."""
        self._run.log_metrics(row)
        if self._writer is not None:
            with self._writer.as_default(step=row["step"]):
                for name, value in row.items():
                    if name != "step":
                        tf.summary.scalar(name, value)
            self._writer.flush()
        if "validation_loss" in row:
            progress.say(_line(row, self._recipe))


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
    return run.workdir / "tensorboard"


def _line(row: dict[str, Any], recipe: Recipe) -> str:
    return (
        f"epoch {row['epoch']:.2f} of {recipe.epochs:g}: loss {row['loss']:.4f}, "
        f"accuracy {row['accuracy']:.2%}, validation loss {row['validation_loss']:.4f}, "
        f"validation accuracy {row['validation_accuracy']:.2%}, "
        f"{row['images_per_s']:,.0f} images/s"
    )
