"""When a run logs, validates and ends: functions of the step."""

import dataclasses
import math

from ..recipe import Recipe
from .options import Settings

# Steps between two validations: an epoch of a few images is over at once.
_LEAST_INTERVAL = 10


@dataclasses.dataclass(frozen=True)
class Plan:
    """The steps of a run, with this many examples in an epoch."""

    recipe: Recipe
    settings: Settings
    examples: int

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.recipe.total_steps(self.examples)

    @property
    def last_step_ends_by(self) -> str:
        """Which limit the last step is."""
        return "max_steps" if self.total_steps == self.recipe.max_steps else "epochs"

    def epoch(self, step: int) -> float:
        """Passes over the training images after this many steps."""
        return step * self.recipe.batch_size / self.examples

    def next_stop(self, step: int) -> int:
        """The first step after `step` that is logged or validated, or the last one."""
        next_log = (step // self.settings.log_steps + 1) * self.settings.log_steps
        return min(next_log, self.next_validation(step), self.total_steps)

    def stops_at(self, step: int) -> bool:
        """Whether the step is logged."""
        return self.next_stop(step - 1) == step

    def validates_at(self, step: int) -> bool:
        """Whether the step is validated: each interval's last one, and the last of all."""
        return step in (self.next_validation(step - 1), self.total_steps)

    def next_validation(self, step: int) -> int:
        """The first step after `step` that reaches the last image of an interval."""
        epochs = self.settings.validation_epochs
        steps = self._steps(epochs) if epochs else max(self._steps(1.0), _LEAST_INTERVAL)
        number = int(step / steps)
        while math.ceil(number * steps) <= step:
            number += 1
        return math.ceil(number * steps)

    def patience_ends(self, step: int, steps_without_gain: int) -> bool:
        """Whether the validation at this step is one too many without a lower loss."""
        patience = self._steps(self.recipe.patience)
        is_interval = self.next_validation(step - 1) == step
        # Epochs are not whole numbers of steps: one step of leeway.
        return bool(patience) and is_interval and steps_without_gain > patience - 1

    def _steps(self, epochs: float) -> float:
        return epochs * self.examples / self.recipe.batch_size
