"""The steps of a run, each in its stage: on the batches, and by the optimizer, of that stage."""

from collections.abc import Sequence

from ...base.tf import tf
from ...data.dataset import Split
from ...data.pipeline import served
from ..run.config import RunConfig
from .devices.strategy import Devices
from .input import naming_damage, run_batches
from .network import heads
from .options import Settings
from .plan import Plan
from .state import Variables
from .steps import StepFigures, step_function

# More steps than anybody asks for.
_ANY = 1 << 31


class Stages:
    """Does steps; what a stage needs is made when its first step comes. To be closed at the end.

    Args:
      splits: what is trained on.
      settings: with the folder of the cache.
      variables: what the steps change.
      first_step: that will be done.
    """

    def __init__(
        self,
        config: RunConfig,
        plan: Plan,
        splits: Sequence[Split],
        settings: Settings,
        devices: Devices,
        variables: Variables,
        first_step: int,
    ):
        self._config, self._plan, self._splits = config, plan, splits
        self._settings, self._devices, self._variables = settings, devices, variables
        self._ahead: served.Ahead | None = None
        self._enter(first_step)

    def ready(self) -> int:
        """For how many more steps the batches are here, where they come from afar."""
        return _ANY if self._ahead is None else self._ahead.count - self._taken

    def close(self) -> None:
        """Ends what fetches batches."""
        if self._ahead is not None:
            self._ahead.close()

    def do(self, step: int, count: int) -> StepFigures:
        """Up to `count` steps from `step` on, all in one stage.

        Raises:
          DataError: names a damaged record.
          UsageError: as `run_batches` and `step_function`.
        """
        if self._plan.stage(step) is not self._stage:
            self._enter(step)
        with naming_damage(self._splits):
            figures = self._run_steps(self._batches, tf.constant(count, tf.int64))
        self._taken += int(figures.steps)
        return figures

    def _enter(self, step: int) -> None:
        """Makes ready what the stage of a step needs."""
        self.close()
        self._stage = stage = self._plan.stage(step)
        self._ahead = served.Ahead() if self._settings.data_service else None
        self._taken = 0  # Of its batches.
        networks, trainers = self._variables.networks, self._variables.trainers
        body = heads.body_of(networks.model) if stage.on_features else None
        self._batches = run_batches(
            self._devices.strategy,
            self._config,
            self._splits,
            self._settings,
            step,
            body,
            self._ahead,
        )
        self._run_steps = step_function(
            self._devices,
            networks,
            trainers[self._plan.stages.index(stage)],
            self._plan.recipe,
            len(self._config.label_names),
            self._settings.xla,
        )
