"""The signature of a SavedModel that all peers call, in one Python process."""

import os
from collections.abc import Callable

import numpy as np

# Of those that join requests to batches: rows, and seconds that the first waits.
BATCH, WAIT_S = 64, 0.001


def open_signature(saved_model: str) -> Callable[[np.ndarray], np.ndarray]:
    """`serving_default`: images uint8 [N, H, W, C] to probabilities float32 [N, K]."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    loaded = tf.saved_model.load(saved_model)  # Its variables live as long as it does.

    def call(images: np.ndarray) -> np.ndarray:
        signature = loaded.signatures["serving_default"]
        return signature(images=tf.constant(images, tf.uint8))["probabilities"].numpy()

    return call
