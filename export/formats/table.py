"""The formats that the exporter writes."""

import dataclasses
import functools
from collections.abc import Callable, Iterable
from pathlib import Path

from ...base import export_layout
from ..functions import TrainedModel
from . import onnx, saved_model, tflite
from .artifact import Artifact


@dataclasses.dataclass(frozen=True)
class Format:
    """A folder of artifacts that is published as one.

    Attributes:
      name: as in `--formats`; also the folder below the export folder.
      write: writes the artifacts into a version's folder.
      artifacts: what it writes.
    """

    name: str
    write: Callable[[TrainedModel, Path], None]
    artifacts: tuple[Artifact, ...]


def formats_of(names: Iterable[str], options: tflite.Options) -> tuple[Format, ...]:
    """The formats of these names, each once.

    Args:
      names: of `export_layout.FORMATS`.
      options: of the TFLite files.
    """
    known = (
        Format(export_layout.SAVED_MODEL, saved_model.write, (saved_model.ARTIFACT,)),
        Format(
            export_layout.TFLITE,
            functools.partial(tflite.write, options=options),
            tflite.artifacts(options),
        ),
        Format(export_layout.ONNX, onnx.write, (onnx.ARTIFACT,)),
    )
    by_name = {known_format.name: known_format for known_format in known}
    return tuple(by_name[name] for name in dict.fromkeys(names))
