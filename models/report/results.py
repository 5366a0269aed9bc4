"""The table of measured accuracies, from what `benchmarks/accuracy.py` wrote."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

from ...base import files
from ...base.errors import DataError
from ...base.storage import records
from .. import registry

_MEND = "these are not figures of benchmarks/accuracy.py: run it again"
# What the table in the README lies between.
BEGIN, END = "<!-- results: made by digitline report --results -->", "<!-- /results -->"
_COLUMNS = (
    "network",
    "parameters",
    "the article's figure",
    "article's recipe here",
    "best recipe here",
    "training, 2 cores",
)


@dataclasses.dataclass(frozen=True)
class Measured:
    """A recipe of a network, trained with several seeds.

    Attributes:
      parameters: of the network.
      article_accuracy: the figure of the article, as it states it; empty if there is none.
      accuracies: of each seed, 0 to 1.
      train_seconds_median: of the seeds.
      ensemble: how many runs there are in an ensemble, and its accuracy, if measured.
    """

    model: str
    recipe: str
    parameters: int
    accuracy_mean: float
    accuracies: list[float]
    train_seconds_median: float
    article_accuracy: str
    ensemble: tuple[int, float] | None

    def __str__(self) -> str:
        """`99.24 % (99.19 to 99.27)`: mean and range over the seeds."""
        low, high = min(self.accuracies) * 100, max(self.accuracies) * 100
        return f"{self.accuracy_mean * 100:.2f} % ({low:.2f} to {high:.2f})"


@dataclasses.dataclass(frozen=True)
class _Accuracy:
    """Of a run, or of an ensemble of some."""

    accuracy: float
    of: int = 1


@dataclasses.dataclass(frozen=True)
class _Figures:
    """What is used of what benchmarks/accuracy.py writes."""

    model: str
    recipe_name: str
    parameters: int
    accuracy_mean: float
    runs: tuple[_Accuracy, ...]
    train_seconds_median: float
    article_accuracy: str = ""
    ensemble: _Accuracy | None = None

    def __post_init__(self):
        if not self.runs:
            raise ValueError("no runs")


@dataclasses.dataclass(frozen=True)
class ResultsTable:
    """The measured accuracies, and the file whose table was renewed."""

    measured: list[Measured]
    readme: str

    def to_json(self) -> files.JsonObject:
        rows = [
            {
                name: value
                for name, value in dataclasses.asdict(figures).items()
                if name not in ("article_accuracy", "ensemble")
            }
            for figures in self.measured
        ]
        return {"rows": rows, "table": self.text(), "readme": self.readme or None}

    def text(self) -> str:
        return table(self.measured)


def write(folder: Path, readme: str) -> ResultsTable:
    """Renews the table in a file, where it is named.

    Args:
      folder: of the files `accuracy-<network>-<recipe>.json`.

    Raises:
      DataError: there are none, or one has another form, or the file has no place for the table.
    """
    measured = [_read(path) for path in sorted(folder.glob("accuracy-*.json"))]
    if not measured:
        raise DataError(
            f"{folder}: no accuracy-….json in it: run benchmarks/accuracy.py first, or give "
            "--results_dir"
        )
    measured = [figures for figures in measured if figures.model in registry.NAMES]
    measured.sort(key=lambda figures: registry.NAMES.index(figures.model))
    renewed = ResultsTable(measured, readme)
    if readme:
        _write_into(Path(readme), renewed.text())
    return renewed


def _read(path: Path) -> Measured:
    figures = records.checked(path, _Figures, records.read_json(path, mend=_MEND), _MEND, True)
    ensemble = figures.ensemble
    return Measured(
        figures.model,
        figures.recipe_name,
        figures.parameters,
        figures.accuracy_mean,
        [run.accuracy for run in figures.runs],
        figures.train_seconds_median,
        figures.article_accuracy,
        (ensemble.of, ensemble.accuracy) if ensemble else None,
    )


def table(measured: Sequence[Measured]) -> str:
    """The table, in Markdown: a row for each network, in the order of `measured`."""
    lines = [f"| {' | '.join(_COLUMNS)} |", "|" + "---|" * len(_COLUMNS)]
    networks: dict[str, dict[str, Measured]] = {}
    for figures in measured:
        networks.setdefault(figures.model, {})[figures.recipe] = figures
    for name, recipes in networks.items():
        either, best = next(iter(recipes.values())), recipes.get("best")
        cells = [
            f"[`{name}`](models/{name}.py)",
            f"{either.parameters:,}",
            either.article_accuracy,
            str(recipes.get("article", "")),
            f"**{best}".replace(" %", " %**", 1) if best else "",
            _duration(best.train_seconds_median) if best else "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
        if best and best.ensemble:
            count, accuracy = best.ensemble
            time = _duration(count * best.train_seconds_median)
            lines.append(
                f"| `{name}`, ensemble of {count} | {count * best.parameters:,} |  |  | "
                f"**{accuracy * 100:.2f} %** | {time} |"
            )
    return "\n".join(lines)


def _write_into(readme: Path, text: str) -> None:
    """Puts the table between its marks."""
    try:
        before = readme.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{readme}: cannot be read: {error.strerror}") from None
    marks = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if not marks.search(before):
        raise DataError(f"{readme}: the lines {BEGIN} and {END} are not in it")
    after = marks.sub(lambda _: f"{BEGIN}\n{text}\n{END}", before)
    if after != before:
        files.write_text(readme, after)


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min"
