"""Compares every signature of every artifact with the trained model, on every image of a split."""

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...base import export_layout, progress
from ...base.errors import UserError, VerificationError
from ...data.pipeline.records import images_at_once
from ...serving.artifacts import open_saved_model
from ...serving.description import read_labels
from ..formats.artifact import Artifact, Opened
from ..functions import TrainedModel
from .comparison import Comparison, compare, reference_probabilities, require_agreement
from .entries import ENTRIES, as_seen

# At most so many images in a call of an artifact.
_BATCH = 250


@dataclasses.dataclass(frozen=True)
class Reference:
    """The model that artifacts are made from, and what they are compared on.

    Attributes:
      images: uint8 [N, H, W, C].
      labels: true classes, int64 [N].
    """

    trained: TrainedModel
    images: np.ndarray
    labels: np.ndarray

    @functools.cached_property
    def probabilities(self) -> np.ndarray:
        """The trained model's own, float32 [N, K]."""
        return self._probabilities(self.images)

    @property
    def accuracy(self) -> float:
        """The trained model's, 0 to 1."""
        return float((self.probabilities.argmax(axis=1) == self.labels).mean())

    def probabilities_of(self, signature: str) -> np.ndarray:
        """The trained model's for the images as a signature must show them to it."""
        seen = as_seen(signature, self.images, self.trained)
        same = np.array_equal(seen, self.images)
        return self.probabilities if same else self._probabilities(seen)

    def _probabilities(self, images: np.ndarray) -> np.ndarray:
        return reference_probabilities(self.trained.model, self.trained.preprocess, images)


def require_accuracy(reference: Reference, min_accuracy: float) -> None:
    """Refuses a model whose accuracy is below `min_accuracy`.

    Raises:
      VerificationError: it is.
    """
    if reference.accuracy < min_accuracy:
        raise VerificationError(
            f"the model's accuracy is {reference.accuracy:.2%} on {len(reference.labels):,} "
            f"images, below --min_accuracy={min_accuracy:g}; nothing was published"
        )


def require_better(reference: Reference, folder: Path) -> None:
    """Refuses a model that is worse than a published version.

    Raises:
      VerificationError: its accuracy is lower.
      UserError: there is no such version.
    """
    if not folder.is_dir():
        raise UserError(f"--must_beat: there is no version {folder}")
    published = open_saved_model(folder)
    trained = reference.trained
    if (published.image_shape, published.labels) != (trained.image_shape, trained.label_names):
        raise UserError(f"--must_beat: {folder} takes other images, or has other labels")
    accuracy = float((published.run(reference.images)["classes"] == reference.labels).mean())
    if reference.accuracy < accuracy:
        raise VerificationError(
            f"the model's accuracy is {reference.accuracy:.2%} on {len(reference.labels):,} "
            f"images, that of {folder} {accuracy:.2%}; nothing was published"
        )


def comparisons(artifact: Artifact, folder: Path, reference: Reference) -> Iterator[Comparison]:
    """Compares an artifact through each signature, loaded from nothing but the version's folder.

    Raises:
      VerificationError: one disagrees.
    """
    count = len(reference.labels)
    progress.say(f"comparing {artifact.title} with the trained model on {count:,} images")
    opened = artifact.open(folder / artifact.path)
    names = reference.trained.label_names
    _require_labels(artifact, opened, read_labels(export_layout.labels_of(folder)), names)
    for signature in artifact.signatures:
        entry = ENTRIES[signature.name]
        batches = []
        step = images_at_once(reference.trained.image_shape, _BATCH)
        for start in range(0, count, step):
            images = reference.images[start : start + step]
            outputs = opened.run(signature.name, entry.encode(images, reference.trained))
            batches.append(entry.decode(outputs, names))
        comparison = compare(
            artifact.title,
            signature.name,
            {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]},
            reference.probabilities_of(signature.name),
            reference.labels,
            artifact.max_accuracy_change,
        )
        require_agreement(comparison)
        yield comparison


def _require_labels(
    artifact: Artifact, opened: Opened, beside: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    """Refuses labels, in the artifact or in the file beside it, that are not the dataset's."""
    if opened.labels != beside:
        raise VerificationError(
            f"{artifact.path}: its labels are {_named(opened.labels)} inside, {_named(beside)} in "
            f"{export_layout.LABELS}; nothing was published"
        )
    if opened.labels != expected:
        raise VerificationError(
            f"{artifact.title}: its labels are {_named(opened.labels)}, the dataset's are "
            f"{_named(expected)}; nothing was published"
        )


def _named(labels: tuple[str, ...]) -> str:
    return ", ".join(labels) or "none"
