"""An artifact as it lies on disk, before it is published."""

import dataclasses
from pathlib import Path

import numpy as np

from ...base.errors import VerificationError, first_line
from ...serving.artifacts import Outputs
from ..formats.artifact import Artifact, Opened
from ..options import ExportOptions


@dataclasses.dataclass(frozen=True)
class Staged:
    """An artifact as it lies on disk.

    Attributes:
      options: of the export.
      folder: of the version, with the artifact and all that is beside it.
      opened: the artifact, loaded from nothing but that.
    """

    artifact: Artifact
    options: ExportOptions
    folder: Path
    opened: Opened

    @property
    def path(self) -> Path:
        return self.folder / self.artifact.path

    def run(self, signature: str, values: np.ndarray) -> Outputs:
        """From a signature's input, [N, …], to its outputs, each [N, …].

        Raises:
          VerificationError: the artifact refuses them.
        """
        try:
            return self.opened.run(signature, values)
        except Exception as error:  # Whatever a runtime raises.
            raise VerificationError(
                f"{self.artifact.title}, {signature}: refuses a call with {len(values):,} images: "
                f"{first_line(error)}; nothing was published"
            ) from error
