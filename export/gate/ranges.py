"""What the trained model answers when its layers keep to ranges, as those of an int8 file must.

int8 has numbers for what each layer gave on the calibration images, and cuts off what is beyond. Of
images that are unlike these, all white or all black, that may be another answer than the model's,
and a right one of the file's.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...base.tf import keras, tf
from ...data.pipeline.records import images_at_once
from ..functions import TrainedModel
from .claims import layers
from .reference import Reference

# Images that all layers are looked at for at once.
_BATCH = 100


def with_ranges(reference: Reference, calibration: np.ndarray) -> Reference:
    """The reference with what an int8 file must answer to its awkward images.

    Args:
      reference: the model and the images.
      calibration: uint8 [n, H, W, C], which the ranges are of.
    """
    trained, question = reference.trained, reference.awkward
    ranges = _ranges(trained, calibration)

    def call(layer: Any, *arguments: Any, **options: Any) -> Any:
        output = layer(*arguments, **options)
        return keras.ops.clip(output, *ranges[layer.name]) if layer.name in ranges else output

    model = keras.models.clone_model(
        trained.model, clone_function=lambda layer: layer, call_function=call
    )
    pixels = trained.preprocess(tf.constant(question.images))  # Of which none is cut off.
    probabilities = tf.nn.softmax(model(pixels, training=False)).numpy()
    within = dataclasses.replace(
        question, probabilities=probabilities, labels=probabilities.argmax(axis=1)
    )
    *_, logits = ranges.values()
    return dataclasses.replace(reference, within_ranges=within, logits_range=logits)


def _ranges(trained: TrainedModel, images: np.ndarray) -> Mapping[str, tuple[float, float]]:
    """The least and the largest number that each layer gives, and 0."""
    # By the Keras layer that finishes the output: what is before it is no tensor of the file.
    finishing = [layer.name for _, layer in layers.visible_layers(trained.model)]
    ranges: dict[str, tuple[float, float]] = {}
    step = images_at_once(trained.image_shape, _BATCH)
    for start in range(0, len(images), step):
        part = images[start : start + step]
        outputs = [value for _, value in layers.outputs_of(trained, part)]
        for name, value in zip(finishing, outputs, strict=True):
            least, largest = ranges.get(name, (0.0, 0.0))
            ranges[name] = min(least, float(value.min())), max(largest, float(value.max()))
    return ranges
