"""Several runs side by side: `digitline report --compare`."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...base import files, progress
from ...base.errors import UserError
from ..run import Run
from . import figures
from . import html as report_html
from .canvas import Canvas
from .drawn import points
from .facts import metrics
from .figures import Series
from .html import charts, paragraph, section, share, table

# Of config.json, what the weights and the figures may depend on.
_COMPARED = ("model", "recipe_name", "recipe", "dataset", "pipeline", "seed")
# Not of one value each; the names of the classes are seen in the matrices.
_LEFT_OUT = ("dataset.label_names",)


@dataclasses.dataclass(frozen=True)
class Compared:
    """One of the runs.

    Attributes:
      name: the folder's last part, where that tells it from the others.
      workdir: the folder.
      recorded: config.json; fields that an older recipe lacks have their defaults.
      rows: of metrics.jsonl.
      split: that `figures` are of.
      figures: of evaluation.json; None where the run is unfinished.
      record: training.json; None where the run is unfinished.
    """

    name: str
    workdir: Path
    recorded: dict[str, Any]
    rows: list[dict[str, Any]]
    split: str
    figures: dict[str, Any] | None
    record: dict[str, Any] | None

    @property
    def accuracy(self) -> float | None:
        return self.figures["accuracy"] if self.figures else None


def read(workdirs: Sequence[Path], split: str | None) -> list[Compared]:
    """The runs, the most accurate first; unfinished ones last.

    Args:
      workdirs: of the runs.
      split: whose figures count; by default each run's validation split.

    Raises:
      UserError: there is no run, or it was not evaluated on the split.
    """
    found = []
    short = len({workdir.name for workdir in workdirs}) == len(workdirs)
    for workdir in workdirs:
        run, name = Run(workdir), workdir.name if short else str(workdir)
        config = run.load_config()
        wanted = split or config.dataset["validation_split"]
        figures, record = None, None
        if run.finished:
            known = files.read_json(run.evaluation) if run.evaluation.exists() else {}
            if wanted not in known:
                raise UserError(
                    f"{workdir} has no figures of {wanted}: run digitline evaluate "
                    f"--workdir={workdir} --split={wanted}"
                )
            figures, record = known[wanted], files.read_json(run.training_record)
        recorded = {**files.read_json(run.config), "recipe": config.recipe.to_config()}
        rows = metrics(run)
        found.append(Compared(name, workdir, recorded, rows, wanted, figures, record))
    return sorted(found, key=lambda each: -1.0 if each.accuracy is None else -each.accuracy - 1)


def differences(runs: Sequence[Compared]) -> list[tuple[str, list[str]]]:
    """What is not the same in all runs: its name, and its value in each."""
    flat = [_flat({name: each.recorded.get(name) for name in _COMPARED}) for each in runs]
    names = dict.fromkeys(name for each in flat for name in each if name not in _LEFT_OUT)
    rows = [(name, [each.get(name, "–") for each in flat]) for name in names]
    return [(name, values) for name, values in rows if len(set(values)) > 1]


def _flat(value: Any, name: str = "") -> dict[str, str]:
    if isinstance(value, dict):
        found = {}
        for key, each in value.items():
            found |= _flat(each, f"{name}.{key}" if name else key)
        return found
    return {name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}


def _warnings(runs: Sequence[Compared]) -> list[str]:
    found = []
    sets = {(each.recorded["dataset"]["fingerprint"], each.split) for each in runs}
    if len(sets) > 1:
        found.append(
            "The figures are not of the same images (see dataset and split): they cannot be "
            "compared to the last digit."
        )
    if any(each.record is None for each in runs):
        found.append("Runs without an accuracy are not finished.")
    return found


def page(runs: Sequence[Compared]) -> str:
    """The comparison as a page of one file."""
    head = ("run", "accuracy", "95 % interval", "loss", "calibration error", "parameters",
            "training", "images/s", "dataset", "split")  # fmt: skip
    changed = differences(runs)
    body = [
        f"<h1>{len(runs)} runs, the most accurate first</h1>",
        *(paragraph(each, "note") for each in _warnings(runs)),
        section("figures", "Figures", table(head, map(_row, runs))),
        section(
            "recipes",
            "Differences of the recipes",
            table(
                ("field", *(each.name for each in runs)),
                ((name, *values) for name, values in changed),
                words=True,
            )
            if changed
            else paragraph("There is none."),
        ),
        section("training", "Training", *_curves(runs)),
        section("confusion", "Confusion", _matrices(runs)),
    ]
    return report_html.page("Runs compared", body)


def _row(each: Compared) -> tuple[str, ...]:
    dataset = each.recorded["dataset"]
    found, record = each.figures, each.record
    if found is None or record is None:
        return (each.name, *["–"] * 7, dataset["name"], each.split)
    low, high = found["accuracy_interval_95"]
    return (
        each.name,
        share(found["accuracy"]),
        f"{low * 100:.2f} to {high * 100:.2f} %",
        f"{found['loss']:.4f}",
        share(found["calibration_error"]),
        f"{record['parameters']:,}",
        progress.duration(record["seconds"]),
        f"{record['images_per_s']:,.0f}",
        f"{dataset['name']} {dataset['version']}",
        each.split,
    )


def _curves(runs: Sequence[Compared]) -> list[str]:
    """Curves of all runs, on one scale of y."""
    parts = []
    for name, label, scale in (
        ("loss", "cross-entropy, nats", "log"),
        ("accuracy", "accuracy", "nines"),
    ):
        found = [
            [
                Series("training", "blue", points(each.rows, name)),
                Series("validation", "vermilion", points(each.rows, f"validation_{name}"), True),
            ]
            for each in runs
        ]
        ys = [y for series in found for each in series for _, y in each.points]
        drawn = [
            figures.curves(_short_title(run.name), "epochs", label, kept, scale, (min(ys), max(ys)))
            for run, series in zip(runs, found, strict=True)
            if (kept := [each for each in series if each.points])
        ]
        parts += [f"<h3>{name.capitalize()}</h3>", charts(*drawn)] if drawn else []
    return parts


def _matrices(runs: Sequence[Compared]) -> str:
    drawn: list[Canvas] = [
        figures.confusion(
            f"{_short_title(each.name)}, {share(each.accuracy)}",
            each.recorded["dataset"]["label_names"],
            np.array(each.figures["confusion"]),
        )
        for each in runs
        if each.figures
    ]
    return charts(*drawn)


def _short_title(name: str) -> str:
    return name if len(name) <= 38 else f"…{name[-37:]}"


def text(runs: Sequence[Compared]) -> list[str]:
    """The comparison for a terminal."""
    rows = [("run", "accuracy", "95 % interval", "parameters", "training")]
    for each in runs:
        found = _row(each)
        rows.append((found[0], found[1], found[2], found[5], found[6]))
    lines = [f"note: {each}" for each in _warnings(runs)]
    lines += [*_columns(rows), ""]
    changed = differences(runs)
    if not changed:
        return [*lines, "the recipes are the same"]
    table_rows = [("differences", *(f"[{at + 1}]" for at in range(len(runs))))]
    table_rows += [(name, *values) for name, values in changed]
    key = [f"[{at + 1}] {each.name}" for at, each in enumerate(runs)]
    return [*lines, *key, "", *_columns(table_rows)]


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def to_json(runs: Sequence[Compared]) -> list[dict[str, Any]]:
    """The figures of each run, in their order."""
    return [
        {
            "name": each.name,
            "workdir": str(each.workdir),
            "model": each.recorded["model"],
            "finished": each.record is not None,
            "split": each.split,
            "accuracy": each.accuracy,
            "accuracy_interval_95": each.figures["accuracy_interval_95"] if each.figures else None,
            "loss": each.figures["loss"] if each.figures else None,
            "parameters": each.record["parameters"] if each.record else None,
            "seconds": each.record["seconds"] if each.record else None,
        }
        for each in runs
    ]
