"""The trained model's own answers: what every artifact is held against."""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from ...base.tf import keras, tf
from ...data.pipeline.preprocess import Preprocess
from ...data.pipeline.records import images_at_once
from ..functions import TrainedModel
from . import awkward
from .calls import as_seen

_BATCH = 500


@dataclasses.dataclass(frozen=True)
class Question:
    """Images that an artifact is asked for, and what the trained model answers.

    Attributes:
      name: of the images, in words.
      images: uint8 [N, H, W, C].
      labels: true classes, int64 [N]; of images that have none, the model's own answers.
      probabilities: the trained model's, float32 [N, K].
      indices: by which messages name the images, int64 [N]; None where they count from 0.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    indices: np.ndarray | None = None

    @property
    def accuracy(self) -> float:
        """The trained model's, 0 to 1."""
        return float((self.probabilities.argmax(axis=1) == self.labels).mean())

    def spread(self, most: int | None) -> "Question":
        """Evenly spaced images, no more than `most`; all if None."""
        if most is None or len(self.images) <= most:
            return self
        chosen = np.arange(most) * len(self.images) // most
        return Question(
            self.name,
            self.images[chosen],
            self.labels[chosen],
            self.probabilities[chosen],
            chosen,
        )


@dataclasses.dataclass(frozen=True)
class Reference:
    """The model that artifacts are made from, and what they are asked.

    Attributes:
      split: its images, labels and the model's answers.
      blends: two images at once; the model is less sure of them than of either.
      awkward: what no split holds.
      within_ranges: the same images, as int8 must answer them (`ranges`); None without an int8
        file, as is `logits_range`: the least and the largest logit of the calibration images.
    """

    trained: TrainedModel
    split: Question
    blends: Question
    awkward: Question
    within_ranges: Question | None = None
    logits_range: tuple[float, float] | None = None

    def seen(self, signature: str, question: Question) -> np.ndarray:
        """The trained model's probabilities of images as a signature must show them to it."""
        images = as_seen(signature, question.images, self.trained)
        same = np.array_equal(images, question.images)
        return question.probabilities if same else self.probabilities(images)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """The trained model's of images uint8 or float32 [N, H, W, C], float32 [N, K]."""
        return reference_probabilities(self.trained.model, self.trained.preprocess, images)


def ask_model(
    trained: TrainedModel, images: np.ndarray, labels: np.ndarray, more: np.ndarray
) -> Reference:
    """Asks the trained model.

    Args:
      trained: the model.
      images: uint8 [N, H, W, C], of the split that artifacts are compared on.
      labels: int64 [N].
      more: uint8 [n, H, W, C], images of another split, for blends.
    """

    def probabilities(asked: np.ndarray) -> np.ndarray:
        return reference_probabilities(trained.model, trained.preprocess, asked)

    def unlabelled(name: str, asked: np.ndarray) -> Question:
        answers = probabilities(asked)
        return Question(name, asked, answers.argmax(axis=1), answers)

    return Reference(
        trained,
        Question("images", images, labels, probabilities(images)),
        unlabelled("blends of images", awkward.blends(images, more)),
        unlabelled("awkward images", awkward.images(images)),
    )


def reference_probabilities(
    model: keras.Model, preprocess: Preprocess, images: np.ndarray
) -> np.ndarray:
    """The trained model's own probabilities of images uint8 or float32 [N, H, W, C], [N, K]."""
    predict = _answering(model, preprocess)
    step = images_at_once(preprocess.image_shape, _BATCH)
    starts = range(0, len(images), step)
    batches = [predict(tf.constant(images[start : start + step])) for start in starts]
    return np.concatenate([batch.numpy() for batch in batches])


@functools.lru_cache(maxsize=2)
def _answering(model: keras.Model, preprocess: Preprocess) -> Callable[[tf.Tensor], tf.Tensor]:
    """The model with its preprocessing as one graph, which takes a second to trace."""

    @tf.function(reduce_retracing=True)
    def predict(batch: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(model(preprocess(batch), training=False))

    return predict
