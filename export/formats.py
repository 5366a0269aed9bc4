"""The formats that the exporter writes: how each is written, opened and described."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..base import files
from ..base.tf import keras
from ..data.preprocess import Preprocess
from ..serving import runtime
from . import card, saved_model, signatures, tflite


@dataclasses.dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
      name: as in `--formats`; also the folder below the export folder.
      title: as people call it.
      artifact: what of a version's folder is handed to a program; empty for the folder.
      signatures: that it carries.
      batch_size: that its signatures are fixed to; None where it is open.
      write: writes the artifact into a version's folder.
      open: opens the artifact, from its files alone.
      describe: writes the manifest and what else goes beside the artifact.
    """

    name: str
    title: str
    artifact: str
    signatures: tuple[signatures.Signature, ...]
    batch_size: int | None
    write: Callable[[keras.Model, Preprocess, tuple[str, ...], Path], None]
    open: Callable[[Path], runtime.Classifier]
    describe: Callable[[Path, dict[str, Any]], None]


def _describe_saved_model(folder: Path, manifest: dict[str, Any]) -> None:
    files.write_json(folder / saved_model.MANIFEST, manifest)


def _describe_tflite(folder: Path, manifest: dict[str, Any]) -> None:
    files.write_json(folder / tflite.MANIFEST, manifest)
    files.write_text(folder / tflite.CARD, card.model_card(manifest))


# The functions are looked up when they are called, so that a test can plant a fault.
FORMATS = {
    each.name: each
    for each in (
        Format(
            name="saved_model",
            title="SavedModel",
            artifact="",
            signatures=signatures.SAVED_MODEL,
            batch_size=None,
            write=lambda *arguments: saved_model.write(*arguments),
            open=runtime.open_saved_model,
            describe=_describe_saved_model,
        ),
        Format(
            name="tflite",
            title="TFLite float32",
            artifact=tflite.FLOAT32,
            signatures=signatures.TFLITE,
            batch_size=tflite.BATCH_SIZE,
            write=lambda *arguments: tflite.write(*arguments),
            open=runtime.open_tflite,
            describe=_describe_tflite,
        ),
    )
}
NAMES = tuple(FORMATS)
