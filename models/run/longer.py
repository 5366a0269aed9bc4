"""A run that goes on for longer than it was begun for: more epochs, or more steps."""

import dataclasses
from pathlib import Path

from ...base.errors import UsageError
from ..recipe import Recipe
from .config import Extension, RunConfig, differences


@dataclasses.dataclass(frozen=True)
class Longer:
    """The configuration of a longer run, and what is to be said of how it goes on."""

    config: RunConfig
    notes: list[str]


@dataclasses.dataclass(frozen=True)
class Reached:
    """Where a run is: the `step` of its newest checkpoint, 0 if there is none, in a `folder`."""

    folder: Path
    step: int


def lengthened(
    there: RunConfig, here: RunConfig, examples: int, reached: Reached, extend: bool
) -> Longer | None:
    """The run that is there, made as long as the one that is wanted; it remembers the shorter one.

    Args:
      there: the run that is there.
      here: the run that is wanted.
      examples: in an epoch.
      reached: by the run that is there.
      extend: whether its schedule may be stretched.

    Returns:
      None where they are one run: it ends at the same step, whichever limit that is.

    Raises:
      UsageError: it is another run, or a shorter one, or the learning rate would depend on when
        it was made longer.
    """
    same_length = {"epochs": there.recipe.epochs, "max_steps": there.recipe.max_steps}
    same = dataclasses.replace(here, recipe=dataclasses.replace(here.recipe, **same_length))
    if different := differences(there, same):
        raise UsageError(
            f"{reached.folder} holds another run ({'; '.join(different)}): choose another "
            "--workdir, or add --overwrite to delete that run"
        )
    first, last = there.recipe.total_steps(examples), here.recipe.total_steps(examples)
    if first == last:
        return None
    before = f"{_length(there.recipe, here.recipe)} ({first:,} steps)"
    after = f"{_length(here.recipe, there.recipe)} ({last:,} steps)"
    if last < first:
        raise UsageError(
            f"{reached.folder} holds this run with {before}, and it is not made shorter: choose "
            f"another --workdir for {after}, or add --overwrite to delete that run"
        )
    if not reached.step:  # Nothing is trained yet, or all checkpoints are gone: `reopen` refuses.
        return Longer(here, [])
    stretched = here.recipe.depends_on_length
    if stretched and not extend:
        warmup = f", warm-up {here.recipe.warmup:g}" if here.recipe.warmup else ""
        raise UsageError(
            f"{reached.folder} holds this run with {before}, and its schedule "
            f"({here.recipe.schedule}{warmup}) depends on the length: --extend goes on from step "
            f"{reached.step:,} with the learning rate of {after}; --overwrite begins anew"
        )
    how = f"; the schedule is stretched: from here on the learning rate is that of {after}"
    said = f"{reached.folder} goes on from step {reached.step:,}: {after}, no longer {before}"
    past = Extension(reached.step, there.recipe.epochs, there.recipe.max_steps)
    config = dataclasses.replace(here, extended=(*there.extended, past))
    return Longer(config, [said + how * stretched])


def _length(recipe: Recipe, other: Recipe) -> str:
    """The flags of its length that differ from another's."""
    flags = []
    if recipe.epochs != other.epochs:
        flags.append(f"--epochs={recipe.epochs:g}")
    if recipe.max_steps != other.max_steps and (recipe.max_steps or not flags):
        flags.append(f"--max_steps={recipe.max_steps}")
    return " ".join(flags)
