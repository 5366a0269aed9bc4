"""The graph of each signature: from what a client sends to what it gets.

All of them end in the same network; they differ in how pixels come in.
"""

import collections
import dataclasses
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from ..base.pictures.config import PictureConfig
from ..base.tf import keras, tf
from ..data.pipeline.preprocess import Preprocess
from .pictures import picture, sizes
from .pictures.decode import without_animation

# Layers that finish the answer of the one before, and those that pass it on as it is.
_FINISHING = (keras.layers.BatchNormalization, keras.layers.ReLU, keras.layers.Activation)
_PASSING = (keras.layers.InputLayer, keras.layers.Dropout, keras.layers.Flatten)
# Of a picture in an example: one that has fewer is decoded, and its shape held against the model's.
_ANY_PIXELS = 1 << 20

# From the input of a signature, as a tensor, to its outputs by name.
Function = Callable[[tf.Tensor], dict[str, tf.Tensor]]


@dataclasses.dataclass(frozen=True)
class TrainedModel:
    """What is exported.

    Attributes:
      model: float32 [N, height, width, C] to logits float32 [N, K].
      preprocess: from raw pixels to the model's input; goes into the graph.
      label_names: by class number.
      pictures: how a picture file becomes a raw image.
      encoding: of the image in the dataset's records: `raw` bytes, or `encoded`.
      dark_on_light: whether picture files that are dark on light are inverted.
      name: under which it is published.
    """

    model: keras.Model
    preprocess: Preprocess
    label_names: tuple[str, ...]
    pictures: PictureConfig
    encoding: str = "raw"
    dark_on_light: bool = False
    name: str = "model"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the raw images."""
        return self.preprocess.image_shape

    def logits(self, images: tf.Tensor) -> tf.Tensor:
        """Raw images uint8 or float32 [N, H, W, C], 0 to 255, to float32 [N, K]."""
        return self.model(self.preprocess(images), training=False)


def strict(function: Function, shape: Sequence[int | None]) -> Function:
    """Takes inputs of this shape only; None where a size is open.

    A session looks at no shape that is stated, and a network takes what it can reshape: four images
    of 14x14 for one of 28x28.
    """
    return lambda values: function(tf.ensure_shape(values, shape))


def serving_default(trained: TrainedModel, class_dtype: tf.DType = tf.int64) -> Function:
    """Images uint8 [N, H, W, C] to probabilities and classes."""

    def call(images: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = trained.logits(images)
        return {
            "probabilities": tf.nn.softmax(logits),
            "classes": tf.argmax(logits, axis=-1, output_type=class_dtype),
        }

    return call


def probabilities(trained: TrainedModel) -> Function:
    """Images uint8 or float32 [N, H, W, C], 0 to 255, to probabilities."""
    return lambda images: {"probabilities": tf.nn.softmax(trained.logits(images))}


def activations(trained: TrainedModel) -> Function:
    """Images uint8 [N, H, W, C] to the output of each layer, named `01_NAME`, `02_NAME`, ….

    Layers that change no value in use, such as dropout, are left out. Where Keras named a layer,
    its number is counted in this network; Keras counts over all networks of the process.
    """
    layers: list[tuple[str, Any]] = []  # Name and output.
    numbers = collections.Counter[str]()
    for layer in trained.model.layers:
        if isinstance(layer, _FINISHING) and layers:
            layers[-1] = (layers[-1][0], layer.output)
        elif not isinstance(layer, _PASSING):
            name = layer.name
            kind = re.sub(r"_\d+$", "", name)
            if kind.replace("_", "") == type(layer).__name__.lower():
                numbers[kind] += 1
                name = f"{kind}_{numbers[kind]}"
            layers.append((re.sub(r"\W", "_", name), layer.output))
    digits = max(2, len(str(len(layers))))
    outputs = {
        f"{number:0{digits}}_{name}": output for number, (name, output) in enumerate(layers, 1)
    }
    network = keras.Model(trained.model.inputs, outputs)
    return lambda images: network(trained.preprocess(images), training=False)


def predict_images(trained: TrainedModel) -> Function:
    """Images float32 [N, H·W·C] in [0, 1] to scores, as in TF Serving's MNIST tutorial."""

    def call(images: tf.Tensor) -> dict[str, tf.Tensor]:
        pixels = tf.reshape(images, (-1, *trained.image_shape)) * 255.0
        return {"scores": tf.nn.softmax(trained.logits(pixels))}

    return call


def predict_bytes(trained: TrainedModel) -> Function:
    """Picture files, string [N], to probabilities and classes; prepared as for training."""
    decode = picture.loader(trained.pictures, trained.dark_on_light)
    classify_images = serving_default(trained)
    return lambda image_bytes: classify_images(_map(decode, image_bytes, trained.image_shape))


def classify(trained: TrainedModel) -> Function:
    """Serialized `tf.Example`s with the records' own features, string [N], to classes, best first.

    A label in the example is not read. Where the records hold raw bytes, a picture file of
    the same size will do too: a client does not know which it is.
    """
    names = tf.constant(trained.label_names)
    shape = trained.image_shape

    def decode(content: tf.Tensor) -> tf.Tensor:
        content = sizes.within(without_animation(content), max(_ANY_PIXELS, math.prod(shape)))
        return tf.ensure_shape(
            tf.io.decode_image(content, shape[2], expand_animations=False), shape
        )

    def decode_raw(content: tf.Tensor) -> tf.Tensor:
        return tf.reshape(_decode_raw(content, tf.uint8), tf.concat([tf.shape(content), shape], 0))

    def is_raw(content: tf.Tensor) -> tf.Tensor:
        return tf.equal(tf.strings.length(content), math.prod(shape))

    def decode_any(content: tf.Tensor) -> tf.Tensor:
        return tf.cond(is_raw(content), lambda: decode_raw(content), lambda: decode(content))

    def call(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        features = tf.io.parse_example(inputs, {"image": tf.io.FixedLenFeature([], tf.string)})
        contents: Any = features["image"]
        if trained.encoding == "raw":
            images = tf.cond(
                tf.reduce_all(is_raw(contents)),
                lambda: decode_raw(contents),  # All at once, which is quicker.
                lambda: _map(decode_any, contents, shape),
            )
        else:
            images = _map(decode, contents, shape)
        scores, order = tf.math.top_k(
            tf.nn.softmax(trained.logits(images)), len(trained.label_names)
        )
        return {"classes": tf.gather(names, order), "scores": scores}

    return call


def _map(
    decode: Callable[[tf.Tensor], tf.Tensor], contents: tf.Tensor, image_shape: tuple[int, ...]
) -> tf.Tensor:
    """Applies a function from a file, a string scalar, to an image: string [N] to [N, H, W, C]."""
    spec = tf.TensorSpec(image_shape, tf.uint8)
    return tf.map_fn(decode, contents, fn_output_signature=spec)


def _decode_raw(content: tf.Tensor, dtype: tf.DType) -> Any:
    return tf.io.decode_raw(content, dtype)  # TensorFlow's annotation says it may be None.
