"""The stages of an export: load, check, write, verify, describe, publish."""

import dataclasses
import functools
import time
from collections.abc import Sequence
from pathlib import Path

from ..base import catalog, export_layout, files, manifests, progress
from ..data.pipeline import salvage
from ..data.pipeline.records import load
from ..models.evaluation.metrics import of_probabilities
from ..models.run.config import open_run_dataset
from ..models.run.folder import Run
from .formats import onnx, saved_model, tflite
from .formats.artifact import Format
from .functions import TrainedModel
from .gate import gate, sources
from .gate.comparison import Comparison
from .gate.gate import Reference
from .options import ExportOptions
from .publication import card, manifest, publish, samples, versions, warmup
from .publication.manifest import Certainty, Source, Version


@dataclasses.dataclass(frozen=True)
class Exported:
    """A published version.

    Attributes:
      artifacts: their paths by name.
      verification: each artifact through each of its signatures.
      deleted_versions: by --keep_versions.
      seconds: that it took to `write` and to `verify`.
    """

    model_name: str
    version: int
    artifacts: dict[str, Path]
    verification: tuple[Comparison, ...]
    deleted_versions: tuple[int, ...]
    seconds: dict[str, float]


def export(options: ExportOptions) -> Exported:
    """Writes, verifies and publishes a version; a disagreement publishes nothing.

    Raises:
      VerificationError: an artifact disagrees, or the model is not good enough.
      UserError: the run, the dataset or the export folder cannot be used.
    """
    if export_layout.ONNX in options.formats:
        onnx.require_packages()
    source = _load(options)
    name = source.reference.trained.name
    formats = _formats(options, source)
    with publish.staging(options.export_dir) as staged:
        number = options.version or publish.next_version(options.export_dir, name)
        names = [export_format.name for export_format in formats]
        targets = publish.targets(options.export_dir, name, number, names)
        gate.require_accuracy(source.reference, options.min_accuracy)
        if options.must_beat:
            folder = export_layout.version_folder(
                options.export_dir, export_layout.SAVED_MODEL, name, options.must_beat
            )
            gate.require_better(source.reference, folder)
        start = time.monotonic()
        _write(options, source, formats, staged)
        written = time.monotonic()
        folders = {name: staged / name for name in names}
        before = {name: manifests.digests(folder) for name, folder in folders.items()}
        comparisons = tuple(
            comparison
            for export_format in formats
            for artifact in export_format.artifacts
            for comparison in gate.comparisons(
                artifact, staged / export_format.name, source.reference
            )
        )
        checked = sources.check(source.split, source.reference, folders)
        verified = time.monotonic()
        version = Version(source, number, options.split, comparisons, checked)
        _describe(version, formats, staged)
        described = {name: manifests.digests(folder) for name, folder in folders.items()}
        publish.require_unchanged(folders, before, export_layout.DESCRIPTIONS)
        publish.publish(staged, targets, described)
        deleted = []
        if options.keep_versions:
            deleted = versions.keep_newest(options.export_dir, name, options.keep_versions)
    return Exported(
        model_name=name,
        version=number,
        artifacts={
            artifact.name: targets[export_format.name] / artifact.path
            for export_format in formats
            for artifact in export_format.artifacts
        },
        verification=comparisons,
        deleted_versions=tuple(deleted),
        seconds={"write": written - start, "verify": verified - written},
    )


def _load(options: ExportOptions) -> Source:
    """Reads the run and the images of --split; the first training images give int8's ranges.

    The validation split gives the probability below which the model is not sure.
    """
    folder = Run(options.workdir or catalog.newest_run())
    config, model = folder.load()
    dataset = open_run_dataset(config, options.data_dir)
    validation_split = config.dataset.validation_split
    names = [options.split, validation_split]
    if options.has_int8:
        names.append(config.dataset.train_split)
    splits = [dataset.split(name) for name in names]
    with salvage.sound(splits, options.max_corrupt_records) as (splits, _):
        images, labels = (tensor.numpy() for tensor in load(splits[0]))
        validation_images, validation_labels = (tensor.numpy() for tensor in load(splits[1]))
        calibration = None
        if options.has_int8:  # The first of the training split, never of another.
            calibration = load(splits[2].cut(0, options.calibration_images))[0].numpy()
    trained = TrainedModel(
        model,
        config.preprocess,
        config.label_names,
        config.pictures,
        encoding=dataset.encoding,
        dark_on_light=options.dark_on_light,
        name=options.model_name or config.model,
    )
    validation = Reference(trained, validation_images, validation_labels)
    evaluation = of_probabilities(validation.labels, validation.probabilities)
    certainty = Certainty.of(evaluation, validation_split)
    run = files.read_json(folder.config)
    reference = Reference(trained, images, labels)
    return Source(config, run, reference, splits[0], certainty, calibration)


def _formats(options: ExportOptions, source: Source) -> list[Format]:
    """Each format of --formats once."""
    write_tflite = functools.partial(tflite.write, options=options, calibration=source.calibration)
    known = {
        export_layout.SAVED_MODEL: (saved_model.write, (saved_model.ARTIFACT,)),
        export_layout.TFLITE: (write_tflite, tflite.artifacts(options)),
        export_layout.ONNX: (onnx.write, (onnx.ARTIFACT,)),
    }
    return [Format(name, *known[name]) for name in dict.fromkeys(options.formats)]


def _write(options: ExportOptions, source: Source, formats: Sequence[Format], staged: Path) -> None:
    """Writes each format into `staged/<format>`; with a SavedModel, warm-up and samples too."""
    trained, images = source.reference.trained, source.reference.images
    for export_format in formats:
        progress.say(f"writing {export_format.name}")
        export_format.write(trained, staged / export_format.name)
    if export_layout.SAVED_MODEL in options.formats:
        extra = staged / export_layout.SAVED_MODEL / export_layout.EXTRA
        warmup.write(trained, images[0], extra)
        labels, classes = source.reference.labels, len(trained.label_names)
        samples.write(images, labels, classes, options.samples, options.split, extra)


def _describe(version: Version, formats: Sequence[Format], staged: Path) -> None:
    """Writes the manifests, and the model card beside the TFLite files."""
    artifacts = [artifact for export_format in formats for artifact in export_format.artifacts]
    for export_format in formats:
        folder = staged / export_format.name
        if export_format.name == export_layout.TFLITE:
            card.write(version, artifacts, folder)
        manifest.write(version, export_format.artifacts, folder)
