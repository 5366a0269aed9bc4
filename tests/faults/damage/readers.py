"""The commands that read files: which they read, and what they find when nothing is damaged."""

import dataclasses
import functools
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

from . import server, tree

_DATA = tuple(
    f"{tree.DATA}/{name}"
    for name in ("*.json", "*.labels.txt", "*-train.tfrecord*", "*-test.tfrecord*")
)
_RUN = ("config.json", "training.json", "evaluation.json", "model.keras")
_DONE = tuple(f"runs/done/{name}" for name in _RUN)
_BOX = tuple(
    f"{tree.BOX}/{name}"
    for name in ("model.tflite", "labels.txt", "pictures.json", "manifest.json")
)
_SAVED_MODEL = tuple(
    f"exports/saved_model/softmax/1/{name}"
    for name in ("*.pb", "variables/*", "assets/*", "pictures.json", "assets.extra/digitline.json")
)
# What no two runs have in common; and when a file was changed, which damage does.
_VOLATILE = {"seconds", "images_per_s", "resumed_from", "log", "changed"}


@dataclasses.dataclass(frozen=True)
class Reader:
    """A command that reads.

    Attributes:
      words: of its command line.
      reads: patterns of the files that it reads.
      run: the run whose weights it makes, if any.
      slow: whether it is for long tests only.
      tells: whether it is to tell of damage, of all that there is, as its result.
      free: whether its files are people's own: what can be read of them is what they mean.
      before: is called in the process first, as `forks.run` takes it.
    """

    words: tuple[str, ...]
    reads: tuple[str, ...]
    run: str | None = None
    slow: bool = False
    tells: bool = False
    free: bool = False
    before: Callable[[], object] | None = None

    @property
    def needs_run(self) -> bool:
        return any("runs/" in word for word in self.words)

    def found(self, folder: Path, out: str) -> object:
        """What it found, without what differs from time to time."""
        weights = None
        if self.run is not None:
            with zipfile.ZipFile(folder / self.run / "model.keras") as archive:
                weights = archive.getinfo("model.weights.h5").CRC
        return _steady(json.loads(out.splitlines()[0] if self.before else out)), weights


def _steady(value: object) -> object:
    if isinstance(value, dict):
        value = {key: _steady(inner) for key, inner in value.items() if key not in _VOLATILE}
        if "runs" in value:  # By when they were changed.
            value["runs"] = sorted(value["runs"], key=lambda run: run["workdir"])
        return value
    return [_steady(inner) for inner in value] if isinstance(value, list) else value


def _evaluating(artifact: str) -> tuple[str, ...]:
    flags = (f"--dataset={tree.DATASET}", "--data_dir=data", "--split=test[:50]", "--json")
    return ("evaluate", artifact, *flags)


def _serving(*flags: str) -> tuple[str, ...]:
    return ("serve", *flags, "--port=0", "--max_num_load_retries=0")


READERS = {
    "resume": Reader(
        tree.BEGUN,
        (
            *(f"runs/begun/{name}" for name in ("*.json", "*.jsonl", "checkpoints/*", "cache/*")),
            "runs/begun/.lock",
            *_DATA,
        ),
        "runs/begun",
    ),
    "train again": Reader(tree.DONE, (*_DONE, "runs/done/.lock", *_DATA)),
    "begin with": Reader(
        (*tree.TRAIN, "--workdir=runs/new", "--init_from=runs/done", "--max_steps=3"),
        _DONE,
        "runs/new",
    ),
    "evaluate": Reader(
        ("evaluate", "--workdir=runs/done", "--split=test", "--json"), (*_DONE, *_DATA)
    ),
    "report": Reader(
        ("report", "--workdir=runs/done", "--split=test[:50]", "--json"),
        (*_DONE, "runs/done/metrics.jsonl", *_DATA),
    ),
    "report of one that is not finished": Reader(
        ("report", "--workdir=runs/begun", "--json"),
        ("runs/begun/config.json", "runs/begun/metrics.jsonl"),
    ),
    "report for TensorBoard": Reader(
        tree.BOARDS,
        ("runs/other/tensorboard/*", "runs/other/tensorboard/projector/*"),
        slow=True,
    ),
    "compare": Reader(
        ("report", "--compare", "runs/done", "runs/other", "--json"),
        (*_DONE, "runs/done/metrics.jsonl"),
    ),
    "list": Reader(
        ("list", "--data_dir=data", "--json"),
        (  # Without its model, a run is not finished; without its figures, it has none.
            *("runs/done/config.json", _BOX[-1]),
            *(f"{tree.DATA}/{name}" for name in ("features.json", "dataset_info.json")),
        ),
        tells=True,
    ),
    "prepare": Reader((*tree.PREPARE, "--source_dir=../source", "--data_dir=data"), _DATA),
    "inspect": Reader(
        ("inspect", f"--dataset={tree.DATASET}", "--data_dir=data", "--verify", "--json"), _DATA
    ),
    "predict": Reader(
        ("predict", f"--tflite={tree.BOX}/model.tflite", "picture.png", "--json"), _BOX
    ),
    "evaluate a TFLite file": Reader(
        _evaluating(f"--tflite={tree.BOX}/model.tflite"), (*_BOX, *_DATA[:2], _DATA[3])
    ),
    "verify": Reader(
        ("export", f"--verify_only={tree.BOX}", "--json"), (f"{tree.BOX}/*",), tells=True
    ),
    "export": Reader(
        (*tree.EXPORT, "--export_dir=out", "--formats=tflite"), (*_DONE, *_DATA), slow=True
    ),
    "predict by a SavedModel": Reader(
        ("predict", "--saved_model=exports/saved_model/softmax", "picture.png", "--json"),
        _SAVED_MODEL,
        slow=True,
    ),
    "predict by a run": Reader(
        ("predict", "--workdir=runs/done", "picture.png", "--json"),
        (
            *("runs/done/config.json", "exports/tflite/softmax/1/manifest.json"),
            "exports/tflite/softmax/1/model.tflite",
        ),
        slow=True,
    ),
    "evaluate a SavedModel": Reader(
        _evaluating("--saved_model=exports/saved_model/softmax"), _SAVED_MODEL, slow=True
    ),
    "serve": Reader(
        _serving(f"--model_base_path={Path(tree.BOX).parent}", "--model_name=tiny"),
        _BOX,
        tells=True,
        before=functools.partial(server.ask, "tiny"),
    ),
    "serve by config files": Reader(
        _serving(
            *("--model_config_file=models.config", "--monitoring_config_file=monitoring.config"),
            *("--enable_batching", "--batching_parameters_file=batching.config"),
        ),
        tuple(tree.CONFIGS),
        free=True,
        before=functools.partial(server.ask, "tiny"),
    ),
    "serve a SavedModel": Reader(
        _serving("--model_base_path=exports/saved_model/softmax", "--model_name=softmax"),
        (*_SAVED_MODEL, "exports/saved_model/softmax/1/assets.extra/*"),
        tells=True,
        slow=True,
        before=functools.partial(server.ask, "softmax"),
    ),
}
