"""An artifact as it lies on disk, before it is published."""

import dataclasses
from pathlib import Path

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
