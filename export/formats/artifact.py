"""What an artifact is: a file or folder that a program loads, and how the gate opens it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...base import export_layout
from ...base.errors import VerificationError
from .. import signatures

Outputs = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Opened:
    """An artifact, loaded from its files alone.

    Attributes:
      labels: that it carries, by class number.
      run: from a signature's name and what it takes, [N, …], to its outputs, each [N, …].
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
      signatures: that it carries.
      batch_size: that its signatures are fixed to; None where it is open.
      max_accuracy_change: how far its accuracy may be from the model's; None where its
        probabilities must be the model's.
      open: opens it.
    """

    name: str
    title: str
    path: str
    signatures: tuple[signatures.Signature, ...]
    batch_size: int | None
    max_accuracy_change: float | None
    open: Callable[[Path], Opened]


def agreed_labels(path: Path, inside: tuple[str, ...]) -> tuple[str, ...]:
    """The label names inside an artifact's file, which are in `labels.txt` beside it too.

    Raises:
      VerificationError: they differ.
    """
    beside = tuple((path.parent / export_layout.LABELS).read_text(encoding="utf-8").splitlines())
    if inside != beside:
        raise VerificationError(
            f"{path.name}: its labels are {', '.join(inside) or 'none'} inside, "
            f"{', '.join(beside) or 'none'} in {export_layout.LABELS}; nothing was published"
        )
    return inside
