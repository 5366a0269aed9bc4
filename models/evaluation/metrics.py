"""A model's figures on a split: loss, accuracy, calibration, and what is taken for what."""

import dataclasses
import math
from collections.abc import Callable, Iterable

import numpy as np

from ...base.errors import DataError
from ...base.tf import keras, tf
from ..run.records import ClassFigures, Figures

# Two-sided 95 % of the normal distribution.
_Z95 = 1.959964
# Of the calibration error, as its authors have it.
BINS = 15
# Probabilities below this count as this in a loss: float32 has no smaller normal number.
_TINY = 1.2e-38


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Figures of a model on a split.

    Attributes:
      labels: int64 [N], the true classes, in the split's order.
      probabilities: float32 [N, K].
      loss: mean cross-entropy, in nats.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    loss: float

    @property
    def predicted(self) -> np.ndarray:
        """The most probable class of each image, int64 [N]."""
        return self.probabilities.argmax(axis=1)

    @property
    def examples(self) -> int:
        return len(self.labels)

    @property
    def correct(self) -> int:
        return int(self.right.sum())

    @property
    def right(self) -> np.ndarray:
        """Whether an image is classified rightly, bool [N]."""
        return self.predicted == self.labels

    @property
    def confidence(self) -> np.ndarray:
        """The probability of the predicted class, float64 [N]."""
        return self.probabilities.max(axis=1).astype(np.float64)

    @property
    def confidence_bins(self) -> np.ndarray:
        """The bin of the confidence, int64 [N], of `BINS` of equal width from 0 to 1."""
        return np.minimum((self.confidence * BINS).astype(int), BINS - 1)

    @property
    def accuracy(self) -> float:
        """Share of the images that are classified rightly, 0 to 1."""
        return self.correct / self.examples

    @property
    def confusion(self) -> np.ndarray:
        """int64 [K, K], images by true class (row) and predicted class."""
        classes = self.probabilities.shape[1]
        pairs = self.labels * classes + self.predicted
        return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)

    @property
    def misclassified(self) -> np.ndarray:
        """The indices of the wrongly classified images in the split, from 0, ascending."""
        return np.flatnonzero(~self.right)

    @property
    def calibration_error(self) -> float:
        """How far the probability of the predicted class is from the share that is right.

        The expected calibration error, in 15 bins of equal width: C. Guo, G. Pleiss, Y. Sun,
        K. Weinberger, "On calibration of modern neural networks", ICML 2017.
        """
        gaps = np.bincount(
            self.confidence_bins, weights=self.right - self.confidence, minlength=BINS
        )
        return float(np.abs(gaps).sum() / self.examples)

    def by_class(self) -> tuple[ClassFigures, ...]:
        """The figures of each class, by its number."""
        confusion = self.confusion
        columns = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)

        def share(part: int, whole: int) -> float | None:
            return part / whole if whole else None

        return tuple(
            ClassFigures(
                images,
                precision=share(right, predicted),
                recall=share(right, images),
                f1=share(2 * right, images + predicted),
            )
            for right, images, predicted in np.transpose(columns).tolist()
        )

    def figures(self, corrupt_records: int = 0) -> Figures:
        """The figures as `evaluation.json` has them, and the damaged records left out."""
        return Figures(
            accuracy=self.accuracy,
            accuracy_interval_95=wilson_interval(self.correct, self.examples),
            loss=self.loss,
            calibration_error=self.calibration_error,
            examples=self.examples,
            correct=self.correct,
            by_class=self.by_class(),
            confusion=tuple(map(tuple, self.confusion.tolist())),
            misclassified=tuple(self.misclassified.tolist()),
            corrupt_records=corrupt_records,
        )


def wilson_interval(correct: int, examples: int) -> tuple[float, float]:
    """The 95 % confidence interval of an accuracy.

    E. B. Wilson, "Probable inference, the law of succession, and statistical
    inference", J. Amer. Statist. Assoc. 22, 1927.
    """
    share, z2 = correct / examples, _Z95**2
    center = (share + z2 / (2 * examples)) / (1 + z2 / examples)
    spread = math.sqrt(share * (1 - share) / examples + z2 / (4 * examples**2))
    half = _Z95 * spread / (1 + z2 / examples)
    # It holds the share itself, of which all-right and all-wrong ones would be off by rounding.
    return max(0.0, min(center - half, share)), min(1.0, max(center + half, share))


def evaluator(
    model: keras.Model,
) -> Callable[[Iterable[tuple[tf.Tensor, tf.Tensor]]], Evaluation]:
    """A function from batches (images, labels int64 [N]) to the model's `Evaluation`.

    The model gives logits, float32 [N, K]; its graph is traced once.
    """

    @tf.function(reduce_retracing=True, autograph=False)
    def figures(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        logits = model(images, training=False)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        return tf.nn.softmax(logits), tf.reduce_sum(tf.cast(losses, tf.float64))

    def evaluate(batches: Iterable[tuple[tf.Tensor, tf.Tensor]]) -> Evaluation:
        labels, probabilities, loss = [], [], 0.0
        for images, numbers in batches:
            batch_probabilities, batch_loss = figures(images, numbers)
            labels.append(numbers.numpy())
            probabilities.append(batch_probabilities.numpy())
            loss += float(batch_loss)
        all_labels = np.concatenate(labels)
        return Evaluation(all_labels, np.concatenate(probabilities), loss / len(all_labels))

    return evaluate


def of_probabilities(labels: np.ndarray, probabilities: np.ndarray) -> Evaluation:
    """The evaluation of answers: labels int64 [N] and probabilities float32 [N, K].

    Raises:
      DataError: some are not finite.
    """
    finite = np.asarray(np.isfinite(probabilities).all(axis=1))
    if not finite.all():
        raise DataError(
            f"the probabilities of {np.count_nonzero(~finite):,} of {len(finite):,} images are not "
            f"finite numbers, the first those of image {int(np.argmin(finite)):,}: the model is "
            "damaged, or its training diverged"
        )
    chosen = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return Evaluation(labels, probabilities, float(-np.log(np.maximum(chosen, _TINY)).mean()))
