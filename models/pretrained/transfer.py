"""Gives EfficientNet-Lite0 the weights that torch has of it."""

import re
from collections.abc import Iterator, Mapping

import numpy as np

from ...base.tf import keras

# By the names of `efficientnet_lite0`: the convolution, or dense layer, and its normalization.
_OUTSIDE_BLOCKS = {
    "stem": "_conv_stem",
    "stem_norm": "_bn0",
    "head": "_conv_head",
    "head_norm": "_bn1",
    "logits": "_fc",
}
_IN_BLOCKS = {
    "expand": "_expand_conv",
    "expand_norm": "_bn0",
    "depthwise": "_depthwise_conv",
    "depthwise_norm": "_bn1",
    "project": "_project_conv",
    "project_norm": "_bn2",
}
# What of a tensor's name follows the layer's, by the name of Keras's variable.
_VARIABLES = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
# How many batches a moving average has seen: Keras does not count them.
_COUNTER = ".num_batches_tracked"
_CLASSIFIER, _CLASSES = "logits", 1000


def put(model: keras.Model, weights: Mapping[str, np.ndarray]) -> None:
    """Assigns pretrained weights to a network, all of them or none.

    The stem of a network for grey images takes the sum of its kernel over the channels: it does
    with an image what the network for colour does with three copies of it.

    Args:
      model: of `efficientnet_lite0.build`. Its classifier stays as it is, unless it has the 1000
        classes of ImageNet.
      weights: of `imagenet.weights`.

    Raises:
      ValueError: the network is another one; or a tensor is missing, left over, or of another shape
        than its variable.
    """
    left = {name: weights[name] for name in weights if not name.endswith(_COUNTER)}
    assignments = []
    for layer, variable, name in _variables(model):
        if name not in left:
            raise ValueError(f"Expected a tensor {name}. Received: {len(left)} others")
        value = _as_keras(left.pop(name), variable)
        if layer.name == _CLASSIFIER and model.output_shape[-1] != _CLASSES:
            continue
        if value.shape != tuple(variable.shape):
            raise ValueError(
                f"Expected {name} to be {list(variable.shape)} for Keras. "
                f"Received: {list(value.shape)}"
            )
        assignments.append((variable, value))
    if left:
        raise ValueError(
            f"Expected every tensor to be used. Received: {len(left)} others, {next(iter(left))}"
        )
    for variable, value in assignments:
        variable.assign(value)


def _variables(model: keras.Model) -> Iterator[tuple[keras.layers.Layer, keras.Variable, str]]:
    """Each variable that is a weight, with its layer and torch's name of the tensor."""
    for layer in model.layers:
        for variable in layer.weights:
            yield layer, variable, f"{_torch_layer(layer.name)}.{_VARIABLES[variable.name]}"


def _torch_layer(name: str) -> str:
    match = re.fullmatch(r"block(\d+)_(\w+)", name)
    if match and match[2] in _IN_BLOCKS:
        return f"_blocks.{match[1]}.{_IN_BLOCKS[match[2]]}"
    if name in _OUTSIDE_BLOCKS:
        return _OUTSIDE_BLOCKS[name]
    raise ValueError(f"Expected the layers of efficientnet_lite0. Received: a layer {name}")


def _as_keras(value: np.ndarray, variable: keras.Variable) -> np.ndarray:
    """A kernel in Keras's order of axes: height, width, input, output."""
    if value.ndim == 2:
        return value.T
    if value.ndim != 4:
        return value
    # Torch counts depthwise kernels as outputs, each of one input; Keras the other way round.
    is_depthwise = value.shape[1] == 1
    value = value.transpose((2, 3, 0, 1) if is_depthwise else (2, 3, 1, 0))
    is_grey = variable.shape[2] == 1 and value.shape[2] == 3
    return value.sum(2, keepdims=True) if is_grey else value
