"""What an evaluation tells, as JSON and in a terminal."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...base import command
from ...base.files import JsonObject
from ...base.tables import short, table
from ..run.records import ClassFigures, Figures, Robustness

if TYPE_CHECKING:  # At run time it loads TensorFlow.
    from ...data.dataset import Split

# This many misclassified images are listed.
_LISTED = 20
# Wider matrices are for pages and for --json.
_WIDTH = 120
_NAME = 14
# Longer names are for the rows; columns have numbers then.
_HEAD = 5
CORRUPTIONS_HEAD = ("corruption", "strength 1", "2", "3", "4", "5", "mean")


@dataclasses.dataclass(frozen=True)
class Result:
    """A model's figures on a split of a dataset.

    Attributes:
      source: the model's path by its kind: `workdir`, `saved_model` or `tflite`; or, of an
        ensemble, `workdirs`.
      model: the network's name, or how else the model is to be called.
      data_dir: where the dataset is, if that had to be said.
      single_accuracies: of the members of an ensemble, in the order of the folders.
    """

    source: Mapping[str, str | list[str]]
    model: str
    split: "Split"
    figures: Figures
    single_accuracies: Sequence[float] = ()
    data_dir: Path | None = None

    def to_json(self) -> JsonObject:
        """As JSON holds it; the figures are beside the rest."""
        singles = {"single_accuracies": self.single_accuracies} if self.single_accuracies else {}
        return {
            **self.source,
            "model": self.model,
            "dataset": self.split.dataset.name,
            "split": self.split.name,
            "label_names": list(self.split.dataset.label_names),
            **singles,
            **self.figures.to_config(),
        }


def text(result: Result) -> str:
    """The result for a person."""
    figures, split, names = result.figures, result.split, result.split.dataset.label_names
    low, high = figures.accuracy_interval_95
    lines = [
        f"{result.model} on {split.dataset.name} {split.name}: accuracy {figures.accuracy:.2%} "
        f"({figures.correct:,} of {figures.examples:,}; 95 % interval {low:.2%} to {high:.2%}), "
        f"loss {figures.loss:.4f}, calibration error {figures.calibration_error:.2%}",
        "",
        _class_table(names, figures.by_class),
    ]
    matrix = confusion_matrix(names, figures.confusion)
    if matrix:
        lines += ["", *matrix]
    wrong = figures.misclassified
    if wrong:
        more = len(wrong) - _LISTED
        rest = f" and {more:,} more (--json)" if more > 0 else ""
        listed = ", ".join(map(str, wrong[:_LISTED]))
        lines += ["", f"misclassified, by index in {split.name}: {listed}{rest}"]
    if figures.corruptions:
        lines += ["", *_corruptions(figures.corruptions)]
    if "workdir" in result.source:
        words = [f"--workdir={result.source['workdir']}"]
        words += [f"--data_dir={result.data_dir}"] if result.data_dir else []
        lines += ["", f"next: {command.command_line('export', *words)}"]
    return "\n".join(lines)


def _class_table(label_names: Sequence[str], rows: Sequence[ClassFigures]) -> str:
    cells = []
    for name, row in zip(label_names, rows, strict=True):
        shares = (row.precision, row.recall, row.f1)
        shown = ("-" if share is None else f"{share:.2%}" for share in shares)
        cells.append((short(name, 60), f"{row.images:,}", *shown))
    return table(("class", "images", "precision", "recall", "F1"), cells, range(1, 5))


def _corruptions(robustness: Robustness) -> list[str]:
    relative = robustness.relative_accuracy
    of_clean = "" if relative is None else f", {relative:.2%} of that on the images as they are"
    return [
        f"accuracy on corrupted images, the mean: {robustness.accuracy:.2%}{of_clean}",
        "",
        table(CORRUPTIONS_HEAD, corruption_rows(robustness), range(1, len(CORRUPTIONS_HEAD))),
    ]


def corruption_rows(robustness: Robustness) -> list[tuple[str, ...]]:
    """Under `CORRUPTIONS_HEAD`: a row for each corruption, and one of the means."""
    rows = [(*row.accuracies, row.mean) for row in robustness.by_corruption]
    means = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    names = [*(row.name for row in robustness.by_corruption), "mean"]
    pairs = zip(names, [*rows, means], strict=True)
    return [(name, *(f"{share:.2%}" for share in shares)) for name, shares in pairs]


def confusion_matrix(label_names: Sequence[str], matrix: Sequence[Sequence[int]]) -> list[str]:
    """The matrix [K, K] under its heading; nothing where it is wider than a terminal."""
    heads = names = [short(name, _NAME) for name in label_names]
    margin = max(map(len, names))
    if margin > _HEAD:
        heads = [f"[{number}]" for number in range(len(names))]
        names = [f"{name:<{margin}} {head}" for name, head in zip(names, heads, strict=True)]
        margin = max(map(len, names))
    rows = [heads, *([f"{count:,}" if count else "·" for count in row] for row in matrix)]
    width = max(len(cell) for row in rows for cell in row)
    if margin + len(heads) * (width + 1) > _WIDTH:
        return []
    lines = [
        f"{name:<{margin}}" + "".join(f" {cell:>{width}}" for cell in row)
        for name, row in zip(["", *names], rows, strict=True)
    ]
    return ["true class by row, predicted by column:", *lines]
