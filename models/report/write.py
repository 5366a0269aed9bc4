"""Writes the report of a run: report.html and the figures beside it, also after a training."""

import dataclasses
import re
import shlex
from pathlib import Path

from ...base import configs, files, progress, refused
from ...base.command import command_line
from ...base.errors import first_line
from ...base.tf import keras
from ...data.dataset import Split
from ...data.pipeline import salvage
from ..evaluation.metrics import Evaluation
from ..run.folder import Run
from . import boards, page, run_figures, text
from .facts import Facts, of_run, with_result

PAGE, FIGURES = "report.html", "figures"
# Figures that some report has; the folder may hold others' files.
_OURS = re.compile(
    r"(labels-(training|evaluated)|samples|seen|loss|accuracy|learning_rate|images_per_s"
    r"|confusion(-rates)?|calibration|mistakes|(kernels|activations|corruptions)-\d+)\.(png|svg)"
)


@dataclasses.dataclass(frozen=True)
class RunReport:
    """The report of a run: what it says, and the paths of what was written."""

    facts: Facts
    page: Path
    figures: tuple[Path, ...]
    board: Path | None

    def to_json(self) -> files.JsonObject:
        facts, result = self.facts, self.facts.result
        evaluated = {}
        if result is not None:
            evaluated = {
                "split": result.split,
                **result.evaluation.figures().to_config(),
                "misclassified": [
                    {name: value for name, value in vars(mistake).items() if name != "image"}
                    for mistake in result.mistakes
                ],
            }
        return {
            "workdir": str(facts.run.workdir),
            "model": facts.config.model,
            "dataset": facts.config.dataset.name,
            "finished": facts.record is not None,
            "report": str(self.page),
            "figures": [str(path) for path in self.figures],
            "tensorboard": self.board and str(self.board),
            "notes": list(facts.notes),
            **evaluated,
            "robustness": {
                split: configs.to_config(robustness)
                for split, robustness in facts.robustness.items()
            },
            "artifacts": [dataclasses.asdict(artifact) for artifact in facts.exports],
        }

    def text(self) -> str:
        lines = [*text.of_run(self.facts), ""]
        if self.figures:
            lines.append(f"drawn   {len(self.figures)} files in {self.figures[0].parent}")
        if self.board is not None:
            lines.append(f"boards  tensorboard --logdir={self.board}")
        return "\n".join([*lines, f"report  {self.page}"])


def write(facts: Facts, board: Path | None = None) -> RunReport:
    """Writes everything; what only an earlier report drew is deleted."""
    drawn = run_figures.of_run(facts)
    folder = facts.run.workdir / FIGURES
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, chart in drawn.items():
        for suffix, content in (("svg", chart.svg().encode()), ("png", chart.png())):
            paths.append(folder / f"{name}.{suffix}")
            # They can be drawn again.
            with files.replacing(paths[-1], durable=False) as aside:
                aside.write_bytes(content)
    for path in set(folder.glob("*")) - set(paths):
        if _OURS.fullmatch(path.name):
            path.unlink()
    report = facts.run.workdir / PAGE
    files.write_text(report, page.report(facts, drawn))
    return RunReport(facts, report, tuple(paths), board)


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
    """The report at the end of a training, which never fails for it: it says where, or why not.

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
        cause = refused.user_error(error) or f"{type(error).__name__}: {first_line(error)}"
        progress.say(f"note: there is no {missing}, {cause}; {again} tries again")


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
