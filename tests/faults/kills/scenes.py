"""What is killed: a command, what lies there before it, and what must hold after it."""

import dataclasses
import functools
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from kills import views

TESTDATA = Path(__file__).parents[2] / "testdata"

_PREPARE = ("prepare", "--data_dir=data", "--digits", "--validation_fraction=0")
_IDX = (*_PREPARE, "--dataset=tiny", f"--source_dir={TESTDATA}")
_FOLDER = ("prepare", "--data_dir=data", "--dataset=image_folder", "--source_dir=pictures")
_TRAIN = (
    *("train", "--model=softmax", "--recipe=article", "--data_dir=data", "--dataset=tiny"),
    *("--train_split=train[:200]", "--validation_split=train[200:250]", "--batch_size=50"),
    *("--workdir=run", "--epochs=2", "--checkpoint_interval_s=0", "--log_steps=2"),
)
_EXPORT = (
    *("export", "--workdir=run", "--export_dir=exports", "--model_name=m", "--split=test[:10]"),
    *("--tflite_variants=float32", "--runtimes=none", "--samples=1"),
)


@dataclasses.dataclass(frozen=True)
class Scene:
    """A command that is killed.

    Attributes:
      words: the command.
      before: commands that are run before it.
      makes: makes what lies there before these.
      changes: changes something after them.
      promise: what is wrong after a kill, given the folder and what `result` gave for it before.
      result: what the same command must give again; the name of each thing, and what it is.
      exact: whether no other files may be there at the end than without a kill.
      exchange: whether the file system can exchange two folders.
      instead: another command that follows the kill; it may fail, and what `result` gives is as it
        was before, or as it is without a kill.
    """

    words: tuple[str, ...]
    before: tuple[tuple[str, ...], ...] = ()
    makes: Callable[[Path], None] = lambda folder: None
    changes: Callable[[Path], None] = lambda folder: None
    promise: Callable[[Path, views.View], list[str]] = lambda folder, before: []
    result: Callable[[Path], views.View] = views.nothing
    exact: bool = True
    exchange: bool = True
    instead: tuple[str, ...] = ()


def _dataset_stays(name: str, folder: Path, before: views.View) -> list[str]:
    """A dataset that was there is there, whole, the old one or a new one."""
    now = views.dataset(name, folder)
    if before and not now:
        return [f"the dataset {name} is gone"]
    return []


def _pictures(folder: Path, count: int = 3) -> None:
    """A folder of pictures, of two classes."""
    from PIL import Image

    for label in range(2):
        for number in range(count * 4):
            path = folder / "pictures" / str(label) / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (8, 8), 100 * label + number).save(path)


def _more_pictures(folder: Path) -> None:
    _pictures(folder, 4)


def _versions_of(folder: Path, count: int = 3) -> None:
    """Versions that were published before: whole folders of both formats."""
    for number in range(1, count + 1):
        for name, file in (("saved_model", "saved_model.pb"), ("tflite", "model.tflite")):
            version = folder / "exports" / name / "m" / str(number)
            extra = version / "assets.extra"
            manifest = version / "manifest.json"
            version.mkdir(parents=True)
            if name == "saved_model":
                extra.mkdir()
                manifest = extra / "digitline.json"
            (version / file).write_text(f"{name} {number}")
            files = {file: views.described(version / file)}
            manifest.write_text(json.dumps({"version": number, "files": files}))


def _without(*names: str) -> Callable[[Path], None]:
    def delete(folder: Path) -> None:
        for name in names:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    return delete


_TINY = ((*_IDX, "--num_shards=2"),)
_TRAINED = (*_TINY, (*_TRAIN,))
_OTHER = (*_IDX, "--num_shards=3", "--overwrite")
_GONE = (*_PREPARE, "--dataset=tiny", "--source_dir=gone", "--overwrite")
_TINY_STAYS = functools.partial(_dataset_stays, "tiny")
_TINY_IS = functools.partial(views.dataset, "tiny")

SCENES = {
    "prepare": Scene(_TINY[0], result=_TINY_IS, promise=_TINY_STAYS),
    "prepare_overwrite": Scene(_OTHER, _TINY, result=_TINY_IS, promise=_TINY_STAYS),
    # Between its renames there is none, but the next command puts one back.
    "prepare_overwrite_by_two_renames": Scene(_OTHER, _TINY, result=_TINY_IS, exchange=False),
    "prepare_overwrite_without_source": Scene(
        _OTHER, _TINY, result=_TINY_IS, exchange=False, instead=_GONE
    ),
    "prepare_pictures": Scene(
        _FOLDER, makes=_pictures, result=functools.partial(views.dataset, "pictures")
    ),
    "prepare_changed_pictures": Scene(
        (*_FOLDER, "--overwrite"),
        (_FOLDER,),
        makes=_pictures,
        changes=_more_pictures,
        result=functools.partial(views.dataset, "pictures"),
        promise=functools.partial(_dataset_stays, "pictures"),
    ),
    "train": Scene(_TRAIN, _TINY, result=views.run, promise=views.run_is_sound),
    "train_overwrite": Scene(
        (*_TRAIN, "--overwrite", "--seed=1"), _TRAINED, result=views.run, promise=views.run_is_sound
    ),
    "train_longer": Scene(
        (*_TRAIN, "--epochs=3", "--schedule=constant", "--warmup=0"),
        (*_TINY, (*_TRAIN, "--schedule=constant", "--warmup=0")),
        result=views.run,
        promise=views.run_is_sound,
    ),
    "train_closing_report": Scene(
        _TRAIN, _TRAINED, changes=_without("run/report.html", "run/figures"), result=views.run
    ),
    "train_tensorboard": Scene(
        (*_TRAIN, "--tensorboard"), _TINY, result=views.run, promise=views.run_is_sound, exact=False
    ),
    "train_dry_run": Scene((*_TRAIN, "--dry_run"), _TINY),
    "evaluate": Scene(
        ("evaluate", "--workdir=run", "--split=test[:50]"), _TRAINED, result=views.run
    ),
    "report": Scene(("report", "--workdir=run"), _TRAINED, result=views.run),
    "report_tensorboard": Scene(
        ("report", "--workdir=run", "--tensorboard"), _TRAINED, result=views.run, exact=False
    ),
    "compare": Scene(("report", "--compare=run,run", "--output=page.html"), _TRAINED),
    "inspect": Scene(("inspect", "--data_dir=data", "--dataset=tiny", "--output_dir=pages"), _TINY),
    "export": Scene(
        _EXPORT, _TRAINED, result=views.newest, promise=views.versions_are_sound, exact=False
    ),
    "export_and_delete": Scene(
        (*_EXPORT, "--keep_versions=1"),
        _TRAINED,
        makes=_versions_of,
        result=views.kept,
        promise=views.versions_are_sound,
        exact=False,
    ),
    "rollback": Scene(
        ("export", "--export_dir=exports", "--model_name=m", "--rollback"),
        makes=functools.partial(_versions_of, count=4),
        promise=views.versions_are_sound,
        result=views.rolled_back,
        exact=False,
    ),
}
