"""The stages of an export: load, check, write, verify, describe, publish."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..base import export_layout, files, progress
from ..base.files import JsonObject
from ..data.pipeline import salvage
from ..data.pipeline.records import load
from ..models.evaluation.metrics import of_probabilities
from ..models.run.config import RunConfig, open_run_dataset
from ..models.run.folder import Run
from .formats import onnx, tflite
from .formats.table import Format, formats_of
from .functions import TrainedModel
from .gate import gate
from .gate.comparison import Comparison
from .gate.gate import Reference
from .options import ExportOptions
from .publication import card, manifest, publish, samples, versions, warmup
from .publication.manifest import Calibration, Version


@dataclasses.dataclass(frozen=True)
class Seconds:
    """How long the parts of an export took."""

    write: float
    verify: float


@dataclasses.dataclass(frozen=True)
class Exported:
    """A published version.

    Attributes:
      model_name, version: under which it is published.
      artifacts: their paths by name.
      verification: each artifact through each of its signatures.
      deleted_versions: by --keep_versions.
      seconds: of writing and of comparing.
    """

    model_name: str
    version: int
    artifacts: dict[str, Path]
    verification: tuple[Comparison, ...]
    deleted_versions: tuple[int, ...]
    seconds: Seconds


@dataclasses.dataclass(frozen=True)
class _Source:
    """What is exported.

    Attributes:
      name: to publish under.
      config: of the run.
      run: the content of the run's `config.json`.
      reference: the model, and the images of --split.
      calibration: uint8 [n, H, W, C], of the training split; None without an int8 file.
    """

    name: str
    config: RunConfig
    run: JsonObject
    reference: Reference
    calibration: np.ndarray | None


def export(options: ExportOptions) -> Exported:
    """Writes, verifies and publishes a version; a disagreement publishes nothing.

    Raises:
      VerificationError: an artifact disagrees, or the model is not good enough.
      UserError: the run, the dataset or the export folder cannot be used.
    """
    if export_layout.ONNX in options.formats:
        onnx.require_packages()
    source = _load(options)
    formats = _formats(options, source)
    with publish.staging(options.export_dir) as staged:
        number = options.version or publish.next_version(options.export_dir, source.name)
        names = [export_format.name for export_format in formats]
        targets = publish.targets(options.export_dir, source.name, number, names)
        _require_accuracy(options, source)
        start = time.monotonic()
        _write(options, source, formats, staged)
        written = time.monotonic()
        comparisons = tuple(
            comparison
            for export_format in formats
            for artifact in export_format.artifacts
            for comparison in gate.comparisons(
                artifact, staged / export_format.name, source.reference
            )
        )
        verified = time.monotonic()
        _describe(_version(options, source, number, comparisons), formats, staged)
        publish.publish(staged, targets)
        deleted = []
        if options.keep_versions:
            deleted = versions.keep_newest(options.export_dir, source.name, options.keep_versions)
    return Exported(
        model_name=source.name,
        version=number,
        artifacts={
            artifact.name: targets[export_format.name] / artifact.path
            for export_format in formats
            for artifact in export_format.artifacts
        },
        verification=comparisons,
        deleted_versions=tuple(deleted),
        seconds=Seconds(written - start, verified - written),
    )


def _load(options: ExportOptions) -> _Source:
    """Reads the run, the images of --split, and the first training images for int8's ranges."""
    folder = Run(options.workdir)
    config, model = folder.load()
    data_dir = None if options.data_dir is None else str(options.data_dir)
    dataset = open_run_dataset(config, data_dir)
    names = [options.split]
    if options.has_int8:
        names.append(config.dataset.train_split)
    splits = [dataset.split(name) for name in names]
    with salvage.sound(splits, options.max_corrupt_records) as (splits, _):
        images, labels = (tensor.numpy() for tensor in load(splits[0]))
        calibration = None
        if options.has_int8:  # The first of the training split, never of another.
            calibration = load(splits[1].cut(0, options.calibration_images))[0].numpy()
    trained = TrainedModel(
        model,
        config.preprocess,
        config.label_names,
        encoding=dataset.encoding,
        dark_on_light=options.dark_on_light,
    )
    return _Source(
        name=options.model_name or config.model,
        config=config,
        run=files.read_json(folder.config),
        reference=Reference(trained, images, labels),
        calibration=calibration,
    )


def _formats(options: ExportOptions, source: _Source) -> tuple[Format, ...]:
    variants = dict.fromkeys(options.tflite_variants)
    return formats_of(
        options.formats,
        tflite.Options(
            variants=tuple(tflite.VARIANTS[name] for name in variants),
            batch_size=options.tflite_batch_size,
            integer_io=options.tflite_io == "int8",
            calibration=source.calibration,
            c_header=source.name if options.c_header else None,
        ),
    )


def _require_accuracy(options: ExportOptions, source: _Source) -> None:
    """Refuses a model that is too bad, before anything is written."""
    gate.require_accuracy(source.reference, options.min_accuracy)
    if options.must_beat:
        folder = export_layout.version_folder(
            options.export_dir, export_layout.SAVED_MODEL, source.name, options.must_beat
        )
        gate.require_better(source.reference, folder)


def _write(
    options: ExportOptions, source: _Source, formats: Sequence[Format], staged: Path
) -> None:
    """Writes each format into `staged/<format>`; with a SavedModel, warm-up and samples too."""
    trained, images = source.reference.trained, source.reference.images
    for export_format in formats:
        progress.say(f"writing {export_format.name}")
        export_format.write(trained, staged / export_format.name)
    if export_layout.SAVED_MODEL in options.formats:
        extra = staged / export_layout.SAVED_MODEL / export_layout.EXTRA
        warmup.write(trained, source.name, images[0], extra)
        rows = samples.of_classes(
            source.reference.labels,
            len(trained.label_names),
            options.samples,
            images[0, ..., 0].size,
        )
        samples.write(images, rows, options.split, extra)


def _version(
    options: ExportOptions, source: _Source, number: int, comparisons: tuple[Comparison, ...]
) -> Version:
    calibration = None
    if source.calibration is not None:
        calibration = Calibration(len(source.calibration), source.config.dataset.train_split)
    return Version(
        model_name=source.name,
        version=number,
        config=source.config,
        run=source.run,
        split=options.split,
        evaluation=of_probabilities(source.reference.labels, source.reference.probabilities),
        comparisons=comparisons,
        dark_on_light=options.dark_on_light,
        calibration=calibration,
    )


def _describe(version: Version, formats: Sequence[Format], staged: Path) -> None:
    """Writes the manifests, and the model card beside the TFLite files."""
    artifacts = [artifact for export_format in formats for artifact in export_format.artifacts]
    for export_format in formats:
        folder = staged / export_format.name
        if export_format.name == export_layout.TFLITE:
            card.write(version, artifacts, folder)
        manifest.write(version, export_format.artifacts, folder)
