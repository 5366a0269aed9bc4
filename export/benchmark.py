"""`digitline benchmark formats`: size, accuracy and speed of everything that was exported."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..base import catalog, command, export_layout, progress, tables
from ..base.command_flags import flag, flag_values, read
from ..base.errors import UsageError, UserError
from ..base.files import naming
from ..base.process import temporary
from . import latency
from .latency import Timing
from .options import MEDIAPIPE, VARIANTS

if TYPE_CHECKING:
    import numpy as np
    from absl.flags import FlagValues

_KIND = "formats"
_WHAT = "What to measure"
# Images that latencies are measured with.
_TIMED = 200


@dataclasses.dataclass(frozen=True, kw_only=True)
class FormatsOptions:
    """Which version to measure, and on which images."""

    workdir: Path | None = flag(
        None,
        "Run folder of the trained model, or its address (default: the newest finished run in "
        "runs).",
        group=_WHAT,
        remote=True,
    )
    export_dir: Path = flag(
        Path("exports"), "Root folder of exports, or its address.", group=_WHAT, remote=True
    )
    model_name: str | None = flag(
        None, "Name that it was published under (default: the network's).", group=_WHAT
    )
    version: int | None = flag(None, "Version (default: the newest).", group=_WHAT, at_least=1)
    split: str = flag(
        "test", "Split to compare every artifact and the trained model on.", group=_WHAT
    )
    data_dir: Path | None = flag(
        None,
        "Root folder of prepared datasets (default: where the run found it).",
        group=_WHAT,
        remote=True,
    )


@dataclasses.dataclass(frozen=True)
class Row(Timing):
    """One artifact, or the trained model, and its timing with one thread.

    Attributes:
      accuracy: on the split, 0 to 1.
      agreement: share of the images that get the trained model's class.
    """

    name: str
    bytes: int
    accuracy: float
    agreement: float
    all_threads: Timing


@dataclasses.dataclass(frozen=True)
class Measured:
    """The rows of a version, and how many threads all are."""

    model_name: str
    version: int
    split: str
    threads: int
    rows: tuple[Row, ...]


@dataclasses.dataclass(frozen=True)
class _Subject:
    """Something to measure: a kind of `latency.KINDS`, what people call it, where it is."""

    kind: str
    title: str
    path: Path

    @property
    def size(self) -> int:
        """In bytes; of a SavedModel, of its graph and variables."""
        files = [self.path]
        if self.path.is_dir():
            variables = (self.path / export_layout.VARIABLES).iterdir()
            files = [self.path / export_layout.SAVED_MODEL_FILE, *variables]
        return sum(file.stat().st_size for file in files)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Of an artifact: uint8 [N, H, W, C] to float32 [N, K]."""
        from ..serving import artifacts
        from .formats import onnx

        if self.kind == export_layout.ONNX:
            outputs = onnx.open_file(self.path).run(export_layout.DEFAULT_SIGNATURE, images)
        else:
            outputs = artifacts.OPENERS[self.kind](self.path).run(images)
        return outputs["probabilities"]


def run(options: FormatsOptions, seconds: float = latency.SECONDS) -> Measured:
    """Measures each artifact with one thread and with all, in `seconds` of calls with an image."""
    import numpy as np  # The imports here load TensorFlow.

    from ..data.pipeline.records import load
    from ..models.run.config import open_run_dataset
    from ..models.run.folder import Run
    from .gate.reference import reference_probabilities

    folder = Run(catalog.fetched(options.workdir or catalog.newest_run()))
    config, model = folder.load()
    dataset = open_run_dataset(config, options.data_dir)
    images, labels = (tensor.numpy() for tensor in load(dataset.split(options.split)))
    name = options.model_name or config.model
    catalog.fetch_exports(options.export_dir)
    version = _version(options, name)
    reference = reference_probabilities(model, config.preprocess, images)
    trained = _Subject(latency.KERAS, "Keras", folder.model)
    threads = os.cpu_count() or 1
    rows = []
    with temporary.folder() as folder_of_images:
        timed = folder_of_images / "images.npy"
        with naming(timed):
            np.save(timed, images[:_TIMED])
        for subject in (trained, *_published(options.export_dir, name, version)):
            progress.say(f"{subject.title}: comparing on {len(images):,} images")
            answers = reference if subject is trained else subject.probabilities(images)
            classes = answers.argmax(axis=1)
            progress.say(f"{subject.title}: timing")
            one_thread = _timed(subject, 1, timed, seconds)
            all_threads = one_thread if threads == 1 else _timed(subject, threads, timed, seconds)
            row = Row(
                **dataclasses.asdict(one_thread),
                name=subject.title,
                bytes=subject.size,
                accuracy=float((classes == labels).mean()),
                agreement=float((classes == reference.argmax(axis=1)).mean()),
                all_threads=all_threads,
            )
            rows.append(row)
    return Measured(name, version, options.split, threads, tuple(rows))


def _version(options: FormatsOptions, name: str) -> int:
    """The version to measure.

    Raises:
      UserError: it is not published.
    """
    from .publication.publish import published

    versions = published(options.export_dir, name)
    if not versions:
        raise UserError(
            f"{name} is not exported in {options.export_dir}: run digitline export first"
        )
    version = options.version or max(versions)
    if version not in versions:
        raise UserError(
            f"--version={version}: {name} has no such version in {options.export_dir} "
            f"(choose from: {', '.join(map(str, sorted(versions)))})"
        )
    return version


def _published(export_dir: Path, name: str, version: int) -> list[_Subject]:
    """What was published, of each format the largest first; MediaPipe's file takes colours."""
    saved_model, tflite, onnx = (
        export_layout.version_folder(export_dir, export_format, name, version)
        for export_format in export_layout.FORMATS
    )
    subjects = [
        _Subject(export_layout.SAVED_MODEL, "SavedModel", saved_model),
        *(
            _Subject(export_layout.TFLITE, f"TFLite {variant.name}", tflite / variant.file)
            for variant in VARIANTS.values()
            if variant is not MEDIAPIPE
        ),
        _Subject(export_layout.ONNX, "ONNX", onnx / export_layout.ONNX_FILE),
    ]
    there = [subject for subject in subjects if subject.path.exists()]
    order = export_layout.FORMATS.index
    return sorted(there, key=lambda subject: (order(subject.kind), -subject.size))


def _timed(subject: _Subject, threads: int, images: Path, seconds: float) -> Timing:
    """Times it in a process of its own."""
    module = f"{__package__}.latency"
    arguments = (subject.kind, subject.path.resolve(), threads, images, seconds)
    command_line = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command_line, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        reason = lines[-1] if lines else "it was killed"
        raise UserError(f"{subject.path}: cannot be timed: {reason}")
    return Timing(**json.loads(done.stdout.splitlines()[-1]))


def text(measured: Measured) -> str:
    """The table."""
    timing = ("p50 µs", "p99 µs", "images/s")
    headers = [
        *("artifact", "bytes", "accuracy", "same class"),
        *(f"one thread\n{column}" for column in timing),
        *(f"{measured.threads} threads\n{column}" for column in timing),
    ]
    rows = [
        [
            *(row.name, f"{row.bytes:,}", f"{row.accuracy:.2%}", f"{row.agreement:.2%}"),
            *(
                f"{figure:,.0f}"
                for timed in (row, row.all_threads)
                for figure in (timed.p50_us, timed.p99_us, timed.images_per_s)
            ),
        ]
        for row in measured.rows
    ]
    return (
        f"{measured.model_name}, version {measured.version}, on {measured.split}; one image: "
        f"median and 99th percentile\n\n{tables.table(headers, rows, range(1, len(headers)))}"
    )


def _options(values: FlagValues, arguments: list[str]) -> FormatsOptions:
    if arguments != [_KIND]:
        raise UsageError(f"benchmark what? Here: {_KIND}; got {' '.join(arguments) or 'nothing'}")
    return read(FormatsOptions, values)


COMMAND = command.Command(
    name="benchmark formats",
    summary="Measures all artifacts of a published version beside the trained model: size, "
    "accuracy, latency of one image and images per second of a batch (where a file takes one "
    "image at a time, of single images), each in a process of its own.",
    flags=flag_values(FormatsOptions),
    options=_options,
    run=run,
    text=text,
    arguments=_KIND,
)

if __name__ == "__main__":
    command.main(COMMAND)
