"""What goes beside an artifact for machines: how it was made and verified, and its files.

It also states below which probability an answer is rather "not sure" (`Certainty`).
"""

import dataclasses
import datetime
from pathlib import Path

import numpy as np

from ...base import configs, export_layout, manifests
from ...base.files import JsonObject
from ...base.storage import records
from ...models.evaluation.metrics import Evaluation
from .. import signatures
from ..formats.artifact import Artifact
from ..gate.claims.sources import CheckedFiles
from ..gate.comparison import Comparison
from ..runtimes.ran import Ran
from ..source import Source

_FORMAT = 1
# Of the trained model's figures, what goes into manifests.
_FIGURES = ("accuracy", "accuracy_interval_95", "loss", "calibration_error", "examples", "by_class")


@dataclasses.dataclass(frozen=True)
class Certainty:
    """Below which probability of its best class the model is not sure.

    A third as many validation images as the model gets wrong are left without an answer: those of
    which it is least sure. (People's pictures are harder: if as many are left as it gets wrong, so
    are 16 of the 930 digits of benchmarks/digits.py, 9 of which would be right.) A model without an
    error there is not sure below its least probability, or one half if that is less: so few images
    say little of where it begins to err.

    Attributes:
      threshold: `predict` answers "not sure" below it.
      split: the validation split that it was chosen on, of `images`.
      coverage: the share of them that is answered, 0 to 1.
      accuracy: of those.
    """

    threshold: float
    split: str
    images: int
    coverage: float
    accuracy: float

    @classmethod
    def of(cls, evaluation: Evaluation, split: str) -> "Certainty":
        """Chosen on the validation split."""
        confidence = np.sort(evaluation.confidence)
        errors = evaluation.examples - evaluation.correct
        threshold = float(confidence[min(-(-errors // 3), len(confidence) - 1)])
        if not errors:
            threshold = min(threshold, 0.5)
        answered = evaluation.confidence >= threshold
        accuracy = float(evaluation.right[answered].mean())
        return cls(threshold, split, evaluation.examples, float(answered.mean()), accuracy)


@dataclasses.dataclass(frozen=True)
class Answers:
    """How the trained model does on --split, and on the run's validation split, by its name."""

    compared: Evaluation
    validation: Evaluation
    validation_split: str

    @property
    def certainty(self) -> Certainty:
        return Certainty.of(self.validation, self.validation_split)


@dataclasses.dataclass(frozen=True)
class Version:
    """What holds for all artifacts of a version.

    Attributes:
      number: under which it is published.
      comparisons: of each artifact with the trained model.
      runs: of each artifact in the runtimes that it is for.
      source_files: that were classified; None where it is not known which there were.
      created: the time in UTC, in ISO 8601.
    """

    source: Source
    answers: Answers
    number: int
    comparisons: tuple[Comparison, ...]
    runs: tuple[Ran, ...]
    source_files: CheckedFiles | None
    created: str = dataclasses.field(
        default_factory=lambda: datetime.datetime.now(datetime.timezone.utc).isoformat(
            timespec="seconds"
        )
    )

    @property
    def evaluation(self) -> Evaluation:
        """Of the trained model on --split."""
        return self.answers.compared

    @property
    def split(self) -> str:
        """That the model was evaluated and the artifacts were compared on."""
        return self.source.compared.split.name

    def to_json(self) -> JsonObject:
        """As it is in the manifests of all formats."""
        calibration, dataset = self.source.calibration, self.source.config.dataset
        figures = self.evaluation.figures().to_config()
        return {
            "format": _FORMAT,
            "model_name": self.source.trained.name,
            "version": self.number,
            "created": self.created,
            "labels": self.source.config.label_names,
            "pictures": configs.to_config(self.source.config.pictures),
            "figures": {name: figures[name] for name in _FIGURES},
            "certainty": configs.to_config(self.answers.certainty),
            "robustness": {
                split: configs.to_config(robustness)
                for split, robustness in self.source.robustness.items()
            },
            "verified_on": {
                "split": self.split,
                "comparisons": [comparison.to_json() for comparison in self.comparisons],
                "runtimes": [dataclasses.asdict(ran) for ran in self.runs],
                "source_files": self.source_files and configs.to_config(self.source_files),
            },
            "made": {
                "split": self.split,
                "dark_on_light": self.source.trained.dark_on_light,
                "calibration": calibration is not None
                and {"images": len(calibration), "of": dataset.train_split},
            },
            "run": self.source.run,
        }


def write(version: Version, artifacts: tuple[Artifact, ...], folder: Path) -> None:
    """Writes a folder's manifest: the version, its artifacts there and their signatures, the files.

    The folder is complete but for it.
    """
    content = {
        **version.to_json(),
        "artifacts": [
            {
                "name": artifact.name,
                "title": artifact.title,
                "path": artifact.path,
                "signatures": {
                    signature.name: _described(signature, artifact.batch_size, version.source)
                    for signature in artifact.signatures
                },
            }
            for artifact in artifacts
        ],
        "files": {
            name: dataclasses.asdict(file) for name, file in manifests.digests(folder).items()
        },
    }
    records.write(export_layout.manifest_of(folder), content)


def _described(
    signature: signatures.Signature, batch_size: int | None, source: Source
) -> JsonObject:
    """A signature's tensors; null in a shape where the batch size is open."""
    trained = source.trained
    image_shape, classes = trained.image_shape, len(trained.label_names)

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
