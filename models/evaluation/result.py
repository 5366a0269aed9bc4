"""What an evaluation tells."""

import dataclasses
from pathlib import Path

from ...base import command
from ...base.files import JsonObject
from ..run.records import Figures

# This many misclassified images are listed.
_LISTED = 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """A model's figures on a split of a dataset.

    Attributes:
      model: the network's name, or how else the model is to be called.
      dataset, split: what it was evaluated on.
      label_names: by class number.
      figures: of the model.
      workdirs: run folders; several are an ensemble.
      single_accuracies: of the members of an ensemble, in the order of the folders.
      kind, artifact: of an exported model: `saved_model` or `tflite`, and its path.
    """

    model: str
    dataset: str
    split: str
    label_names: tuple[str, ...]
    figures: Figures
    workdirs: tuple[Path, ...] = ()
    single_accuracies: tuple[float, ...] = ()
    kind: str = ""
    artifact: Path | None = None

    def to_json(self) -> JsonObject:
        """As JSON holds it; the figures are beside the rest."""
        ensemble = len(self.workdirs) > 1
        return {
            **({"workdirs": list(map(str, self.workdirs))} if ensemble else {}),
            **({"workdir": str(self.workdirs[0])} if len(self.workdirs) == 1 else {}),
            **({self.kind: str(self.artifact)} if self.artifact else {}),
            "model": self.model,
            "dataset": self.dataset,
            "split": self.split,
            "label_names": list(self.label_names),
            **({"single_accuracies": list(self.single_accuracies)} if ensemble else {}),
            **self.figures.to_config(),
        }


def text(result: Result) -> str:
    """The result for a person."""
    from .text import class_table, confusion_matrix

    figures = result.figures
    low, high = figures.accuracy_interval_95
    lines = [
        f"{result.model} on {result.dataset} {result.split}: accuracy {figures.accuracy:.2%} "
        f"({figures.correct:,} of {figures.examples:,}; 95 % interval {low:.2%} to {high:.2%}), "
        f"loss {figures.loss:.4f}, calibration error {figures.calibration_error:.2%}",
        "",
        class_table(result.label_names, figures.by_class),
    ]
    matrix = confusion_matrix(result.label_names, figures.confusion)
    if matrix:
        lines += ["", *matrix]
    wrong = figures.misclassified
    if wrong:
        more = len(wrong) - _LISTED
        rest = f" and {more:,} more (--json)" if more > 0 else ""
        listed = ", ".join(map(str, wrong[:_LISTED]))
        lines += ["", f"misclassified, by index in {result.split}: {listed}{rest}"]
    if len(result.workdirs) == 1:
        lines += ["", f"next: {command.program()} export --workdir={result.workdirs[0]}"]
    return "\n".join(lines)
