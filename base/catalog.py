"""Runs and exports on disk, found by their files alone: nothing loads TensorFlow.

A run is a folder with `config.json`; it is finished if and only if `model.keras` is there. An
export is the folder of a published version: its manifest holds the `config.json` of its run.
"""

import contextlib
import dataclasses
import datetime
import os
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import addresses, export_layout, files, progress
from .command import command_line
from .errors import UserError
from .files import JsonObject
from .storage import folders, records, staging
from .storage.patience import patiently
from .storage.pushing import push
from .storage.writing import writing
from .tables import short

RUNS, EXPORTS = Path("runs"), Path("exports")
RUN_CONFIG, RUN_MODEL, RUN_METRICS = "config.json", "model.keras", "metrics.jsonl"
RUN_EVALUATION = "evaluation.json"
# What of a run says that the rest is there, the last last: see `storage.pushing`.
_SEALS = (RUN_CONFIG, "checkpoints/*.json", "training.json", RUN_MODEL)
# What is of no use elsewhere.
_LOCAL = ("cache/*", "salvaged/*")
# What may be edited in a run's configuration: where the dataset lies.
RUN_FREE = ("data_dir",)
_NOT_A_RUN = f"{RUN_CONFIG} is not of a run of digitline"
_NO_MANIFEST = "the manifest is not one of digitline"
# Folders inside a run's; no other runs lie in them.
_INSIDE = {"checkpoints", "figures", "tensorboard", "cache", "salvaged"}


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """A run.

    Attributes:
      model, dataset, recipe: their names.
      epochs: that it is trained for.
      validation_accuracy: 0 to 1; None where it is not recorded.
      finished: whether its trained model is there.
      changed: when its model was written, or else its last metrics; seconds since 1970.
      damage: why it cannot be used; the names are empty then.
    """

    workdir: Path
    model: str = ""
    dataset: str = ""
    recipe: str = ""
    epochs: float = 0.0
    validation_accuracy: float | None = None
    finished: bool = False
    changed: float = 0.0
    damage: str | None = None


@dataclasses.dataclass(frozen=True)
class ExportFolder:
    """A published version in one format.

    Attributes:
      name: under which it is published.
      model, dataset: the network, and what it was trained on.
      created: in seconds since 1970.
      accuracy: of the trained model on the split that it was verified on, 0 to 1.
      run: the `config.json` of its run.
      damage: why it cannot be used; what the manifest says is empty then.
    """

    folder: Path
    format: str
    name: str
    version: int
    model: str = ""
    dataset: str = ""
    created: float = 0.0
    accuracy: float | None = None
    run: JsonObject = dataclasses.field(default_factory=dict, repr=False)
    damage: str | None = None


def runs(root: Path = RUNS) -> list[RunFolder]:
    """All runs below a folder, or in it; the damaged ones and unreadable folders too, by path.

    Of an address, they are fetched, without their checkpoints.
    """
    _fetch(root, lambda name: _INSIDE.isdisjoint(name.split("/")))
    unreadable: list[OSError] = []
    found = [_run(folder) for folder in _run_folders(root, unreadable.append)]
    hidden = [RunFolder(Path(e.filename), damage=folders.why(e)) for e in unreadable]
    return sorted(found + hidden, key=lambda run: run.workdir)


def exports(root: Path = EXPORTS) -> list[ExportFolder]:
    """All versions in a folder of exports; the damaged ones too, by format, name and version.

    A folder in it that cannot be read is the version 0. Of an address, they are fetched.
    """
    fetch_exports(root)
    found: list[ExportFolder] = []
    for export_format in export_layout.FORMATS:
        place, unreadable = root / export_format, list[OSError]()
        versions = folders.below(place, 2, unreadable.append)
        versions = [folder for folder in versions if folder.name.isdecimal()]
        versions.sort(key=lambda folder: (folder.parent, int(folder.name)))
        found += [_export(folder, export_format) for folder in versions]
        for error in unreadable:
            folder = Path(error.filename)
            name = folder.name if folder != place else ""
            found.append(ExportFolder(folder, export_format, name, 0, damage=folders.why(error)))
    return found


def fetched(workdir: Path) -> Path:
    """A run folder to be read; of an address, it is fetched, without its checkpoints.

    Raises:
      StoreError: it cannot be fetched.
    """
    _fetch(workdir, staging.but((*_LOCAL, "checkpoints/*", "tensorboard/*")))
    return workdir


@contextlib.contextmanager
def written(workdir: Path | None) -> Iterator[None]:
    """Lets one process train in a run folder; of an address, it is fetched first, and pushed.

    Raises:
      UserError: another process trains there, or the store does not answer.
    """
    if workdir is None or addresses.address_of(workdir) is None:
        yield
        return
    with writing(workdir, "training", _SEALS, staging.but(_LOCAL)):
        yield


def push_part(workdir: Path, *patterns: str) -> None:
    """Pushes files that were added to a finished run, if it is that of an address."""
    others = staging.but(patterns)
    patiently(lambda: push(workdir, wanted=lambda name: not others(name)))


def newest_run(root: Path = RUNS) -> Path:
    """The newest finished run below a folder; says which.

    Raises:
      UserError: there is none, or a damaged one may be newer; names those that are not finished,
        or damaged.
    """
    there = runs(root)
    newest = _newest(there)
    if newest is None:
        names = {
            run.workdir: f"damaged: {run.damage}" if run.damage else "not finished" for run in there
        }
        listed = "; ".join(f"{workdir} is {state}" for workdir, state in names.items())
        raise UserError(
            f"{root} holds no finished run{f' ({listed})' if listed else ''}: train one first "
            f"({command_line('train')}), or give --workdir"
        )
    return newest


def newest_run_if_any(root: Path = RUNS) -> Path | None:
    """The newest finished run below a folder, said; None where there is none.

    Raises:
      UserError: a damaged one may be newer.
    """
    return _newest(runs(root))


def _newest(there: Sequence[RunFolder]) -> Path | None:
    """The newest finished run of some, said.

    A damaged one that may be newer is not passed over: who relies on the default means the model
    that was trained last, and would evaluate, or publish, another one.
    """
    newest = max((run for run in there if run.finished), key=lambda run: run.changed, default=None)
    for run in there:
        if run.damage and _may_be_newer(run.workdir, newest.changed if newest else 0.0):
            or_this = f", such as {newest.workdir}" if newest else ""
            raise UserError(
                f"{run.workdir} may be the newest finished run, and is damaged: {run.damage}; or "
                f"say by --workdir which run is meant{or_this}"
            )
    if newest is None:
        return None
    for run in there:
        if run.damage:
            progress.say(f"note: {run.workdir} is passed over: {run.damage}")
    progress.say(
        f"--workdir={newest.workdir}: the newest finished run, {newest.model} on {newest.dataset}"
    )
    return newest.workdir


def _may_be_newer(workdir: Path, then: float) -> bool:
    """Whether a damaged run may have been finished after a time, in seconds since 1970."""
    for path in (workdir / RUN_MODEL, workdir):
        try:
            return path.lstat().st_mtime > then
        except FileNotFoundError:  # It was not finished.
            return False
        except OSError:  # The folder's time tells more than nothing.
            continue
    return True


def no_run(workdir: Path) -> UserError:
    """That a folder holds no run; names some that there are, or says how to train one."""
    there = [run.workdir for run in runs(workdir) or runs() if not run.damage]
    some = short(", ".join(map(str, there)), 200)
    advice = f"there are: {some}" if there else f"train one first ({command_line('train')})"
    return UserError(f"{workdir} holds no run (no {RUN_CONFIG}); {advice}")


def exports_of(workdir: Path, export_dir: Path = EXPORTS) -> list[ExportFolder]:
    """The newest version that was exported from a run, in each of its formats; says if it is old.

    Raises:
      UserError: there is no such version, or no run; or a damaged version may be newer.
    """
    if not (workdir / RUN_CONFIG).exists():
        raise no_run(workdir)
    run = _run(workdir)
    if run.damage:
        raise UserError(f"{workdir}: {run.damage}")
    recorded = _config(workdir)
    there = exports(export_dir)
    made = [version for version in there if version.run == recorded]
    if not made:
        again = command_line("export", f"--workdir={workdir}", f"--export_dir={export_dir}")
        damaged = [f"{version.folder}: {version.damage}" for version in there if version.damage]
        but = f" (but damaged ones: {short('; '.join(damaged), 400)})" if damaged else ""
        raise UserError(
            f"{export_dir} holds no export of the run in {workdir}{but}; make one: {again}"
        )
    newest = max(made, key=lambda version: version.created)
    for version in there:
        if version.damage and version.name == newest.name and version.version > newest.version:
            raise UserError(
                f"{version.folder} may be the newest export of the run in {workdir}, and is "
                f"damaged: {version.damage}; move it away, or export again"
            )
    if newest.created + 1.0 < run.changed:  # Manifests have whole seconds.
        progress.say(
            f"note: {workdir} was trained again after version {newest.version} of {newest.name} "
            "was exported"
        )
    return [
        version
        for version in made
        if (version.name, version.version) == (newest.name, newest.version)
    ]


def fetch_exports(root: Path) -> None:
    """Brings the versions in a folder of exports here, if it is an address."""
    _fetch(root, lambda name: not name.startswith("."))


def _fetch(root: Path, wanted: staging.Wanted) -> None:
    if addresses.address_of(root) is not None and staging.listing(root):
        staging.stage(root, wanted)


def _run_folders(root: Path, report: folders.Report) -> Iterator[Path]:
    seen: set[str] = set()  # Links may lead back.
    for folder, names, there in os.walk(root, onerror=_unless_gone(report), followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            names.clear()
            continue
        seen.add(real)
        if {RUN_CONFIG, RUN_MODEL, RUN_METRICS} & set(there):
            yield Path(folder)
            names[:] = set(names) - _INSIDE
        names[:] = sorted(name for name in names if not name.startswith("."))


def _unless_gone(report: folders.Report) -> folders.Report:
    return lambda error: None if isinstance(error, FileNotFoundError) else report(error)


@dataclasses.dataclass(frozen=True)
class _Dataset:
    name: str
    validation_split: str


@dataclasses.dataclass(frozen=True)
class _Recipe:
    epochs: float


@dataclasses.dataclass(frozen=True)
class _Config:
    """What is used of a run's `config.json`."""

    model: str
    dataset: _Dataset
    recipe_name: str
    recipe: _Recipe
    id: str = ""


@dataclasses.dataclass(frozen=True)
class _Accuracy:
    """What is used of a run's figures on a split, or of a manifest's."""

    accuracy: float


@dataclasses.dataclass(frozen=True)
class _Manifest:
    """What is used of a manifest."""

    files: JsonObject
    run: JsonObject
    created: str
    figures: _Accuracy


def _config(workdir: Path) -> JsonObject:
    """The content of a run's `config.json`."""
    mend = "restore it, or train again with another --workdir"
    return records.read_object(workdir / RUN_CONFIG, mend, free=RUN_FREE)


def _run(workdir: Path) -> RunFolder:
    model = workdir / RUN_MODEL
    try:
        path, content = workdir / RUN_CONFIG, _config(workdir)
        config = records.checked(path, _Config, content, _NOT_A_RUN, in_part=True)
        finished = files.is_there(model)
        if finished:
            with files.opened(model) as file:  # By its path, one without rights is none too.
                if not zipfile.is_zipfile(file):
                    return RunFolder(workdir, damage=f"{RUN_MODEL} is not a whole file")
        written = [
            workdir / (RUN_MODEL if finished else file) for file in (RUN_METRICS, RUN_CONFIG)
        ]
        changed = max(path.stat().st_mtime for path in written if path.exists())
        return RunFolder(
            workdir,
            model=config.model,
            dataset=config.dataset.name,
            recipe=config.recipe_name,
            epochs=config.recipe.epochs,
            validation_accuracy=_accuracy(workdir, config),
            finished=finished,
            changed=changed,
        )
    except (UserError, OSError) as error:
        return RunFolder(workdir, damage=folders.why(error))


def _accuracy(workdir: Path, config: _Config) -> float | None:
    """Of a run's model on its validation split, where it is recorded.

    Raises:
      DataError: the record is damaged.
    """
    path, split = workdir / RUN_EVALUATION, config.dataset.validation_split
    if not files.is_there(path):
        return None
    mend = f"restore or delete it, or restore {RUN_CONFIG} if that is another run's"
    content = records.read_object(path, mend, config.id)
    if split not in content:
        return None
    return records.checked(path, _Accuracy, content[split], in_part=True).accuracy


def _export(folder: Path, export_format: str) -> ExportFolder:
    named = (folder, export_format, folder.parent.name, int(folder.name))
    try:
        path = export_layout.manifest_of(folder)
        content = records.read_object(path)
        manifest = records.checked(path, _Manifest, content, _NO_MANIFEST, in_part=True)
        missing = [file for file in manifest.files if not (folder / file).is_file()]
        if missing:
            return ExportFolder(*named, damage=f"{missing[0]} is missing")
        run = records.checked(path, _Config, manifest.run, _NO_MANIFEST, in_part=True)
        return ExportFolder(
            *named,
            model=run.model,
            dataset=run.dataset.name,
            created=datetime.datetime.fromisoformat(manifest.created).timestamp(),
            accuracy=manifest.figures.accuracy,
            run=manifest.run,
        )
    except (UserError, OSError) as error:
        return ExportFolder(*named, damage=folders.why(error))
    except (ValueError, OverflowError):  # Of the time.
        return ExportFolder(*named, damage=_NO_MANIFEST)
