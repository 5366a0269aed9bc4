"""The report at the end of a training; one that a kill prevented is made by the same command."""

import shlex

from ...base import progress
from ...base.command import command_line
from ...base.errors import first_line
from ...base.tf import keras
from ...data.dataset import Split
from ...data.pipeline import salvage
from ..evaluation.metrics import Evaluation
from ..run.folder import Run
from . import boards
from .facts import of_run, with_result
from .write import PAGE, write


def discard(run: Run) -> None:
    """Deletes the report of what the run was before: one that is there is of the finished run."""
    for path in (run.workdir / PAGE, boards.seal(run)):
        path.unlink(missing_ok=True)


def after_training(
    run: Run,
    model: keras.Model,
    train: Split,
    validation: Split,
    evaluation: Evaluation | None,
    tensorboard: bool = False,
) -> None:
    """Writes it, and never fails for it: it says where, or why not.

    Args:
      train: what it was trained on.
      validation: what it was validated on.
      evaluation: its figures there; None to find them.
      tensorboard: whether TensorBoard gets its part too.
    """
    missing, again = "report", command_line("report", f"--workdir={run.workdir}")
    try:
        facts = with_result(of_run(run), model, train, validation, evaluation, quick=True)
        progress.say(f"report: {write(facts).page}")
        if tensorboard:
            missing, again = "picture for TensorBoard", f"{again} --tensorboard"
            board = boards.write(facts, validation)
            progress.say(f"pictures: {shlex.join(['tensorboard', f'--logdir={board}'])}")
    except Exception as error:  # Whatever it is, the run is trained and kept.
        progress.say(
            f"note: there is no {missing}, {type(error).__name__}: {first_line(error)}; "
            f"{again} tries again"
        )


def make_up(
    run: Run, train: Split, validation: Split, max_corrupt: int, tensorboard: bool = False
) -> None:
    """Writes the report of a finished run that has none, as `after_training` does."""
    if (run.workdir / PAGE).exists() and (boards.seal(run).exists() or not tensorboard):
        return
    progress.say(f"{run.workdir} has no report: writing it")
    _, model = run.load()
    with salvage.sound([train, validation], max_corrupt) as ((train, validation), _):
        after_training(run, model, train, validation, None, tensorboard)
