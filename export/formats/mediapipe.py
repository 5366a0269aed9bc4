"""The TFLite variant for MediaPipe's Image Classifier.

It shows the model RGB pictures, resized to the input's size and normalized as the file's
metadata say; it wants one subgraph and one output, and takes the labels from the file.
float32 rather than uint8 in: GPUs take it too.
Source: https://developers.google.com/edge/mediapipe/solutions/vision/image_classifier.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...base.tf import tf
from ...serving import artifacts
from .. import signatures
from ..functions import Classifier
from . import metadata
from .artifact import Opened, Outputs, agreed_labels

# Of red, green and blue in grey (ITU-R BT.601). They add up to 1, so that grey stays as it is.
_GREY = (0.299, 0.587, 0.114)


def classify_rgb(subject: Classifier) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """Images float32 [N, H, W, 3], 0 to 255, to probabilities."""
    weights = tf.constant(_GREY, tf.float32, shape=(1, 1, 3, 1))

    def call(images: tf.Tensor) -> dict[str, tf.Tensor]:
        if subject.image_shape[2] == 1:
            images = tf.nn.conv2d(images, weights, strides=1, padding="VALID")
        logits = subject.model(subject.preprocess(images), training=False)
        return {"probabilities": tf.nn.softmax(logits)}

    return call


def open_file(path: Path) -> Opened:
    """Opens the variant with LiteRT, which MediaPipe runs on too."""
    runner = artifacts.interpreter(path).get_signature_runner(signatures.CLASSIFY_RGB.name)

    def run(name: str, values: np.ndarray) -> Outputs:
        del name  # There is one.
        found = [runner(images=image[np.newaxis])["probabilities"].copy() for image in values]
        return {"probabilities": np.concatenate(found)}

    return Opened(agreed_labels(path, metadata.labels(path)), run)
