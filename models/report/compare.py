"""Several runs side by side: `digitline report --compare`."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...base import addresses, configs, files, progress
from ...base.charts import Chart
from ...base.command import command_line
from ...base.command_flags import list_flag
from ...base.errors import UsageError, UserError
from ...base.files import JsonObject
from ...base.tables import table
from ..run.config import flat
from ..run.folder import Run
from ..run.records import Figures, TrainingRecord
from . import figures
from .page import render, share
from .run_figures import both

# Of config.json, what the weights and the figures may depend on.
_COMPARED = ("model", "recipe_name", "recipe", "dataset", "pipeline", "seed")
# Not one value; the names of the classes are seen in the matrices.
_LEFT_OUT = ("dataset.label_names",)
_HEAD = (
    "run",
    "accuracy",
    "95 % interval",
    "loss",
    "calibration error",
    "parameters",
    "training",
    "images/s",
    "dataset",
    "split",
)
_HEAD_OF_TEXT = ("run", "accuracy", "95 % interval", "parameters", "training")


@dataclasses.dataclass(frozen=True)
class Compared:
    """One of the runs.

    Attributes:
      name: the folder's last part, where the runs differ in it.
      recorded: config.json; fields that an older recipe lacks have their defaults.
      rows: of metrics.jsonl.
      split: that the figures are of.
      figures, record: of evaluation.json and training.json; None where the run is unfinished.
    """

    name: str
    workdir: Path
    recorded: JsonObject
    rows: tuple[dict[str, float], ...]
    split: str
    figures: Figures | None
    record: TrainingRecord | None

    @property
    def accuracy(self) -> float | None:
        return self.figures.accuracy if self.figures else None


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Several runs, the most accurate first, and the page that shows them."""

    runs: Sequence[Compared]
    page: Path

    def to_json(self) -> JsonObject:
        names = [run.name for run in self.runs]
        return {
            "report": str(self.page),
            "runs": [
                {
                    "name": run.name,
                    "workdir": str(run.workdir),
                    "model": run.recorded["model"],
                    "finished": run.record is not None,
                    "split": run.split,
                    "accuracy": run.accuracy,
                    "accuracy_interval_95": run.figures and list(run.figures.accuracy_interval_95),
                    "loss": run.figures and run.figures.loss,
                    "parameters": run.record and run.record.parameters,
                    "seconds": run.record and run.record.seconds,
                }
                for run in self.runs
            ],
            "differences": {
                name: dict(zip(names, values, strict=True))
                for name, values in _differences(self.runs).items()
            },
        }

    def text(self) -> str:
        columns = [_HEAD.index(head) for head in _HEAD_OF_TEXT]
        rows = [[cells[column] for column in columns] for cells in map(_row, self.runs)]
        lines = [f"note: {warning}" for warning in _warnings(self.runs)]
        lines += [table(_HEAD_OF_TEXT, rows, range(1, len(columns))), ""]
        changed = [(name, *values) for name, values in _differences(self.runs).items()]
        if changed:
            numbers = [f"[{number}]" for number, _ in enumerate(self.runs, start=1)]
            lines += [
                f"{number} {run.name}" for number, run in zip(numbers, self.runs, strict=True)
            ]
            lines += ["", table(("differences", *numbers), changed)]
        else:
            lines.append("the recipes are the same")
        return "\n".join([*lines, "", f"report  {self.page}"])


def write(workdirs: Sequence[Path], split: str | None, output: Path | None) -> Comparison:
    """Compares runs, the most accurate first, unfinished ones last.

    Args:
      workdirs: of the runs.
      split: whose figures count; by default each run's validation split.
      output: the page; by default compare.html beside the first run.

    Raises:
      UsageError: there is one folder only.
      UserError: there is no run, or it was not evaluated on the split.
    """
    if len(workdirs) < 2:
        raise UsageError(f"--compare={workdirs[0]}: give two runs or more")
    different = len({workdir.name for workdir in workdirs}) == len(workdirs)
    runs = [
        _read(workdir, workdir.name if different else str(workdir), split) for workdir in workdirs
    ]
    runs.sort(key=lambda run: -1.0 if run.accuracy is None else run.accuracy, reverse=True)
    if output is None:  # Beside runs in an object store nobody would look for it.
        is_remote = addresses.address_of(workdirs[0]) is not None
        output = Path("compare.html") if is_remote else workdirs[0].parent / "compare.html"
    output.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(output, _page(runs))
    return Comparison(runs, output)


def _read(workdir: Path, name: str, split: str | None) -> Compared:
    run = Run(workdir)
    config = run.require_same_files() if run.finished else run.load_config()
    split = split or config.dataset.validation_split
    recorded = {**run.recorded(), "recipe": configs.to_config(config.recipe)}
    record = run.load_record() if run.finished else None
    evaluated = run.evaluations.of(split) if record else None
    if record and not evaluated:
        evaluate = command_line("evaluate", list_flag("workdir", [workdir]), f"--split={split}")
        raise UserError(f"{workdir} has no figures of {split}: run {evaluate}")
    return Compared(name, workdir, recorded, run.rows(), split, evaluated, record)


def _differences(runs: Sequence[Compared]) -> dict[str, list[str]]:
    """What is not the same in all runs: its value in each, by its name."""
    settings = [
        {
            name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            for name, value in flat({key: run.recorded.get(key) for key in _COMPARED}).items()
        }
        for run in runs
    ]
    names = dict.fromkeys(name for fields in settings for name in fields if name not in _LEFT_OUT)
    values = {name: [fields.get(name, "–") for fields in settings] for name in names}
    return {name: in_each for name, in_each in values.items() if len(set(in_each)) > 1}


def _warnings(runs: Sequence[Compared]) -> list[str]:
    """What a reader must know before comparing."""
    lines = []
    if len({(run.recorded["dataset"]["fingerprint"], run.split) for run in runs}) > 1:
        lines.append(
            "The figures are not of the same images (see dataset and split): they cannot be "
            "compared to the last digit."
        )
    if any(run.record is None for run in runs):
        lines.append("Runs without an accuracy are not finished.")
    return lines


def _page(runs: Sequence[Compared]) -> str:
    """The comparison as a page of one file."""
    return render(
        "compare.html",
        title="Runs compared",
        runs=[run.name for run in runs],
        warnings=_warnings(runs),
        head=_HEAD,
        rows=[_row(run) for run in runs],
        differences=[(name, *values) for name, values in _differences(runs).items()],
        curves=_curves(runs),
        matrices=[
            figures.confusion(
                f"{_short_title(run.name)}, {share(run.accuracy)}",
                run.recorded["dataset"]["label_names"],
                np.array(run.figures.confusion),
            )
            for run in runs
            if run.figures
        ],
    )


def _row(run: Compared) -> tuple[str, ...]:
    dataset = run.recorded["dataset"]
    if run.figures is None or run.record is None:
        return (run.name, *["–"] * 7, dataset["name"], run.split)
    low, high = run.figures.accuracy_interval_95
    return (
        run.name,
        share(run.accuracy),
        f"{low * 100:.2f} to {high * 100:.2f} %",
        f"{run.figures.loss:.4f}",
        share(run.figures.calibration_error),
        f"{run.record.parameters:,}",
        progress.duration(run.record.seconds),
        f"{run.record.images_per_s:,.0f}",
        f"{dataset['name']} {dataset['version']}",
        run.split,
    )


def _curves(runs: Sequence[Compared]) -> list[tuple[str, list[Chart]]]:
    """Curves of all runs, on one scale of y."""
    drawn = []
    for name, label, scale in (
        ("loss", "cross-entropy, nats", "log"),
        ("accuracy", "accuracy", "nines"),
    ):
        series = {run.name: both(run.rows, name) for run in runs}
        ys = [y for curves in series.values() for curve in curves for _, y in curve.points]
        charts = [
            figures.curves(_short_title(run), label, curves, scale, (min(ys), max(ys)))
            for run, curves in series.items()
            if curves
        ]
        if charts:
            drawn.append((name.capitalize(), charts))
    return drawn


def _short_title(name: str) -> str:
    return name if len(name) <= 38 else f"…{name[-37:]}"
