"""Writes the report of a run: report.html and the figures beside it."""

import dataclasses
import re
from pathlib import Path

from ...base import command, files, progress
from ...base.errors import first_line
from ...base.tf import keras
from ...data.dataset import Split
from ..evaluation.metrics import Evaluation
from ..run.folder import Run
from . import boards, page, run_figures
from .facts import Facts, of_run, with_result

PAGE, FIGURES = "report.html", "figures"
# Figures that some report has; the folder may hold others' files.
_OURS = re.compile(
    r"(labels-(training|evaluated)|samples|seen|loss|accuracy|learning_rate|images_per_s"
    r"|confusion(-rates)?|calibration|mistakes|(kernels|activations)-\d+)\.(png|svg)"
)


@dataclasses.dataclass(frozen=True)
class Written:
    """The paths of the page and of the figures."""

    page: Path
    figures: tuple[Path, ...]


def write(facts: Facts) -> Written:
    """Writes everything; what only an earlier report drew is deleted."""
    drawn = run_figures.of_run(facts)
    folder = facts.run.workdir / FIGURES
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, chart in drawn.items():
        for suffix, content in (("svg", chart.svg().encode()), ("png", chart.png())):
            paths.append(folder / f"{name}.{suffix}")
            # Not flushed to disk one by one, which takes its time: they can be drawn again.
            paths[-1].write_bytes(content)
    for path in set(folder.glob("*")) - set(paths):
        if _OURS.fullmatch(path.name):
            path.unlink()
    report = facts.run.workdir / PAGE
    files.write_text(report, page.report(facts, drawn))
    return Written(report, tuple(paths))


def after_training(
    run: Run,
    model: keras.Model,
    train: Split,
    validation: Split,
    evaluation: Evaluation,
    tensorboard: bool = False,
) -> None:
    """The report at the end of a training, which never fails for it: it says where, or why not.

    Args:
      run: the folder of a finished run.
      model: what was trained.
      train: what it was trained on.
      validation: what it was validated on.
      evaluation: its figures there.
      tensorboard: whether TensorBoard gets its part too.
    """
    missing, again = "report", f"{command.program()} report --workdir={run.workdir}"
    try:
        facts = with_result(of_run(run), model, train, validation, evaluation, quick=True)
        progress.say(f"report: {write(facts).page}")
        if tensorboard:
            missing, again = "picture for TensorBoard", f"{again} --tensorboard"
            board = boards.write(facts, validation)
            progress.say(f"pictures: tensorboard --logdir={board}")
    except Exception as error:  # Whatever it is, the run is trained and kept.
        progress.say(
            f"note: there is no {missing}, {type(error).__name__}: {first_line(error)}; "
            f"{again} tries again"
        )
