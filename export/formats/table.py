"""The formats of `--formats`: who writes each, and the artifacts in it."""

import functools
from collections.abc import Callable

import numpy as np

from ...base import export_layout
from ..options import ExportOptions
from . import onnx, saved_model, tflite
from .artifact import Artifact, Format


def formats(
    options: ExportOptions,
    calibration: np.ndarray | None,
    threshold: Callable[[], float] | None = None,
) -> list[Format]:
    """Each format of --formats once.

    Args:
      options: of the export.
      calibration: training images, uint8 [n, H, W, C], for int8.
      threshold: gives the probability below which the model is not sure.
    """
    writers = {
        export_layout.SAVED_MODEL: saved_model.write,
        export_layout.TFLITE: functools.partial(
            tflite.write, options=options, calibration=calibration, threshold=threshold
        ),
        export_layout.ONNX: onnx.write,
    }
    return [
        Format(name, writers[name], artifacts_of(name, options))
        for name in dict.fromkeys(options.formats)
    ]


def artifacts_of(name: str, options: ExportOptions) -> tuple[Artifact, ...]:
    """The artifacts of a format."""
    if name == export_layout.TFLITE:
        return tflite.artifacts(options)
    return (saved_model.ARTIFACT if name == export_layout.SAVED_MODEL else onnx.ARTIFACT,)
