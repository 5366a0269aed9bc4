"""The graph of each signature: from what a client sends to what it gets.

All of them end in the same network; they differ in how pixels come in.
"""

import collections
import dataclasses
import math
import re
from collections.abc import Callable
from typing import Any

from ..base.pictures.config import PictureConfig
from ..base.tf import keras, tf
from ..data.pipeline.preprocess import Preprocess

# In a BMP file (little-endian): where the pixels' bits are stated, the size of the
# header after the first 14 bytes, and the number of colours in the palette.
_BMP_BITS, _BMP_HEADER, _BMP_COLOURS = 28, 14, 46
# Layers that finish the answer of the one before, and those that pass it on as it is.
_FINISHING = (keras.layers.BatchNormalization, keras.layers.ReLU, keras.layers.Activation)
_PASSING = (keras.layers.InputLayer, keras.layers.Dropout, keras.layers.Flatten)
# A picture counts as dark on light where its border is brighter than this.
LIGHT = 127.5


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
    """Picture files, string [N], to probabilities and classes."""
    decode = decode_picture(trained.image_shape, trained.dark_on_light)
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


def decode_picture(
    image_shape: tuple[int, int, int], dark_on_light: bool
) -> Callable[[tf.Tensor], tf.Tensor]:
    """A graph function from a PNG, JPEG, BMP or GIF file, string [], to pixels uint8 [H, W, C].

    What is transparent becomes white (with `dark_on_light`, black below light ink). A
    picture of another size is resized, its aspect not kept. The rotation that a JPEG's EXIF
    states is not applied, since TensorFlow does not read it.

    Args:
      image_shape: (height, width, channels) to give; 1 or 3 channels.
      dark_on_light: whether a picture with a light border is inverted.
    """
    height, width, channels = image_shape

    def call(content: tf.Tensor) -> tf.Tensor:
        picture = _with_palette(tf.io.decode_image(content, expand_animations=False), content)
        picture = tf.cast(tf.ensure_shape(picture, [None, None, None]), tf.float32)
        depth = tf.shape(picture)[2]
        with_alpha = tf.equal(tf.math.floormod(depth, 2), 0)  # Grey and alpha, or RGBA.
        colours = picture[:, :, : depth - tf.cast(with_alpha, tf.int32)]
        opaque = tf.fill(tf.shape(picture[:, :, :1]), 255.0)
        cover = tf.where(with_alpha, picture[:, :, -1:], opaque) / 255.0
        paper = 255.0
        if dark_on_light:  # Light ink would not be seen on white.
            ink = tf.reduce_sum(tf.reduce_mean(colours, 2, keepdims=True) * cover)
            is_light = ink / tf.maximum(tf.reduce_sum(cover), 1.0) > LIGHT
            paper = tf.where(tf.logical_and(with_alpha, is_light), 0.0, 255.0)
        colours = colours * cover + paper * (1.0 - cover)
        colours = tf.cond(
            tf.equal(tf.shape(colours)[2], 1), lambda: tf.tile(colours, [1, 1, 3]), lambda: colours
        )
        colours = tf.ensure_shape(colours, [None, None, 3])
        pixels = tf.image.rgb_to_grayscale(colours) if channels == 1 else colours
        pixels = tf.image.resize(pixels, (height, width), antialias=True)
        if dark_on_light:
            edges = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
            border = tf.reduce_mean(tf.concat(edges, axis=0))
            pixels = tf.where(border > LIGHT, 255.0 - pixels, pixels)
        return tf.cast(tf.clip_by_value(tf.round(pixels), 0.0, 255.0), tf.uint8)

    return call


def _with_palette(picture: tf.Tensor, content: tf.Tensor) -> tf.Tensor:
    """The colours of a BMP file with a palette, whose numbers TensorFlow takes for grey."""

    def number(offset: int, dtype: tf.DType) -> tf.Tensor:
        raw = _decode_raw(tf.strings.substr(content, offset, dtype.size), dtype)
        return tf.cast(raw[0], tf.int32)

    def coloured() -> tf.Tensor:
        colours = number(_BMP_COLOURS, tf.int32)
        colours = tf.where(tf.equal(colours, 0), 256, colours)
        start = 14 + number(_BMP_HEADER, tf.int32)
        raw = _decode_raw(tf.strings.substr(content, start, 4 * colours), tf.uint8)
        palette = tf.reshape(raw, [-1, 4])[:, 2::-1]  # Blue, green, red, and a byte of nothing.
        return tf.gather(palette, tf.cast(picture[:, :, 0], tf.int32))

    is_bmp = tf.equal(tf.strings.substr(content, 0, 2), "BM")
    has_palette = tf.cond(
        is_bmp, lambda: tf.equal(number(_BMP_BITS, tf.int16), 8), lambda: tf.constant(False)
    )
    return tf.cond(has_palette, coloured, lambda: picture)
