"""Writes the report of a run: report.html and the figures beside it."""

import dataclasses
import re
from pathlib import Path

from ...base import configs, files
from . import page, run_figures, text
from .facts import Facts

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
