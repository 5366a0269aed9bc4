"""What the validations of a run have found so far: the best weights, and the lowest loss."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...base import progress
from ...base.errors import UserError
from ...base.tf import tf
from ..evaluation.metrics import Evaluation
from .checkpoints import Checkpoints


class Validations:
    """The best validation, whose weights are kept on disk, and the one of the lowest loss.

    The best has the highest accuracy; of equal ones, the lowest loss. It is
    remembered by its own checkpoint, the lowest loss by the run's.

    Args:
      folder: of the run's checkpoints.
      variables: of the model that is validated.
      record: what `record` gave for the checkpoint that the run goes on from, if any.

    Attributes:
      best: `step`, `validation_accuracy` and `validation_loss`, or None.
    """

    def __init__(self, folder: Path, variables: Sequence[tf.Variable], record: dict[str, Any]):
        # Two, so that a damaged newest one costs a validation and not the run.
        self._checkpoints = Checkpoints(folder, "best", 2, model=list(variables))
        self.best = _figures(self._checkpoints.record())
        self._lowest = record.get("lowest") or self.best
        self._lost = record.get("best_step") if self.best is None else None
        if self._lost is not None:
            progress.say(
                f"the best weights so far, of step {self._lost:,}, are lost: the best from here on "
                "count"
            )

    def record(self) -> dict[str, Any]:
        """What the run's checkpoint has to remember, as JSON can hold it."""
        return {"lowest": self._lowest, "best_step": self.best["step"] if self.best else None}

    def add(self, step: int, figures: Evaluation) -> None:
        """Takes in a validation, and saves the weights if they are the best."""
        found = {
            "step": step,
            "validation_accuracy": figures.accuracy,
            "validation_loss": figures.loss,
        }
        lowest, best = self._lowest, self.best
        if lowest is None or figures.loss < lowest["validation_loss"]:
            self._lowest = found
        if best is None or _score(found) > _score(best):
            self.best = found
            self._checkpoints.save(step, found)

    def since_lowest(self, step: int) -> int:
        """Steps since the lowest validation loss; 0 if there was no validation."""
        return step - self._lowest["step"] if self._lowest else 0

    def restore_best(self) -> None:
        """Puts the best weights into the model, if there was a validation.

        Raises:
          UserError: they are damaged, and there are no others.
        """
        if self.best is None and self._lost is None:
            return
        self.best = _figures(self._checkpoints.restore())
        if self.best is None:
            raise UserError(
                f"the best weights, of step {self._lost:,}, are lost, and the run has ended; start "
                "anew with --overwrite"
            )


def _score(found: dict[str, Any]) -> tuple[float, float]:
    return found["validation_accuracy"], -found["validation_loss"]


def _figures(record: dict[str, Any] | None) -> dict[str, Any] | None:
    if record is None:
        return None
    return {key: record[key] for key in ("step", "validation_accuracy", "validation_loss")}
