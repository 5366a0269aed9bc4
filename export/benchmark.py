"""`digitline benchmark formats`: size, accuracy and speed of everything that was exported."""

import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from absl import flags

from ..base import command, export_layout, progress
from ..base.errors import UsageError, UserError

FLAGS = command.new_flags()
_WHAT = command.group(FLAGS, "What to measure")

flags.DEFINE_string("workdir", "runs/lenet5", "Run folder of the trained model.", **_WHAT)
flags.DEFINE_string("export_dir", "exports", "Root folder of exports.", **_WHAT)
flags.DEFINE_string(
    "model_name", None, "Name that it was published under (default: the network's).", **_WHAT
)
flags.DEFINE_integer("version", None, "Version (default: the newest).", lower_bound=1, **_WHAT)
flags.DEFINE_string(
    "split", "test", "Split to compare every artifact and the trained model on.", **_WHAT
)
flags.DEFINE_string(
    "data_dir", None, "Root folder of prepared datasets (default: where the run found it).", **_WHAT
)

_KIND = "formats"
# Images that latencies are measured with.
_TIMED = 200


def run(values: Any, arguments: list[str]) -> dict[str, Any]:
    """Measures each artifact, with one thread and with all."""
    if arguments != [_KIND]:
        raise UsageError(f"benchmark what? Here: {_KIND}; got {' '.join(arguments) or 'nothing'}")
    import numpy as np  # The imports here load TensorFlow.

    from ..data.pipeline.records import load
    from ..models.run import Run, open_run_dataset
    from .gate import comparison as verify

    folder = Run(Path(values.workdir))
    config, model = folder.load()
    dataset = open_run_dataset(config, values.data_dir)
    images, labels = (each.numpy() for each in load(dataset.split(values.split)))
    name = values.model_name or config.model
    export_dir = Path(values.export_dir)
    version = values.version or _newest(export_dir, name)
    reference = verify.reference_probabilities(model, config.preprocess, images)
    rows = [_row("Keras", folder.model.stat().st_size, reference, reference, labels)]
    places = [("keras", folder.workdir)]
    for kind, title, path, answers in _artifacts(export_dir, name, version, images):
        progress.say(f"{title}: comparing on {len(images):,} images")
        rows.append(_row(title, _size(path), answers(), reference, labels))
        places.append((kind, path))
    threads = os.cpu_count() or 1
    with tempfile.TemporaryDirectory(prefix="digitline-") as temporary:
        timed = Path(temporary, "images.npy")
        np.save(timed, images[:_TIMED])
        for row, (kind, path) in zip(rows, places, strict=True):
            progress.say(f"{row['name']}: timing")
            row |= _timed(kind, path, 1, timed)
            row["all_threads"] = _timed(kind, path, threads, timed)
    return {
        "model_name": name,
        "version": version,
        "split": values.split,
        "threads": threads,
        "rows": rows,
    }


def _newest(export_dir: Path, name: str) -> int:
    from .publication import versions

    found = versions.published(export_dir, name)
    if not found:
        raise UserError(f"{name} is not exported in {export_dir}: run digitline export first")
    return max(found)


def _artifacts(export_dir: Path, name: str, version: int, images: Any) -> list[tuple[Any, ...]]:
    """(kind, title, path, a function to its probabilities) of what was published."""
    from ..serving import artifacts as runtime
    from . import signatures
    from .formats import onnx

    def answers(opener: Any, path: Path) -> Any:
        return lambda: opener(path).run(images)["probabilities"]

    found: list[tuple[Any, ...]] = []
    place = functools.partial(export_layout.version_folder, export_dir, name=name, version=version)
    saved = place(export_layout.SAVED_MODEL)
    if saved.is_dir():
        found.append(("saved_model", "SavedModel", saved, answers(runtime.open_saved_model, saved)))
    for path in sorted(place(export_layout.TFLITE).glob(export_layout.TFLITE_FILES)):
        variant = path.stem.partition("model")[2].lstrip("_") or "float32"
        if variant == "mediapipe":
            continue  # It takes colour pictures.
        title = f"TFLite {variant}"
        found.append(("tflite", title, path, answers(runtime.open_tflite, path)))
    exported = place(export_layout.ONNX) / export_layout.ONNX_FILE
    if exported.is_file():
        name_in = signatures.SERVING_DEFAULT.name
        found.append(
            (
                "onnx",
                "ONNX",
                exported,
                lambda: onnx.open_file(exported).run(name_in, images)["probabilities"],
            )
        )
    # The plain float32 file first, then by size.
    return sorted(found, key=lambda each: (each[0] == "onnx", each[0] == "tflite", -_size(each[2])))


def _size(path: Path) -> int:
    """In bytes; of a SavedModel, of its graph and variables."""
    if path.is_file():
        return path.stat().st_size
    variables = path / export_layout.VARIABLES
    parts = [path / export_layout.SAVED_MODEL_FILE, *variables.iterdir()]
    return sum(part.stat().st_size for part in parts)


def _row(title: str, size: int, found: Any, reference: Any, labels: Any) -> dict[str, Any]:
    classes = found.argmax(axis=1)
    return {
        "name": title,
        "bytes": size,
        "accuracy": float((classes == labels).mean()),
        "agreement": float((classes == reference.argmax(axis=1)).mean()),
    }


def _timed(kind: str, path: Path, threads: int, images: Path) -> dict[str, float]:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            f"{__package__}.latency",
            kind,
            str(path.resolve()),
            str(threads),
            str(images),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise UserError(f"{path}: cannot be timed: {lines[-1] if lines else 'it was killed'}")
    return json.loads(done.stdout.splitlines()[-1])


def text(result: dict[str, Any]) -> str:
    """The table."""
    lines = [
        f"{result['model_name']}, version {result['version']}, on {result['split']}; one image: "
        "median and 99th percentile",
        "",
        f"{'':<22}{'':>11}{'':>10}{'same':>9}{'one thread':>28}"
        f"{str(result['threads']) + ' threads':>28}",
        f"{'':<22}{'bytes':>11}{'accuracy':>10}{'class':>9}"
        + f"{'p50 µs':>9}{'p99 µs':>9}{'images/s':>10}" * 2,
    ]
    for row in result["rows"]:
        lines.append(
            f"{row['name']:<22}{row['bytes']:>11,}{row['accuracy']:>10.2%}{row['agreement']:>9.2%}"
            + "".join(
                f"{each['p50_us']:>9,.0f}{each['p99_us']:>9,.0f}{each['images_per_s']:>10,.0f}"
                for each in (row, row["all_threads"])
            )
        )
    return "\n".join(lines)


COMMAND = command.from_values(
    name="benchmark formats",
    summary="Measures all artifacts of a published version beside the trained model: size, "
    "accuracy, latency of one image and images per second of a batch (where a file takes one "
    "image at a time, of single images), each in a process of its own.",
    flags=FLAGS,
    run=run,
    text=text,
    arguments=_KIND,
)

if __name__ == "__main__":
    command.main(COMMAND)
