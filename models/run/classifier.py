"""The trained model of a run as what classifies raw images, as its exports do."""

from pathlib import Path

import numpy as np

from ...base.tf import tf
from ...serving.artifacts import Classifier, Outputs
from ...serving.description import Description
from .folder import Run

# Images in a call: bounds the memory of large networks.
_BATCH = 250


def open_run(workdir: Path) -> Classifier:
    """Opens the model of a finished run, with the preprocessing that it was trained with.

    Raises:
      UserError: there is no run, or it is not finished, or damaged.
    """
    folder = Run(workdir)
    config, model = folder.load()
    shape = config.preprocess.image_shape

    @tf.function(input_signature=[tf.TensorSpec((None, *shape), tf.uint8)], autograph=False)
    def probabilities(images: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(model(config.preprocess(images), training=False))

    def run(images: np.ndarray) -> Outputs:
        parts = [
            probabilities(tf.constant(images[start : start + _BATCH])).numpy()
            for start in range(0, len(images), _BATCH)
        ]
        values = np.concatenate(parts)
        return {"probabilities": values, "classes": values.argmax(axis=1)}

    description = Description(config.label_names, config.pictures, shape, threshold=None)
    return Classifier(workdir, description, run)
