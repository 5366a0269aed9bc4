"""The stages of an export: load, check, write, verify, describe, publish."""

import dataclasses
import functools
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..base import export_layout, manifests, progress
from ..base.storage import staging
from ..models.evaluation.metrics import of_probabilities
from .formats import onnx, table
from .formats.artifact import Format
from .gate.comparison import Comparison
from .gate.explanation import Explanation
from .gate.messages import (
    Begin,
    Check,
    CheckDescription,
    CheckRuntimes,
    CheckSources,
    Classified,
    Compared,
    Described,
    RanIn,
    Ready,
)
from .gate.verifier import Verifier
from .options import ExportOptions
from .publication import card, manifest, publish, remote, samples, versions, warmup
from .publication.manifest import Answers, Version
from .runtimes import catalog
from .runtimes.ran import Ran
from .source import Source, load

# In the staging folder, beside the formats: what the trained model answers.
_ANSWERS = "answers.npz"


@dataclasses.dataclass(frozen=True)
class Exported:
    """A published version.

    Attributes:
      artifacts: their paths by name.
      verification: each artifact through each of its signatures.
      runtimes: what each made of each artifact that it is for.
      layers: with --explain, of each TFLite and ONNX file, how far each layer is from the model's.
      deleted_versions: by --keep_versions.
      seconds: that it took to `write` and to `verify`.
    """

    model_name: str
    version: int
    artifacts: dict[str, Path]
    verification: tuple[Comparison, ...]
    runtimes: tuple[Ran, ...]
    layers: tuple[Explanation, ...]
    deleted_versions: tuple[int, ...]
    seconds: dict[str, float]


def export(options: ExportOptions, verifier: Verifier) -> Exported:
    """Writes, verifies and publishes a version; a disagreement publishes nothing.

    Args:
      options: of the export.
      verifier: the process that checks, just started.

    Raises:
      VerificationError: an artifact disagrees, or the model is not good enough.
      UserError: the run, the dataset or the export folder cannot be used.
    """
    if export_layout.ONNX in options.formats:
        onnx.require_packages()
    catalog.choose(options.runtimes, options.runtime_python, options.formats)
    source = load(options)
    options = dataclasses.replace(options, split=source.compared.split.name)
    name = source.trained.name
    with publish.staging(options.export_dir, lambda: _fetch(options, name)) as staged:
        number = options.version or publish.next_version(options.export_dir, name)
        names = list(dict.fromkeys(options.formats))
        targets = publish.targets(options.export_dir, name, number, names)
        verifier.send(_begin(options, name, staged))
        start = time.monotonic()
        answered = functools.cache(lambda: _answers(verifier, staged, source))
        formats = table.formats(options, source.calibration, lambda: answered().certainty.threshold)
        folders = {name: staged / name for name in names}
        for export_format in formats:
            progress.say(f"writing {export_format.name}")
            folder = folders[export_format.name]
            _write(export_format, options, source, folder)
            verifier.send(Check(export_format.name, folder))
        verifier.send(CheckRuntimes())
        verifier.send(CheckSources(staged, tuple(names)))
        written = time.monotonic()
        answers = answered()
        compared = [verifier.receive(Compared) for _ in formats]
        comparisons = tuple(each for answer in compared for each in answer.comparisons)
        ran = verifier.receive(RanIn).runs
        checked = verifier.receive(Classified).files
        ended = time.monotonic()
        version = Version(source, answers, number, comparisons, ran, checked)
        _describe(version, formats, staged)
        described = {name: manifests.digests(folder) for name, folder in folders.items()}
        places = tuple(targets[name] for name in names)
        verifier.send(CheckDescription(staged, tuple(names), number, places))
        verifier.receive(Described)
        # What the other process has seen, which may be more than what lay there when it was asked.
        verified = {
            name: manifests.stated(answer.files)
            for name, answer in zip(names, compared, strict=True)
        }
        manifests.require_unchanged(folders, verified, export_layout.DESCRIPTIONS)
        publish.publish(staged, targets, described)
        deleted = []
        if options.keep_versions:
            deleted = versions.keep_newest(options.export_dir, name, options.keep_versions)
            remote.push_changes(options.export_dir, name)
    return Exported(
        model_name=name,
        version=number,
        artifacts={
            artifact.name: targets[export_format.name] / artifact.path
            for export_format in formats
            for artifact in export_format.artifacts
        },
        verification=comparisons,
        runtimes=ran,
        layers=tuple(each for answer in compared for each in answer.explanations),
        deleted_versions=tuple(deleted),
        seconds={"write": written - start, "verify": ended - written},
    )


def _fetch(options: ExportOptions, name: str) -> None:
    """Brings what is needed of an export folder in an object store."""
    remote.fetch(options.export_dir, name, whole=bool(options.keep_versions))
    if options.must_beat:
        staging.stage(_beaten(options, name))


def _beaten(options: ExportOptions, name: str) -> Path:
    number = options.must_beat or 0
    return export_layout.version_folder(options.export_dir, export_layout.SAVED_MODEL, name, number)


def _begin(options: ExportOptions, name: str, staged: Path) -> Begin:
    beat = _beaten(options, name) if options.must_beat else None
    return Begin(options, staged / _ANSWERS, beat)


def _write(export_format: Format, options: ExportOptions, source: Source, folder: Path) -> None:
    """Writes a format into a version's folder; with a SavedModel, warm-up and samples too."""
    export_format.write(source.trained, folder)
    if export_format.name == export_layout.SAVED_MODEL:
        extra, compared = folder / export_layout.EXTRA, source.compared
        warmup.write(source.trained, compared.images[0], extra)
        classes = len(source.trained.label_names)
        samples.write(
            compared.images, compared.labels, classes, options.samples, compared.split.name, extra
        )


def _answers(verifier: Verifier, staged: Path, source: Source) -> Answers:
    """The trained model's, once the verifying process has them."""
    verifier.receive(Ready)
    return read_answers(staged, source)


def read_answers(staged: Path, source: Source) -> Answers:
    """The trained model's, as the verifying process wrote them."""
    with np.load(staged / _ANSWERS) as arrays:
        return Answers(
            of_probabilities(source.compared.labels, arrays["compared"]),
            of_probabilities(source.validation.labels, arrays["validation"]),
            source.validation.split.name,
        )


def _describe(version: Version, formats: Sequence[Format], staged: Path) -> None:
    """Writes the manifests, and the model card beside the TFLite files."""
    artifacts = [artifact for export_format in formats for artifact in export_format.artifacts]
    for export_format in formats:
        folder = staged / export_format.name
        if export_format.name == export_layout.TFLITE:
            card.write(version, artifacts, folder)
        manifest.write(version, export_format.artifacts, folder)
