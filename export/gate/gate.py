"""Every artifact and every signature beside the trained model, on every image of a split."""

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...base import progress
from ...base.errors import UserError, VerificationError
from ...serving import artifacts as runtime
from ..formats.artifact import Artifact
from ..functions import Classifier
from . import comparison as verify
from .comparison import Comparison
from .entries import ENTRIES, as_seen

# Images in a call of an artifact: bounds the memory of large networks.
_BATCH = 250


@dataclasses.dataclass(frozen=True)
class Truth:
    """What artifacts are compared with.

    Attributes:
      subject: what is exported.
      images: uint8 [N, H, W, C].
      labels: true classes, int64 [N].
    """

    subject: Classifier
    images: np.ndarray
    labels: np.ndarray

    @functools.cached_property
    def probabilities(self) -> np.ndarray:
        """The trained model's own, float32 [N, K]."""
        subject = self.subject
        return verify.reference_probabilities(subject.model, subject.preprocess, self.images)

    @property
    def accuracy(self) -> float:
        """The trained model's, 0 to 1."""
        return float((self.probabilities.argmax(axis=1) == self.labels).mean())

    def seen_by(self, signature: str) -> np.ndarray:
        """The trained model's probabilities for what a signature shows it."""
        seen = as_seen(signature, self.images, self.subject)
        if seen is self.images or np.array_equal(seen, self.images):
            return self.probabilities
        subject = self.subject
        return verify.reference_probabilities(subject.model, subject.preprocess, seen)


def require_accuracy(truth: Truth, least: float) -> None:
    """Refuses a bad model.

    Raises:
      VerificationError: its accuracy is below `least`.
    """
    if truth.accuracy < least:
        raise VerificationError(
            f"the model's accuracy is {truth.accuracy:.2%} on {len(truth.labels):,} images, below "
            f"--min_accuracy={least:g}; nothing was published"
        )


def require_better(truth: Truth, folder: Path) -> None:
    """Refuses a model that is worse than a published version.

    Raises:
      VerificationError: its accuracy is lower.
      UserError: there is no such version.
    """
    if not folder.is_dir():
        raise UserError(f"--must_beat: there is no version {folder}")
    published = runtime.open_saved_model(folder)
    if published.image_shape != truth.subject.image_shape or published.labels != (
        truth.subject.label_names
    ):
        raise UserError(f"--must_beat: {folder} takes other images, or has other labels")
    accuracy = float((published.run(truth.images)["classes"] == truth.labels).mean())
    if truth.accuracy < accuracy:
        raise VerificationError(
            f"the model's accuracy is {truth.accuracy:.2%} on {len(truth.labels):,} images, that "
            f"of {folder} {accuracy:.2%}; nothing was published"
        )


def compared(artifact: Artifact, folder: Path, truth: Truth) -> Iterator[Comparison]:
    """Compares an artifact through each of its signatures, loaded afresh from its files alone.

    Args:
      artifact: what to compare.
      folder: the version's.
      truth: what with.

    Yields:
      The comparison of each signature.

    Raises:
      VerificationError: one disagrees.
    """
    progress.say(
        f"comparing {artifact.title} with the trained model on {len(truth.labels):,} images"
    )
    opened = artifact.open(folder / artifact.path)
    names = truth.subject.label_names
    if opened.labels != names:
        raise VerificationError(
            f"{artifact.title}: its labels are {_named(opened.labels)}, the dataset's "
            f"{_named(names)}; nothing was published"
        )
    for signature in artifact.signatures:
        entry = ENTRIES[signature.name]
        parts = []
        for at in range(0, len(truth.images), _BATCH):
            values = entry.encode(truth.images[at : at + _BATCH], truth.subject)
            parts.append(entry.decode(opened.run(signature.name, values), names))
        comparison = verify.compare(
            artifact.title,
            signature.name,
            {name: np.concatenate([part[name] for part in parts]) for name in parts[0]},
            truth.seen_by(signature.name),
            truth.labels,
            artifact.max_accuracy_change,
        )
        verify.require_agreement(comparison)
        yield comparison


def _named(labels: tuple[str, ...]) -> str:
    return ", ".join(labels) or "none"
