"""EfficientNet-Lite0: 224x224, depthwise convolutions, weights of ImageNet. 3,413,024 parameters.

M. Tan, Q. Le, "EfficientNet: rethinking model scaling for convolutional neural networks",
ICML 2019, in the Lite form that its authors made for TFLite: without squeeze-and-excite, with
ReLU6. The count is that of the body, on which the classes' own layer stands; pretrained/ has
its weights, and how they came.

  digitline train --data=FOLDER                                  # --model=auto chooses it
  digitline train --data=FOLDER --model=efficientnet_lite0 --views=4 --fine_tune_epochs=3

The body stays as it is while the head is trained on its features, which are computed once; then,
with --fine_tune_epochs, all is trained. On 800 pictures 224x224 the first takes less than a minute
of 2 cores.

Batch normalization keeps the statistics that it comes with, as in Keras's guide to fine-tuning:
its layers are not trainable.
"""

from typing import Any

from ..base import command
from ..base.tf import keras
from . import registry
from .recipe import Recipe
from .training.network.layers import dropout

NAME = "efficientnet_lite0"
ARTICLE_ACCURACY = "none"
INPUT_SIZE = (224, 224)

RECIPES = {
    "best": Recipe(
        optimizer="adam",
        learning_rate=1e-3,
        schedule="cosine",
        batch_size=32,
        epochs=30,
        label_smoothing=0.05,
        # What the weights are for: (pixel - 127) / 128.
        mean=127 / 255,
        std=128 / 255,
    ),
}

# Of each stage: blocks, side of the kernel, stride of the first block, expansion, filters.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM, _HEAD = 32, 1280
_DROPOUT = 0.2


def build(input_shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    """The network: float32 [N, 224, 224, C] to logits float32 [N, num_classes]; C is 1 or 3.

    Its weights are random. The layer `features` gives float32 [N, 1280]; up to there it is the
    body, after there `logits` is the only layer with weights.

    Raises:
      UsageError: the images are neither grey nor in colour.
    """
    if input_shape[2] not in (1, 3):
        raise registry.cannot_take(NAME, input_shape, 0, ", only grey ones and RGB")
    layers = keras.layers
    inputs = keras.Input(input_shape, name="normalized_images")
    x = _convolution(inputs, _STEM, 3, 2, "stem")
    number = 0
    for blocks, kernel, stride, expansion, filters in _STAGES:
        for block in range(blocks):
            x = _block(x, kernel, 1 if block else stride, expansion, filters, f"block{number}")
            number += 1
    x = _convolution(x, _HEAD, 1, 1, "head")
    x = layers.GlobalAveragePooling2D(name="features")(x)
    x = dropout(_DROPOUT, name="dropout")(x)
    return keras.Model(inputs, layers.Dense(num_classes, name="logits")(x), name=NAME)


def _block(inputs: Any, kernel: int, stride: int, expansion: int, filters: int, name: str) -> Any:
    """An inverted residual with a linear bottleneck: M. Sandler and others, "MobileNetV2", 2018."""
    layers, x = keras.layers, inputs
    if expansion > 1:
        x = _convolution(x, expansion * inputs.shape[-1], 1, 1, f"{name}_expand")
    depthwise = layers.DepthwiseConv2D(
        kernel,
        stride,
        padding="same",
        use_bias=False,
        depthwise_initializer=_he(),
        name=f"{name}_depthwise",
    )
    x = _relu6(_normalized(depthwise(x), depthwise.name), depthwise.name)
    x = _convolution(x, filters, 1, 1, f"{name}_project", is_linear=True)
    return layers.Add(name=f"{name}_add")([x, inputs]) if x.shape == inputs.shape else x


def _convolution(
    x: Any, filters: int, kernel: int, stride: int, name: str, is_linear: bool = False
) -> Any:
    convolution = keras.layers.Conv2D(
        filters,
        kernel,
        stride,
        padding="same",
        use_bias=False,
        kernel_initializer=_he(),
        name=name,
    )
    x = _normalized(convolution(x), name)
    return x if is_linear else _relu6(x, name)


def _normalized(x: Any, name: str) -> Any:
    """Batch normalization with the statistics that it has."""
    layer = keras.layers.BatchNormalization(epsilon=1e-3, trainable=False, name=f"{name}_norm")
    return layer(x)


def _relu6(x: Any, name: str) -> Any:
    return keras.layers.ReLU(6.0, name=f"{name}_relu")(x)


def _he() -> Any:  # Keras declares that layers take only the names of initializers.
    """K. He and others, "Delving deep into rectifiers", 2015, by the outputs of a value.

    By its inputs Keras takes a depthwise kernel for one that sums over all channels.
    """
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


if __name__ == "__main__":
    command.start("models.train", model=NAME)
