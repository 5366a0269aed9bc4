"""What an artifact is: a file or folder that a program loads, and how the gate opens it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...serving.artifacts import Outputs
from ..functions import TrainedModel
from ..signatures import Signature


@dataclasses.dataclass(frozen=True)
class Opened:
    """An artifact, loaded from nothing but its files.

    Attributes:
      labels: that it carries, by class number.
      run: from a signature's name and input, [N, …], to its outputs, each [N, …].
    """

    labels: tuple[str, ...]
    run: Callable[[str, np.ndarray], Outputs]


@dataclasses.dataclass(frozen=True)
class Artifact:
    """Something that a program loads.

    Attributes:
      name: in results: `saved_model`, `tflite`, `tflite_int8`, ….
      title: as people call it.
      path: in a version's folder; empty for the folder itself.
      batch_size: that its signatures are fixed to; None where it is open.
      max_accuracy_change: how far its accuracy may be from the model's, 0 to 1; None where its
        probabilities must be the model's.
    """

    name: str
    title: str
    path: str
    signatures: tuple[Signature, ...]
    open: Callable[[Path], Opened]
    batch_size: int | None = None
    max_accuracy_change: float | None = None


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
