"""What goes beside an artifact for machines: how it was made and verified, and its files."""

import dataclasses
import datetime
from pathlib import Path

from ...base import export_layout, files
from ...base.files import JsonObject
from ...models.evaluation.metrics import Evaluation
from ...models.run.config import RunConfig
from .. import signatures
from ..formats.artifact import Artifact
from ..gate.comparison import Comparison
from .versions import digests

_FORMAT = 1
# Of the trained model's figures, what goes into manifests.
_FIGURES = ("accuracy", "accuracy_interval_95", "loss", "calibration_error", "examples", "by_class")


@dataclasses.dataclass(frozen=True)
class Calibration:
    """The images that int8's ranges are taken from: how many, of which split."""

    images: int
    of: str


@dataclasses.dataclass(frozen=True)
class Version:
    """What holds for all artifacts of a version.

    Attributes:
      model_name, version: under which it is published.
      created: the time in UTC, in ISO 8601.
      config: of the run.
      run: the content of the run's `config.json`, with what it says of its environment.
      split: that the model was evaluated and the artifacts were compared on.
      evaluation: of the trained model.
      comparisons: of the artifacts.
      dark_on_light: whether `predict_bytes` inverts pictures of dark digits on paper.
      calibration: of int8; None where there is no such file.
    """

    model_name: str
    version: int
    config: RunConfig
    run: JsonObject
    split: str
    evaluation: Evaluation
    comparisons: tuple[Comparison, ...]
    dark_on_light: bool
    calibration: Calibration | None
    created: str = dataclasses.field(
        default_factory=lambda: datetime.datetime.now(datetime.timezone.utc).isoformat(
            timespec="seconds"
        )
    )

    def to_json(self) -> JsonObject:
        """As it is in the manifests of all formats."""
        calibration = self.calibration
        figures = self.evaluation.figures().to_config()
        return {
            "format": _FORMAT,
            "model_name": self.model_name,
            "version": self.version,
            "created": self.created,
            "labels": self.config.label_names,
            "figures": {name: figures[name] for name in _FIGURES},
            "verified_on": {
                "split": self.split,
                "comparisons": [comparison.to_json() for comparison in self.comparisons],
            },
            "made": {
                "split": self.split,
                "dark_on_light": self.dark_on_light,
                "calibration": dataclasses.asdict(calibration) if calibration else False,
            },
            "run": self.run,
        }


def write(version: Version, artifacts: tuple[Artifact, ...], folder: Path) -> None:
    """Writes a folder's manifest: the version, the artifacts and their signatures, the files.

    Args:
      version: of the artifacts.
      artifacts: in the folder.
      folder: of a version, complete but for the manifest.
    """
    content = {
        **version.to_json(),
        "artifacts": [
            {
                "name": artifact.name,
                "title": artifact.title,
                "path": artifact.path,
                "signatures": {
                    signature.name: _described(signature, artifact.batch_size, version.config)
                    for signature in artifact.signatures
                },
            }
            for artifact in artifacts
        ],
        "files": {name: dataclasses.asdict(file) for name, file in digests(folder).items()},
    }
    files.write_json(export_layout.manifest_of(folder), content)


def _described(
    signature: signatures.Signature, batch_size: int | None, config: RunConfig
) -> JsonObject:
    """A signature's tensors; null in a shape where the batch size is open."""
    image_shape, classes = config.preprocess.image_shape, len(config.label_names)

    def described(tensors: tuple[signatures.Tensor, ...]) -> JsonObject:
        return {
            tensor.name: {
                "dtype": tensor.dtype,
                "shape": tensor.sizes(image_shape, classes, batch_size),
            }
            for tensor in tensors
            if signatures.LAYER not in tensor.shape  # Each network has its own.
        }

    return {
        "method": signature.method,
        "inputs": described((signature.input,)),
        "outputs": described(signature.outputs),
    }
