"""What a worker that is not the chief does: the steps that the chief says, on its own rows.

It needs no run folder and decides nothing. What the run is, where it stands, when it ends and what
came of it, it hears from the chief.
"""

import contextlib
import dataclasses
import json
import math
from pathlib import Path

from ....base import progress
from ....base.errors import DataError, UserError
from ....base.process import temporary
from ....data.dataset import open_dataset
from ... import registry
from ...run.config import DatasetConfig, RunConfig
from ..interrupts import Interrupts, Stopped
from ..options import TrainOptions
from ..plan import Plan
from ..selection import Selection, select
from ..stages import Stages
from ..state import new_variables
from .strategy import Devices


def assist(options: TrainOptions, devices: Devices) -> str:
    """Helps the chief to train a run to its end.

    Returns:
      What the chief says of the result.

    Raises:
      Stopped: a signal came to one of the workers.
      UserError: another worker is gone, or the data here are damaged or others than the chief's.
    """
    text = devices.workers.text_of_chief()
    if text:  # Else the run is finished already.
        config = RunConfig.from_config(json.loads(text))
        selection = _selection(options, config.dataset)
        with temporary.folder() as place:
            size = config.recipe.batch_size
            selection, _ = selection.usable(options, size, place / "salvaged")
            _do_steps(config, selection, options, devices, place)
    return devices.workers.text_of_chief()


def _selection(options: TrainOptions, chosen: DatasetConfig) -> Selection:
    """What the chief has chosen to train on, as it lies here.

    Raises:
      DataError: it is not the same here.
    """
    dataset = open_dataset(options.data_dir, chosen.name)
    selection = select(options, dataset, chosen)
    if selection.config != chosen:
        raise DataError(
            f"{dataset.directory} is not what the chief trains on: the data, or the flags of the "
            "two workers, are others; every worker is to see the same data and have the same flags"
        )
    return selection


def _do_steps(
    config: RunConfig,
    selection: Selection,
    options: TrainOptions,
    devices: Devices,
    folder: Path,
) -> None:
    workers, splits = devices.workers, selection.trained_on
    examples = sum(split.examples for split in splits)
    is_pretrained = registry.is_pretrained(config.model)
    plan = Plan(config.recipe, options.settings, examples, is_pretrained)
    variables = new_variables(config, plan, devices.strategy)
    variables.take_over(workers)
    variables.networks.catch_up()
    step = int(variables.step)
    settings = options.settings
    if settings.cache_dir is None:
        # Not the folder itself: it is locked already, and a cache's is locked to write in it.
        settings = dataclasses.replace(settings, cache_dir=folder / "cache")
    stages = Stages(config, plan, splits, settings, devices, variables, step)
    progress.say(f"device   {devices.describe(config.recipe.batch_size)}")
    with contextlib.closing(stages), Interrupts() as interrupts:
        while (orders := workers.agree_on(0, interrupts, stages.ready)).steps:
            figures = stages.do(step, orders.steps)
            step += int(figures.steps)
            if not math.isfinite(float(figures.loss)):
                raise UserError(f"the loss is not finite at step {step:,}: the chief says more")
        if orders.stopped and interrupts.number:
            raise Stopped(
                f"{interrupts.name} at step {step:,} of {plan.total_steps:,}: the chief saves the "
                "state; the same command on all workers resumes there",
                interrupts.number,
            )
