"""A run that goes on for longer than it was begun for: more epochs, or more steps."""

import dataclasses
import math

from ...base import progress
from ...base.errors import UsageError
from ..recipe import Recipe
from .config import Extension, RunConfig, differences


def is_longer(there: RunConfig, here: RunConfig) -> bool:
    """Whether `here` is the run that is there, but for more epochs or steps."""
    before, after = there.recipe, here.recipe
    same = dataclasses.replace(after, epochs=before.epochs, max_steps=before.max_steps)
    if differences(there, dataclasses.replace(here, recipe=same)):
        return False
    first, second = ((recipe.epochs, recipe.max_steps or math.inf) for recipe in (before, after))
    return first != second and first[0] <= second[0] and first[1] <= second[1]


def extended(
    there: RunConfig, here: RunConfig, step: int, extend: bool, folder: object
) -> RunConfig:
    """The configuration of the longer run, which remembers the shorter one; says how it goes on.

    Args:
      there, here: for which `is_longer` holds.
      step: that the run has reached.
      extend: whether the schedule may be stretched.
      folder: of the run, for messages.

    Raises:
      UsageError: the learning rate would depend on when the run was made longer.
    """
    before, after = _length(there.recipe, here.recipe), _length(here.recipe, there.recipe)
    if not step:  # Nothing is trained yet, or all checkpoints are gone, which `reopen` refuses.
        return here
    stretched = here.recipe.depends_on_length
    if stretched and not extend:
        warmup = f", warm-up {here.recipe.warmup:g}" if here.recipe.warmup else ""
        raise UsageError(
            f"{folder} holds this run with {before}, and its schedule ({here.recipe.schedule}"
            f"{warmup}) depends on the length: --extend goes on from step {step:,} with the "
            f"learning rate of {after}; --overwrite begins anew"
        )
    how = f"; the schedule is stretched: from here on the learning rate is that of {after}"
    progress.say(
        f"{folder} goes on from step {step:,}: {after}, no longer {before}{how * stretched}"
    )
    past = Extension(step, there.recipe.epochs, there.recipe.max_steps)
    return dataclasses.replace(here, extended=(*there.extended, past))


def _length(recipe: Recipe, other: Recipe) -> str:
    """The flags of its length that differ from another's."""
    flags = []
    if recipe.epochs != other.epochs:
        flags.append(f"--epochs={recipe.epochs:g}")
    if recipe.max_steps != other.max_steps:
        flags.append(f"--max_steps={recipe.max_steps}")
    return " ".join(flags)
