"""What the validations of a run have found so far: the best weights, and the lowest loss."""

from collections.abc import Sequence
from pathlib import Path

from ...base import configs, progress
from ...base.errors import UserError
from ...base.files import JsonObject
from ...base.tf import tf
from ..evaluation.metrics import Evaluation
from ..run.records import Validation
from .checkpoints import Checkpoints


class Validations:
    """The best validation, whose weights are kept on disk, and the one of the lowest loss.

    The best has the highest accuracy; of equal ones, the lowest loss. It is
    remembered by its own checkpoint, the lowest loss by the run's.

    Args:
      folder: of the run's checkpoints.
      variables: of the model that is validated.
      record: what `record` gave for the checkpoint that the run goes on from, if any.
      run: its id.
    """

    def __init__(
        self, folder: Path, variables: Sequence[tf.Variable], record: JsonObject, run: str = ""
    ):
        # Two, so that a damaged newest one costs a validation and not the run.
        self._checkpoints = Checkpoints(folder, "best", 2, run, model=list(variables))
        self.best = _validation(self._checkpoints.record())
        self._lowest = _validation(record.get("lowest")) or self.best
        self._lost = record.get("best_step") if self.best is None else None
        if self._lost is not None:
            progress.say(
                f"the best weights so far, of step {self._lost:,}, are lost: the best "
                "from here on count"
            )

    def record(self) -> JsonObject:
        """What the run's checkpoint has to remember."""
        return {
            "lowest": configs.to_config(self._lowest) if self._lowest else None,
            "best_step": self.best.step if self.best else None,
        }

    def add(self, step: int, evaluation: Evaluation) -> None:
        """Takes in a validation, and saves the weights if they are the best."""
        validation = Validation(step, evaluation.accuracy, evaluation.loss)
        if self._lowest is None or validation.validation_loss < self._lowest.validation_loss:
            self._lowest = validation
        if self.best is None or _score(validation) > _score(self.best):
            self.best = validation
            self._checkpoints.save(step, configs.to_config(validation))

    def since_lowest(self, step: int) -> int:
        """Steps since the lowest validation loss; 0 if there was no validation."""
        return step - self._lowest.step if self._lowest else 0

    def restore_best(self) -> None:
        """Puts the best weights into the model, if there was a validation.

        Raises:
          UserError: they are damaged, and there are no others.
        """
        if self.best is None and self._lost is None:
            return
        self.best = _validation(self._checkpoints.restore())
        if self.best is None:
            raise UserError(
                f"the best weights, of step {self._lost:,}, are lost, and the run has ended; train "
                "again with --overwrite"
            )


def _score(validation: Validation) -> tuple[float, float]:
    return validation.validation_accuracy, -validation.validation_loss


def _validation(record: JsonObject | None) -> Validation | None:
    """The validation in a checkpoint's record, which holds more."""
    if record is None:
        return None
    return configs.from_config(Validation, record, in_part=True)
