"""When a run logs, validates and ends, and what it trains: functions of the step."""

import dataclasses
import functools
import math

from ..recipe import Recipe
from .options import Settings

# Steps between two validations: an epoch of a few images is over at once.
_LEAST_INTERVAL = 10


@dataclasses.dataclass(frozen=True)
class Stage:
    """Steps from `first` up to `end`, which is the next stage's first.

    Attributes:
      recipe: with the learning rate of the stage.
      on_features: whether only the head is trained, on the features of a frozen body.
    """

    first: int
    end: int
    recipe: Recipe
    on_features: bool = False


@dataclasses.dataclass(frozen=True)
class Plan:
    """The steps of a run, with this many examples in an epoch.

    Attributes:
      is_pretrained: whether the network's body is trained already.
    """

    recipe: Recipe
    settings: Settings
    examples: int
    is_pretrained: bool = False

    @functools.cached_property
    def stages(self) -> tuple[Stage, ...]:
        """One; of a pretrained network that is trained as a whole too, two."""
        recipe, total = self.recipe, self.total_steps
        if not self.is_pretrained:
            return (Stage(0, total, recipe),)
        end = recipe.head_steps(self.examples)
        head = Stage(0, end, recipe, on_features=True)
        if end == total:
            return (head,)
        slow = dataclasses.replace(recipe, learning_rate=recipe.fine_tune_learning_rate)
        return head, Stage(end, total, slow)

    def stage(self, step: int) -> Stage:
        """The one that a step belongs to; of the end, the last."""
        return next((stage for stage in self.stages if step < stage.end), self.stages[-1])

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.recipe.total_steps(self.examples)

    @property
    def selects_best(self) -> bool:
        """Whether the run ends with the weights of its best validation."""
        return self.recipe.select == "best" or bool(self.recipe.patience)

    @property
    def last_step_ends_by(self) -> str:
        """Which limit the last step is."""
        return "max_steps" if self.total_steps == self.recipe.max_steps else "epochs"

    def epoch(self, step: int) -> float:
        """Passes over the training images after this many steps."""
        return step * self.recipe.batch_size / self.examples

    def next_stop(self, step: int) -> int:
        """The first step after `step` that is logged or validated, or the last of its stage."""
        next_log = (step // self.settings.log_steps + 1) * self.settings.log_steps
        return min(next_log, self.next_validation(step), self.stage(step).end)

    def stops_at(self, step: int) -> bool:
        """Whether the step is logged."""
        return self.next_stop(step - 1) == step

    def validates_at(self, step: int) -> bool:
        """Whether the step is validated: each interval's last one, and each stage's."""
        ends = (stage.end for stage in self.stages)
        return step in (self.next_validation(step - 1), *ends)

    def next_validation(self, step: int) -> int:
        """The first step after `step` that reaches the last image of an interval."""
        epochs = self.settings.validation_epochs
        steps = self._steps(epochs) if epochs else max(self._steps(1.0), _LEAST_INTERVAL)
        number = int(step / steps)
        while math.ceil(number * steps) <= step:
            number += 1
        return math.ceil(number * steps)

    def patience_ends(self, step: int, steps_without_gain: int) -> bool:
        """Whether the validation at this step is one too many without a lower loss.

        Never before the last stage: the run would end without it.
        """
        if step <= self.stages[-1].first:
            return False
        patience = self._steps(self.recipe.patience)
        is_interval = self.next_validation(step - 1) == step
        # Epochs are not whole numbers of steps: one step of leeway.
        return bool(patience) and is_interval and steps_without_gain > patience - 1

    def _steps(self, epochs: float) -> float:
        return epochs * self.examples / self.recipe.batch_size
