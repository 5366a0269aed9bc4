"""What an artifact is: a file or folder that a program loads, and how the gate opens it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...base import export_layout
from ...base.pictures.config import PictureConfig
from ...serving.artifacts import Outputs
from ..functions import TrainedModel
from ..options import Limits
from ..signatures import Signature


@dataclasses.dataclass(frozen=True)
class Opened:
    """An artifact, loaded from nothing but its files.

    Attributes:
      labels: that it carries, by class number.
      pictures: its own record of how pictures become images; None where the format has none.
      run: from a signature's name and input, [N, …], to its outputs, each [N, …].
    """

    labels: tuple[str, ...]
    pictures: PictureConfig | None
    run: Callable[[str, np.ndarray], Outputs]


@dataclasses.dataclass(frozen=True)
class Artifact:
    """Something that a program loads.

    Attributes:
      name: in results: `saved_model`, `tflite`, `tflite_int8`, ….
      title: as people call it.
      path: in a version's folder; empty for the folder itself.
      batch_size: that its signatures are fixed to; None where it is open.
      limits: how far it may be from the model; None where its probabilities must be the model's.
    """

    name: str
    title: str
    path: str
    signatures: tuple[Signature, ...]
    open: Callable[[Path], Opened]
    batch_size: int | None = None
    limits: Limits | None = None

    @property
    def format(self) -> str:
        """That it belongs to, as in `--formats`."""
        is_tflite = self.name.startswith(export_layout.TFLITE)
        return export_layout.TFLITE if is_tflite else self.name


@dataclasses.dataclass(frozen=True)
class Format:
    """A folder of artifacts that is published as one.

    Attributes:
      name: as in `--formats`; also the folder below the export folder.
      write: writes the artifacts into a version's folder.
    """

    name: str
    write: Callable[[TrainedModel, Path], None]
    artifacts: tuple[Artifact, ...]
