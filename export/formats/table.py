"""The formats that the exporter writes: how each is written, opened and described."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...base import export_layout, files
from ...serving import artifacts as serving_artifacts
from .. import signatures
from ..functions import Classifier
from ..publication import card
from . import mediapipe, metadata, onnx, saved_model, tflite
from .artifact import Artifact, Opened, Outputs, agreed_labels


@dataclasses.dataclass(frozen=True)
class Format:
    """A folder of artifacts that is published as one.

    Attributes:
      name: as in `--formats`; also the folder below the export folder.
      write: writes the artifacts into a version's folder.
      artifacts: what it writes.
      describe: writes what else goes beside the artifacts, from a version's facts and all
        its artifacts.
    """

    name: str
    write: Callable[[Classifier, Path, tflite.Options], None]
    artifacts: Callable[[tflite.Options], tuple[Artifact, ...]]
    describe: Callable[[Path, dict[str, Any], tuple[Artifact, ...]], None]


def _open_saved_model(folder: Path) -> Opened:
    model = serving_artifacts.SavedModel(folder)

    def run(name: str, values: np.ndarray) -> Outputs:
        (key,) = model.signatures[name]
        return model.run(name, {key: values})

    labels = export_layout.labels_of(folder).read_text(encoding="utf-8").splitlines()
    return Opened(tuple(labels), run)


def _open_tflite(path: Path) -> Opened:
    found = serving_artifacts.open_tflite(path)

    def run(name: str, values: np.ndarray) -> Outputs:
        del name  # There is one.
        outputs = found.run(values)
        if outputs["classes"].dtype == np.int32:  # As the signature has it.
            outputs["classes"] = outputs["classes"].astype(np.int64)
        return outputs

    return Opened(agreed_labels(path, metadata.labels(path)), run)


def _saved_model_artifacts(options: tflite.Options) -> tuple[Artifact, ...]:
    del options
    return (
        Artifact(
            name=export_layout.SAVED_MODEL,
            title="SavedModel",
            path="",
            signatures=signatures.SAVED_MODEL,
            batch_size=None,
            max_accuracy_change=None,
            open=_open_saved_model,
        ),
    )


def _tflite_artifacts(options: tflite.Options) -> tuple[Artifact, ...]:
    return tuple(
        Artifact(
            name="tflite" if variant is tflite.FLOAT32 else f"tflite_{variant.name}",
            title=f"TFLite {variant.name}",
            path=variant.file,
            signatures=(tflite.signature_of(variant, options),),
            batch_size=tflite.batch_size_of(variant, options),
            max_accuracy_change=variant.max_accuracy_change,
            open=mediapipe.open_file if variant is tflite.MEDIAPIPE else _open_tflite,
        )
        for variant in options.variants
    )


def _onnx_artifacts(options: tflite.Options) -> tuple[Artifact, ...]:
    del options
    return (
        Artifact(
            name=export_layout.ONNX,
            title="ONNX",
            path=export_layout.ONNX_FILE,
            signatures=(signatures.SERVING_DEFAULT,),
            batch_size=None,
            max_accuracy_change=None,
            open=onnx.open_file,
        ),
    )


def _nothing_beside(folder: Path, facts: dict[str, Any], artifacts: tuple[Artifact, ...]) -> None:
    del folder, facts, artifacts


def _describe_tflite(folder: Path, facts: dict[str, Any], artifacts: tuple[Artifact, ...]) -> None:
    text = card.model_card(facts, artifacts, card.digests(folder))
    files.write_text(folder / export_layout.CARD, text)


# The functions are looked up when they are called, so that a test can plant a fault.
FORMATS = {
    each.name: each
    for each in (
        Format(
            name=export_layout.SAVED_MODEL,
            write=lambda subject, folder, options: saved_model.write(subject, folder),
            artifacts=_saved_model_artifacts,
            describe=_nothing_beside,
        ),
        Format(
            name=export_layout.TFLITE,
            write=lambda *arguments: tflite.write(*arguments),
            artifacts=_tflite_artifacts,
            describe=_describe_tflite,
        ),
        Format(
            name=export_layout.ONNX,
            write=lambda subject, folder, options: onnx.write(subject, folder),
            artifacts=_onnx_artifacts,
            describe=_nothing_beside,
        ),
    )
}
NAMES = tuple(FORMATS)
