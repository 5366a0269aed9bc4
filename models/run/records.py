"""What is recorded in a run folder: rows of metrics.jsonl, training.json, evaluation.json."""

import dataclasses
import hashlib

from ...base import configs
from ...base.files import JsonObject
from ...data.digests import SplitDigest


@dataclasses.dataclass(frozen=True)
class MetricsRow:
    """A row of metrics.jsonl: means over the steps since the row before.

    Attributes:
      step: the last of them, counted from 1.
      epoch: passes over the training images up to it.
      loss: training loss, in nats.
      accuracy: share of the training images that were classified rightly, 0 to 1.
      gradient_norm: global norm of the step's gradients, before clipping.
      images_per_s: trained on; without validations and checkpoints.
      weight_norm: global norm of the trainable weights.
    """

    step: int
    epoch: float
    loss: float
    accuracy: float
    gradient_norm: float
    images_per_s: float
    learning_rate: float
    weight_norm: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None

    def to_config(self) -> dict[str, float]:
        """The figures that there are, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclasses.dataclass(frozen=True)
class Written:
    """What was in metrics.jsonl at a time: its size, and its digest."""

    size: int
    sha256: str

    @classmethod
    def of(cls, content: bytes) -> "Written":
        """Of the whole content, or of its beginning."""
        return cls(len(content), hashlib.sha256(content).hexdigest())


@dataclasses.dataclass(frozen=True)
class Validation:
    """Figures of the weights after a step on the validation split."""

    step: int
    validation_accuracy: float
    validation_loss: float


@dataclasses.dataclass(frozen=True)
class Made:
    """The files of a run as they were when it was finished.

    Attributes:
      model_sha256: of model.keras.
      config: the content of config.json.
      splits: of the run's own dataset.
      metrics: of metrics.jsonl; None in runs of earlier versions.
    """

    model_sha256: str
    config: JsonObject
    splits: tuple[SplitDigest, ...]
    metrics: Written | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """training.json: how the training went.

    Attributes:
      corrupt_records: damaged records that were left out.
      resumed_from: the step at which the last session began.
      seconds: of training, in all sessions, as `steps` and `images_per_s` are.
      ended_by: `epochs`, `max_steps`, `max_minutes` or `patience`.
      made: of which files; None in runs of earlier versions.
    """

    parameters: int
    corrupt_records: int = 0
    steps: int
    resumed_from: int = 0
    seconds: float
    images_per_s: float
    ended_by: str
    best: Validation | None = None
    made: Made | None = None


@dataclasses.dataclass(frozen=True)
class ClassFigures:
    """Figures of a class, 0 to 1; None where there is nothing to divide by.

    Attributes:
      images: of the class.
      precision: share of the images taken for it that are of it.
      recall: share of its images that are taken for it.
      f1: harmonic mean of the two.
    """

    images: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclasses.dataclass(frozen=True)
class UnderCorruption:
    """Accuracies on a split whose images were corrupted in one way, by strength from 1 to 5."""

    name: str
    accuracies: tuple[float, ...]

    @property
    def mean(self) -> float:
        return sum(self.accuracies) / len(self.accuracies)


@dataclasses.dataclass(frozen=True)
class Robustness:
    """Accuracies on corrupted images of a split, 0 to 1.

    Attributes:
      seed: of the corruptions.
      accuracy: the mean over all corruptions and strengths.
      relative_accuracy: `accuracy` divided by that on the clean images; None where that is 0.
    """

    seed: int
    accuracy: float
    relative_accuracy: float | None
    by_corruption: tuple[UnderCorruption, ...]


@dataclasses.dataclass(frozen=True)
class Figures:
    """A model's figures on a split, as evaluation.json has them by split.

    Attributes:
      accuracy: share of the images that are classified rightly, 0 to 1.
      accuracy_interval_95: its 95 % confidence interval, after Wilson.
      loss: mean cross-entropy, in nats.
      calibration_error: the expected calibration error, 0 to 1.
      confusion: [K][K], images by true class (row) and predicted class.
      misclassified: indices in the split, from 0, ascending.
      corrupt_records: damaged records that were left out.
      corruptions: the same model on corrupted images, where that was measured.
    """

    accuracy: float
    accuracy_interval_95: tuple[float, float]
    loss: float
    calibration_error: float
    examples: int
    correct: int
    by_class: tuple[ClassFigures, ...]
    confusion: tuple[tuple[int, ...], ...]
    misclassified: tuple[int, ...]
    corrupt_records: int = 0
    corruptions: Robustness | None = None

    def __post_init__(self):
        classes = len(self.by_class)
        if any(len(row) != classes for row in (self.confusion, *self.confusion)):
            raise ValueError(f"its confusion matrix is not of {classes} classes")
        if not 0 <= self.correct <= self.examples or not 0 <= self.accuracy <= 1:
            raise ValueError(f"{self.correct:,} of {self.examples:,} images cannot be right")

    def to_config(self) -> JsonObject:
        """As JSON holds it; `corrupt_records` and `corruptions` only where there are some."""
        config = configs.to_config(self)
        for name in ("corrupt_records", "corruptions"):
            if not config[name]:
                del config[name]
        return config
