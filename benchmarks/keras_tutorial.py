"""The network of Keras's tutorial on pictures of one's own, and its training for some time.

https://www.tensorflow.org/tutorials/images/classification, the second network there: it augments,
and has dropout.
"""

import dataclasses
import time
from collections.abc import Mapping

import numpy as np

from digitline.base.tf import keras, tf

# Height and width of the tutorial's images.
_SIDE = 180
# Images that are resized at a time.
_PART = 50


@dataclasses.dataclass(frozen=True)
class Images:
    """uint8 [N, H, W, C], and their classes, int64 [N]."""

    images: np.ndarray
    labels: np.ndarray


def network(image_shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    """The tutorial's second network, compiled: images 0 to 255 [N, H, W, C] to logits [N, K]."""
    layers = keras.layers
    stack: list[keras.layers.Layer] = [
        layers.RandomFlip("horizontal"),
        layers.RandomRotation(0.1),
        layers.RandomZoom(0.1),
        layers.Rescaling(1 / 255),
    ]
    for filters in (16, 32, 64):
        stack += [
            layers.Conv2D(filters, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
        ]
    stack += [
        layers.Dropout(0.2),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dense(num_classes),
    ]
    model = keras.Sequential([keras.Input(image_shape), *stack])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    return model


@dataclasses.dataclass(frozen=True)
class Trained:
    """The network with its best weights by validation.

    Attributes:
      seconds: of the training, in `epochs`.
      best_epoch: that the weights are of, from 1.
    """

    model: keras.Model
    seconds: float
    epochs: int
    best_epoch: int

    def accuracy(self, of: Images) -> float:
        """The share that it classifies right, 0 to 1."""
        _, accuracy = self.model.evaluate(*_resized(of), 32, verbose=0)  # pyright: ignore[reportArgumentType]
        return float(accuracy)


def trained(train: Images, validation: Images, seconds: float) -> Trained:
    """Trains on images 180x180 until the epoch in which the seconds are over."""
    keras.utils.set_random_seed(0)
    model = network((_SIDE, _SIDE, train.images.shape[3]), int(train.labels.max()) + 1)
    images, labels = _resized(train)
    batches = tf.data.Dataset.from_tensor_slices((images, labels))
    batches = batches.shuffle(len(images), 0).batch(32).prefetch(8)
    start = time.perf_counter()
    best = _BestInTime(start + seconds)
    model.fit(
        batches,  # pyright: ignore[reportArgumentType]
        validation_data=_resized(validation),
        epochs=1_000_000,
        verbose=0,  # pyright: ignore[reportArgumentType]
        callbacks=[best],
    )
    seconds = time.perf_counter() - start
    model.set_weights(best.weights)
    return Trained(model, seconds, best.epochs, best.best_epoch)


def _resized(of: Images) -> tuple[np.ndarray, np.ndarray]:
    parts = [
        tf.image.resize(of.images[start : start + _PART], (_SIDE, _SIDE), antialias=True).numpy()
        for start in range(0, len(of.images), _PART)
    ]
    return np.concatenate(parts).round().clip(0, 255).astype(np.uint8), of.labels


class _BestInTime(keras.callbacks.Callback):
    """Keeps the weights of the best validation, and ends after the epoch in which time is over."""

    def __init__(self, end: float):
        super().__init__()
        self._end, self._accuracy = end, -1.0
        self.best_epoch = self.epochs = 0
        self.weights: list[np.ndarray] = []

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        assert self.model is not None
        assert logs is not None
        self.epochs = epoch + 1
        if logs["val_accuracy"] > self._accuracy:
            self._accuracy, self.best_epoch = logs["val_accuracy"], self.epochs
            self.weights = self.model.get_weights()
        if time.perf_counter() > self._end:
            self.model.stop_training = True
