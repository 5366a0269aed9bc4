"""`digitline list`: the datasets, runs and exports that there are, by their files alone."""

import dataclasses
import datetime
from collections.abc import Sequence
from pathlib import Path

from ..base import catalog, command, configs, tables
from ..base.catalog import ExportFolder, RunFolder
from ..base.command_flags import flag, flag_values, nearest, read
from ..base.errors import UsageError
from ..base.files import JsonObject
from ..data import flags, listing
from ..data.listing import PreparedFolder

_DATASETS, _RUNS, _EXPORTS = KINDS = ("datasets", "runs", "exports")
_WHERE = "Where to look"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ListOptions:
    """What to list.

    Attributes:
      kinds: of `KINDS`.
    """

    data_dir: Path = flags.data_dir(_WHERE)
    runs_dir: Path = flag(
        catalog.RUNS,
        "Folder with run folders in it, at any depth, or its address.",
        group=_WHERE,
        remote=True,
    )
    export_dir: Path = flag(
        catalog.EXPORTS, "Root folder of exports, or its address.", group=_WHERE, remote=True
    )
    kinds: tuple[str, ...] = KINDS


@dataclasses.dataclass(frozen=True)
class Listed:
    """What there is; None of what was not wanted. Runs come with the newest first."""

    options: ListOptions
    datasets: tuple[PreparedFolder, ...] | None
    runs: tuple[RunFolder, ...] | None
    exports: tuple[ExportFolder, ...] | None


def options_of(options: ListOptions, arguments: Sequence[str]) -> ListOptions:
    """The options with the kinds that the arguments name; all where they name none.

    Raises:
      UsageError: there is no such kind.
    """
    for word in arguments:
        if word not in KINDS:
            raise UsageError(
                f"list what? Some of {', '.join(KINDS)}; got '{word}'{nearest(word, KINDS)}"
            )
    return dataclasses.replace(options, kinds=tuple(arguments) or KINDS)


def run(options: ListOptions) -> Listed:
    """Looks into the folders; one that does not exist holds nothing."""
    datasets = runs = exports = None
    if _DATASETS in options.kinds:
        datasets = tuple(listing.datasets(options.data_dir))
    if _RUNS in options.kinds:
        there = catalog.runs(options.runs_dir)
        runs = tuple(sorted(there, key=lambda run: run.changed, reverse=True))
    if _EXPORTS in options.kinds:
        exports = tuple(catalog.exports(options.export_dir))
    return Listed(options, datasets, runs, exports)


def text(listed: Listed) -> str:
    """A table of each kind."""
    options, parts = listed.options, []
    if listed.datasets is not None:
        rows = [_dataset_row(dataset) for dataset in listed.datasets]
        headers = ("dataset", "version", "images", "classes", "splits")
        parts.append(_part("datasets", options.data_dir, headers, rows, (3,)))
    if listed.runs is not None:
        rows = [_run_row(run) for run in listed.runs]
        headers = ("run", "network", "dataset", "recipe", "epochs", "validation", "state")
        parts.append(_part("runs", options.runs_dir, headers, rows, (4, 5)))
    if listed.exports is not None:
        rows = [_export_row(export) for export in listed.exports]
        headers = ("export", "network", "dataset", "accuracy", "state")
        parts.append(_part("exports", options.export_dir, headers, rows, (3,)))
    return "\n\n".join(parts)


def _part(
    kind: str,
    folder: Path,
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    numbers: Sequence[int],
) -> str:
    if not rows:
        return f"no {kind} in {folder}"
    return f"{kind} in {folder}:\n{tables.table(headers, rows, numbers)}"


def _dataset_row(dataset: PreparedFolder) -> tuple[str, ...]:
    if dataset.damage:
        return dataset.name, dataset.version, "", "", f"damaged: {dataset.damage}"
    shape = "x".join("?" if size is None else str(size) for size in dataset.image_shape)
    splits = ", ".join(f"{name} {count:,}" for name, count in dataset.splits.items())
    return dataset.name, dataset.version, shape, f"{dataset.classes:,}", splits


def _run_row(run: RunFolder) -> tuple[str, ...]:
    if run.damage:
        return str(run.workdir), "", "", "", "", "", f"damaged: {run.damage}"
    state = f"finished {_time(run.changed)}" if run.finished else "not finished"
    accuracy = _percent(run.validation_accuracy)
    return (
        *(str(run.workdir), run.model, run.dataset, run.recipe),
        *(f"{run.epochs:g}", accuracy, state),
    )


def _export_row(export: ExportFolder) -> tuple[str, ...]:
    if export.damage:
        return str(export.folder), "", "", "", f"damaged: {export.damage}"
    return (
        *(str(export.folder), export.model, export.dataset),
        *(_percent(export.accuracy), f"exported {_time(export.created)}"),
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.2%}"


def _time(seconds: float) -> str:
    try:
        return f"{datetime.datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):  # By a clock that was far out.
        return "at an unknown time"


def to_json(listed: Listed) -> JsonObject:
    """The result for `--json`: a list of each kind that was wanted."""
    config = configs.to_config(listed)
    for export in config["exports"] or ():
        del export["run"]  # The whole configuration of its run: it is in the manifest.
    return {kind: config[kind] for kind in listed.options.kinds}


FLAGS = flag_values(ListOptions)
COMMAND = command.Command(
    name="list",
    summary="Lists the prepared datasets, the runs, the newest first, and the exports. What is "
    "damaged is listed with the reason. Without --workdir, evaluate, report and export take the "
    "newest finished run, and refuse where a damaged one may be newer.",
    flags=FLAGS,
    options=lambda values, arguments: options_of(read(ListOptions, values), arguments),
    run=run,
    text=text,
    to_json=to_json,
    arguments=f"[{'|'.join(KINDS)}] …",
)

if __name__ == "__main__":
    command.main(COMMAND)
