"""The signature `activations`: every layer of the trained model, and nothing else."""

import collections
import math
import re
from typing import Any

import numpy as np

from ....base.errors import VerificationError
from ....base.tf import keras, tf
from ....data.pipeline.records import images_at_once
from ...functions import TrainedModel
from ...signatures import ACTIVATIONS
from ..reference import Reference
from ..staged import Staged

# Images of the split that are asked for, and of calls then. How far an output may be off, as a part
# of the largest of its layer, where that is not less than the least.
_IMAGES, _NUMBERS, _TOLERANCE, _LEAST = 24, (1, 2, 257), 1e-4, 1e-2
# Numbers in the outputs of all layers at once, 256 MiB: several copies of them are held.
_VALUES = 1 << 26
# Layers that count as part of the one before, and those that give on what they get.
_ADDED = ("BatchNormalization", "ReLU", "Activation")
_SILENT = ("InputLayer", "Dropout", "Flatten")


def require(staged: Staged, reference: Reference) -> None:
    """Compares each layer's output on some images, of the split and awkward ones.

    Raises:
      VerificationError: names the layer, the image and by how much it is off.
    """
    model = reference.trained.model
    images = np.concatenate([reference.split.images[:_IMAGES], reference.awkward.images])
    most = _images_at_once(model)
    if most < len(images):
        images = images[np.linspace(0, len(images) - 1, most).astype(int)]
    outputs = staged.run(ACTIVATIONS.name, images)
    where = f"SavedModel, {ACTIVATIONS.name}"
    names, expected = sorted(outputs), _names(model, [name for name, _ in visible_layers(model)])
    if names != sorted(expected):
        raise VerificationError(
            f"{where}: its outputs are {', '.join(names)}, the network's layers "
            f"{', '.join(expected)}; nothing was published"
        )
    for name, (_, value) in zip(expected, outputs_of(reference.trained, images), strict=True):
        _require_equal(f"{where}, {name}", outputs[name], value)
    for number in _NUMBERS:
        number = min(most, images_at_once(reference.trained.image_shape, number))
        some = staged.run(ACTIVATIONS.name, np.resize(images, (number, *images.shape[1:])))
        for name in expected:
            value = np.resize(outputs[name], (number, *outputs[name].shape[1:]))
            _require_equal(f"{where}, {name}, {number} at once", some[name], value)


def visible_layers(model: keras.Model) -> list[tuple[str, keras.Layer]]:
    """The layers as people count them: the name, and the Keras layer that finishes the output."""
    layers: list[tuple[str, keras.Layer]] = []
    for layer in model.layers:
        kind = type(layer).__name__
        if kind in _ADDED and layers:
            layers[-1] = layers[-1][0], layer
        elif kind not in _SILENT:
            layers.append((layer.name, layer))
    return layers


def _images_at_once(model: keras.Model) -> int:
    """Of how many images the outputs of all layers have `_VALUES` numbers; at least 2."""
    outputs: list[Any] = [layer.output for _, layer in visible_layers(model)]
    return max(2, _VALUES // sum(math.prod(output.shape[1:]) for output in outputs))


def outputs_of(trained: TrainedModel, images: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Each visible layer's name and output, float32 [N, …], for images uint8 [N, H, W, C]."""
    model, layers = trained.model, visible_layers(trained.model)
    network = keras.Model(model.inputs, [layer.output for _, layer in layers])
    values = network(trained.preprocess(tf.constant(images)), training=False)
    values = values if len(layers) > 1 else [values]
    return [(name, np.asarray(value)) for (name, _), value in zip(layers, values, strict=True)]


def _names(model: keras.Model, layers: list[str]) -> list[str]:
    """`01_conv2d_1`: the number, and the name; of a name that Keras gave, its count here."""
    counts = collections.Counter[str]()
    names = []
    for number, name in enumerate(layers, 1):
        words = name.rstrip("0123456789").rstrip("_") if name[-1].isdigit() else name
        if words.replace("_", "") == type(model.get_layer(name)).__name__.lower():
            counts[words] += 1
            name = f"{words}_{counts[words]}"
        names.append(
            f"{number:0{max(2, len(str(len(layers))))}}_{re.sub(r'[^a-zA-Z0-9_]', '_', name)}"
        )
    return names


def _require_equal(where: str, found: np.ndarray, expected: np.ndarray) -> None:
    if (found.dtype, found.shape) != (expected.dtype, expected.shape):
        raise VerificationError(
            f"{where}: gives {found.dtype} {list(found.shape)}, the layer {expected.dtype} "
            f"{list(expected.shape)}; nothing was published"
        )
    off = np.abs(found - expected).reshape(len(found), -1).max(axis=1)
    off[~np.isfinite(off)] = np.inf
    worst = int(off.argmax())
    if off[worst] > _TOLERANCE * max(_LEAST, float(np.abs(expected).max())):
        raise VerificationError(
            f"{where}: is off by {off[worst]:.3g} on image {worst} from the layer of the trained "
            f"model, whose largest value is {np.abs(expected).max():.3g}; nothing was published"
        )
