"""A model's figures on a split: loss, accuracy, and what is taken for what."""

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..base.tf import keras, tf

# Two-sided 95 % of the normal distribution.
_Z95 = 1.959964


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Figures of a model on a split.

    Attributes:
      loss: mean cross-entropy, in nats.
      confusion: int64 [K, K], images by true class (row) and predicted class.
    """

    loss: float
    confusion: np.ndarray

    @property
    def examples(self) -> int:
        return int(self.confusion.sum())

    @property
    def correct(self) -> int:
        return int(np.trace(self.confusion))

    @property
    def accuracy(self) -> float:
        """Share of the images that are classified rightly, 0 to 1."""
        return self.correct / self.examples

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON can hold them."""
        totals = self.confusion.sum(axis=1)
        by_class = np.diag(self.confusion) / np.maximum(totals, 1)
        return {
            "accuracy": self.accuracy,
            "accuracy_interval_95": list(wilson_interval(self.correct, self.examples)),
            "loss": self.loss,
            "examples": self.examples,
            "correct": self.correct,
            "accuracy_by_class": [float(share) for share in by_class],
            "confusion": self.confusion.tolist(),
        }


def wilson_interval(correct: int, examples: int) -> tuple[float, float]:
    """The 95 % confidence interval of an accuracy.

    E. B. Wilson, "Probable inference, the law of succession, and statistical
    inference", J. Amer. Statist. Assoc. 22, 1927.
    """
    share, z2 = correct / examples, _Z95**2
    center = (share + z2 / (2 * examples)) / (1 + z2 / examples)
    spread = math.sqrt(share * (1 - share) / examples + z2 / (4 * examples**2))
    half = _Z95 * spread / (1 + z2 / examples)
    return max(0.0, center - half), min(1.0, center + half)


def evaluator(
    model: keras.Model, num_classes: int
) -> Callable[[Iterable[tuple[tf.Tensor, tf.Tensor]]], Evaluation]:
    """A function that evaluates the model; its graph is traced once.

    Args:
      model: float32 [N, H, W, C] to logits float32 [N, K].
      num_classes: K.

    Returns:
      A function from batches (images, labels int64 [N]) to an `Evaluation`.
    """

    @tf.function(reduce_retracing=True)
    def batch_figures(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        logits = model(images, training=False)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        classes = tf.argmax(logits, axis=-1)
        confusion = tf.math.confusion_matrix(labels, classes, num_classes, dtype=tf.int64)
        return tf.reduce_sum(tf.cast(losses, tf.float64)), confusion

    def evaluate(batches: Iterable[tuple[tf.Tensor, tf.Tensor]]) -> Evaluation:
        loss, confusion = 0.0, np.zeros((num_classes, num_classes), np.int64)
        for images, labels in batches:
            batch_loss, batch_confusion = batch_figures(images, labels)
            loss += float(batch_loss)
            confusion += batch_confusion.numpy()
        return Evaluation(loss / int(confusion.sum()), confusion)

    return evaluate
