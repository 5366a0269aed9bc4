"""What the exporting process asks the verifying one, and what comes back."""

import dataclasses
from pathlib import Path
from typing import TypeAlias

from ...base.files import JsonObject
from ..options import ExportOptions
from ..runtimes.ran import Ran
from .claims.sources import CheckedFiles
from .comparison import Comparison
from .explanation import Explanation


@dataclasses.dataclass(frozen=True)
class Begin:
    """The first question: load the run, ask the model, write its answers into a file.

    Attributes:
      answers: where to: an npz file of `compared` and `validation`, float32 [N, K] each.
      beat: the published version that must not be better; None if none is named.
    """

    options: ExportOptions
    answers: Path
    beat: Path | None = None


@dataclasses.dataclass(frozen=True)
class Ready:
    """The model is good enough to be exported; its answers are written."""


@dataclasses.dataclass(frozen=True)
class Check:
    """Check every claim of each artifact of a format, in the version's folder."""

    format: str
    folder: Path


@dataclasses.dataclass(frozen=True)
class Compared:
    """The claims hold.

    Attributes:
      files: what was checked: of each file its bytes and its digest, as in manifests.
      explanations: with --explain, of each TFLite and ONNX file.
    """

    comparisons: tuple[Comparison, ...]
    files: JsonObject
    explanations: tuple[Explanation, ...] = ()


@dataclasses.dataclass(frozen=True)
class CheckRuntimes:
    """Wait for the runtimes, which were started when the last format was written."""


@dataclasses.dataclass(frozen=True)
class RanIn:
    """None of them disagrees."""

    runs: tuple[Ran, ...]


@dataclasses.dataclass(frozen=True)
class CheckSources:
    """Classify the files that the split was made of, by each format below the folder."""

    folder: Path
    formats: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Classified:
    """They get their images' classes; None where it is not known which files they were."""

    files: CheckedFiles | None


@dataclasses.dataclass(frozen=True)
class CheckDescription:
    """Hold manifests and card against what was found, in each format's folder below this one.

    Attributes:
      version: under which the folders are published.
      targets: where to, one for each format.
    """

    folder: Path
    formats: tuple[str, ...]
    version: int
    targets: tuple[Path, ...]


@dataclasses.dataclass(frozen=True)
class Described:
    """They say what is so."""


Question: TypeAlias = Begin | Check | CheckRuntimes | CheckSources | CheckDescription
QUESTIONS = {
    kind.__name__: kind for kind in (Begin, Check, CheckRuntimes, CheckSources, CheckDescription)
}
