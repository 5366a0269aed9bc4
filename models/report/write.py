"""Writes the report of a run: report.html and the figures beside it."""

import dataclasses
import re
from pathlib import Path
from typing import Any

from ...base import command, files, progress
from ...base.errors import first_line
from ...base.tf import keras
from ...data.dataset import Split
from ..evaluation.metrics import Evaluation
from ..run import Run
from . import drawn as report_drawn
from . import facts as report_facts
from . import page as report_page
from .facts import Facts
from .tensorboard import boards as report_boards

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
    """Writes everything; what an earlier report drew and this one does not is deleted."""
    drawn = report_drawn.of_run(facts)
    folder = facts.run.workdir / FIGURES
    paths = []
    for name, canvas in drawn.items():
        for path, content in (
            (folder / f"{name}.svg", canvas.svg().encode()),
            (folder / f"{name}.png", canvas.png()),
        ):
            # Not flushed to disk one by one, as what cannot be made again is: that takes time.
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            paths.append(path)
    for path in set(folder.glob("*")) - set(paths):
        if _OURS.fullmatch(path.name):
            path.unlink()
    page = facts.run.workdir / PAGE
    files.write_text(page, report_page.page(facts, drawn))
    return Written(page, tuple(paths))


def after_training(
    run: Run,
    model: keras.Model,
    train: Split,
    validation: Split,
    evaluation: Evaluation,
    tensorboard: bool = False,
) -> None:
    """The report at the end of a training, which never fails for it: it tells where, or why not.

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
        facts = report_facts.of_run(run)
        facts = report_facts.looked_at(facts, model, train, validation, evaluation, quick=True)
        progress.say(f"report: {write(facts).page}")
        if tensorboard:
            missing, again = "picture for TensorBoard", f"{again} --tensorboard"
            board = report_boards.write(facts, validation)
            progress.say(f"pictures: tensorboard --logdir={board}")
    except Exception as error:  # Whatever it is, the run is trained and kept.
        progress.say(
            f"note: there is no {missing}, {type(error).__name__}: {first_line(error)}; "
            f"{again} tries again"
        )


def figures(facts: Facts) -> dict[str, Any]:
    """The figures of the result as JSON can hold them."""
    if facts.result is None:
        return {}
    result = facts.result
    return {
        "split": result.split,
        **result.evaluation.to_json(),
        "misclassified": [
            {
                "index": each.index,
                "label": each.label,
                "predicted": each.predicted,
                "confidence": each.confidence,
            }
            for each in result.mistakes
        ],
    }
