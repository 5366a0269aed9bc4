"""The TFLite variant for MediaPipe's Image Classifier.

It shows the model RGB pictures, resized to the input's size and normalized as the file's
metadata say; it wants one subgraph and one output, and takes the labels from the file.
float32 rather than uint8 in: GPUs take it too.
Source: https://developers.google.com/edge/mediapipe/solutions/vision/image_classifier.
"""

from pathlib import Path

import numpy as np

from ...base.tf import tf
from ...serving.artifacts import Outputs, interpreter
from .. import signatures
from ..functions import Function, TrainedModel, probabilities
from . import metadata
from .artifact import Opened

# Of red, green and blue in grey (ITU-R BT.601). They add up to 1, so that grey stays as it is.
_GREY = (0.299, 0.587, 0.114)


def classify_rgb(trained: TrainedModel) -> Function:
    """Images float32 [N, H, W, 3], 0 to 255, to probabilities."""
    classify = probabilities(trained)
    if trained.image_shape[2] == 3:
        return classify
    weights = tf.constant(_GREY, tf.float32, shape=(1, 1, 3, 1))
    return lambda images: classify(tf.nn.conv2d(images, weights, strides=1, padding="VALID"))


def open_file(path: Path) -> Opened:
    """Opens the variant with LiteRT, which MediaPipe runs on too."""
    runner = interpreter(path).get_signature_runner(signatures.CLASSIFY_RGB.name)

    def run(_: str, values: np.ndarray) -> Outputs:  # There is one signature.
        rows = [runner(images=image[np.newaxis])["probabilities"].copy() for image in values]
        return {"probabilities": np.concatenate(rows)}

    return Opened(metadata.labels(path), metadata.pictures(path), run)
