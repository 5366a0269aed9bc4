"""How the outputs of an artifact differ from the trained model's, and how far they may."""

import dataclasses
import math

import numpy as np

from ...base.errors import VerificationError
from ...base.files import JsonObject
from ...base.tf import keras, tf
from ...data.pipeline.preprocess import Preprocess
from ...data.pipeline.records import images_at_once
from ...serving.artifacts import Outputs

# Between probabilities of the artifact and of the trained model. Two runtimes
# add up float32 in different orders; a wrong graph is off by far more.
TOLERANCE = 1e-4
_BATCH = 500
# Rounding turns some images that the model is not sure of, to right as often as to wrong. The
# difference of the two is off by more than this many of its standard deviations, the root of their
# sum, once in a hundred times.
_CHANCE = 2.6
# Image indices that an error names.
_NAMED = 10


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How an artifact's outputs differ from the trained model's.

    Attributes:
      artifact: what was compared, in words.
      examples: number of images.
      accuracy, reference_accuracy: of the artifact and of the trained model, 0 to 1.
      agreement: share of the images that get the same class.
      max_difference: the largest between two probabilities; infinite if one is not finite.
      far: indices of images with a probability off by more than the tolerance.
      wrong_class: indices of images that get another class though the model's two best
        probabilities are further apart than the tolerance.
      turned: number of images that only one of the two gets right.
      max_accuracy_change: how far the accuracy may be off, beyond chance; None where the
        probabilities must be the model's.
    """

    artifact: str
    signature: str
    examples: int
    accuracy: float
    reference_accuracy: float
    agreement: float
    max_difference: float
    far: tuple[int, ...]
    wrong_class: tuple[int, ...]
    turned: int
    max_accuracy_change: float | None = None

    @property
    def first_images(self) -> list[int]:
        """Indices of the first images that show what is wrong."""
        far = self.far if self.max_accuracy_change is None else ()  # Rounding moves all of them.
        return sorted({*far, *self.wrong_class})[:_NAMED]

    @property
    def agrees(self) -> bool:
        if self.max_accuracy_change is None:
            return not self.far and not self.wrong_class
        allowed = max(self.max_accuracy_change * self.examples, _CHANCE * math.sqrt(self.turned))
        change = abs(self.accuracy - self.reference_accuracy) * self.examples
        return math.isfinite(self.max_difference) and change <= allowed + 1e-6

    def to_json(self) -> JsonObject:
        """The figures as JSON can hold them; of the indices, the first few."""
        return {
            **dataclasses.asdict(self),
            "agrees": self.agrees,
            "max_difference": min(self.max_difference, 1e30),  # JSON has no infinity.
            "tolerance": TOLERANCE if self.max_accuracy_change is None else None,
            "far": len(self.far),
            "wrong_class": len(self.wrong_class),
            "first_images": self.first_images,
        }


def reference_probabilities(
    model: keras.Model, preprocess: Preprocess, images: np.ndarray
) -> np.ndarray:
    """The trained model's own probabilities of images uint8 [N, H, W, C], float32 [N, K]."""

    @tf.function(reduce_retracing=True)
    def predict(batch: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(model(preprocess(batch), training=False))

    step = images_at_once(preprocess.image_shape, _BATCH)
    starts = range(0, len(images), step)
    batches = [predict(tf.constant(images[start : start + step])) for start in starts]
    return np.concatenate([batch.numpy() for batch in batches])


def compare(
    artifact: str,
    signature: str,
    outputs: Outputs,
    reference: np.ndarray,
    labels: np.ndarray,
    max_accuracy_change: float | None = None,
) -> Comparison:
    """Compares an artifact's outputs with the trained model's.

    Args:
      artifact, signature: what gave the outputs, in words.
      outputs: `probabilities` float32 [N, K] and `classes` int64 [N].
      reference: the trained model's probabilities, float32 [N, K].
      labels: true classes, int64 [N].
      max_accuracy_change: how far the accuracy may be off, 0 to 1; None where the
        probabilities must be the model's.

    Raises:
      VerificationError: an output is missing, or of another dtype or shape.
    """
    count = len(reference)
    expected = {"probabilities": ("float32", reference.shape), "classes": ("int64", (count,))}
    received = {name: (value.dtype.name, value.shape) for name, value in outputs.items()}
    if received != expected:
        raise VerificationError(
            f"{artifact}, {signature}: expected the outputs {_described(expected)}, "
            f"got {_described(received)}; nothing was published"
        )
    probabilities, classes = outputs["probabilities"], outputs["classes"]
    difference = np.abs(probabilities.astype(np.float64) - reference).max(axis=1)
    difference[~np.isfinite(difference)] = np.inf
    best_two = np.partition(reference, -2, axis=1)[:, -2:]
    clear = best_two[:, 1] - best_two[:, 0] > TOLERANCE
    reference_classes = reference.argmax(axis=1)
    is_right, was_right = classes == labels, reference_classes == labels
    return Comparison(
        artifact=artifact,
        signature=signature,
        examples=count,
        accuracy=float(is_right.mean()),
        agreement=float((classes == reference_classes).mean()),
        reference_accuracy=float(was_right.mean()),
        max_difference=float(difference.max()),
        far=tuple(np.flatnonzero(difference > TOLERANCE).tolist()),
        wrong_class=tuple(np.flatnonzero(clear & (classes != reference_classes)).tolist()),
        turned=int((is_right != was_right).sum()),
        max_accuracy_change=max_accuracy_change,
    )


def require_agreement(comparison: Comparison) -> None:
    """Refuses an artifact that disagrees with its model.

    Raises:
      VerificationError: names the signature, the images and the numbers.
    """
    if comparison.agrees:
        return
    images, advice = ", ".join(map(str, comparison.first_images)), ""
    if comparison.max_accuracy_change is None:
        how = (
            f"on {len(comparison.far):,} of {comparison.examples:,} images a probability is off by "
            f"more than {TOLERANCE:g} (at most {comparison.max_difference:.3g}), "
            f"{len(comparison.wrong_class):,} get another class (first images: {images}); "
        )
    else:
        how = (
            f"its accuracy may be off by {comparison.max_accuracy_change * 100:g} points and by "
            f"chance; {comparison.turned:,} images are right for only one of the two, "
            f"{len(comparison.wrong_class):,} of {comparison.examples:,} images get another class "
            f"(first images: {images}), a probability is off by {comparison.max_difference:.3g}; "
        )
        advice = "; train the network for longer, or leave the file out of --tflite_variants"
    raise VerificationError(
        f"{comparison.artifact}, {comparison.signature}: disagrees with the trained model: {how}"
        f"accuracy {comparison.accuracy:.2%}, the model's is {comparison.reference_accuracy:.2%}; "
        f"nothing was published{advice}",
        details={"verification": comparison.to_json()},
    )


def _described(tensors: dict[str, tuple[str, tuple[int, ...]]]) -> str:
    return ", ".join(
        f"{name} {dtype} {list(shape)}" for name, (dtype, shape) in sorted(tensors.items())
    )
