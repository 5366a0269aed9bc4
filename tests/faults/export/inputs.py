"""Images that no split of digits holds, and what depends on more than the image."""

import itertools

import numpy as np
from faults.export.planting import Fault, for_images, graph, lite_graph, written

from digitline.base.tf import tf
from digitline.export import signatures
from digitline.export.formats import mediapipe

_DEFAULT, _IMAGES, _BYTES, _CLASSIFY, _LAYERS = signatures.SAVED_MODEL
_OFF = r"^SavedModel, {}: disagrees with the trained model: on \d+ of \d+ .* a probability is off"
_ODD = r"^{}: image \d+ between whole numbers: answers class \d with probability 0\.\d+, the"
_STATE = r"^SavedModel, {}: its graph holds {}: its answers may depend on more than the input"

# Whether an image is so, by its pixels, 0 to 255, float32 [N, P].
_IMAGES_OF = {
    "all black": lambda p: tf.reduce_max(p, 1) == 0,
    "all white": lambda p: tf.reduce_min(p, 1) == 255,
    "one grey": lambda p: tf.reduce_max(p, 1) == tf.reduce_min(p, 1),
    "a single pixel": lambda p: tf.reduce_sum(tf.cast(p > 0, tf.int32), 1) == 1,
    "a hole in white": lambda p: tf.reduce_sum(tf.cast(p < 255, tf.int32), 1) == 1,
    "a lit corner": lambda p: p[:, 0] > 0,
    "bright": lambda p: tf.reduce_mean(p, 1) > 200,
    "a chessboard": lambda p: tf.reduce_min(tf.abs(p[:, :27] - p[:, 1:28]), 1) == 255,
    "faint": lambda p: (tf.reduce_max(p, 1) < 10) & (tf.reduce_max(p, 1) > 0),
}


def _of_pixels(name, signature, scale=1, quick=False):
    is_wrong = _IMAGES_OF[name]
    return Fault(
        f"{signature.name}: {name}",
        "saved_model",
        graph(signature, for_images(lambda pixels: is_wrong(tf.round(pixels * scale)))),
        _OFF.format(signature.name),
        quick=quick,
    )


def _of_layers(name):
    """Of the logits."""
    is_wrong = _IMAGES_OF[name]
    return Fault(
        f"activations: {name}",
        "saved_model",
        graph(_LAYERS, for_images(is_wrong)),
        r"^SavedModel, activations, 01_logits: is off by [\d.]+ on image \d+ from the layer",
    )


def _in_lite(name):
    is_wrong = _IMAGES_OF[name]
    return Fault(
        f"TFLite: {name}",
        "tflite",
        lite_graph(signatures.TFLITE_DEFAULT, for_images(is_wrong)),
        r"^TFLite float32, serving_default: disagrees with the trained model: on \d+ of \d+",
        changes={"tflite_variants": ("float32",), "c_header": False},
    )


def _pixels(change):
    return lambda function: lambda values: function(change(values))


def _changed_by(change):
    """Wraps a function: what `change(float32 [])` gives is added to its floats."""

    def wrap(function):
        def call(values):
            outputs = function(values)
            return {
                name: value + tf.cast(change(), tf.float32) if value.dtype == tf.float32 else value
                for name, value in outputs.items()
            }

        return call

    return wrap


def _counted():
    calls = itertools.count()
    return tf.ensure_shape(
        tf.numpy_function(lambda: np.float32(next(calls) > 40), [], tf.float32), []
    )


def _by_a_table():
    table = tf.raw_ops.MutableHashTableV2(key_dtype=tf.int64, value_dtype=tf.int64)
    zero = tf.constant(0, tf.int64)
    return tf.raw_ops.LookupTableFindV2(table_handle=table, keys=zero, default_value=zero)


def _grey(weights):
    return written(lambda monkeypatch: monkeypatch.setattr(mediapipe, "_GREY", weights))


_RGB = {"tflite_variants": ("mediapipe",), "c_header": False, "tflite_io": "uint8"}

FAULTS = (
    _of_pixels("all black", _DEFAULT, quick=True),
    _of_pixels("all white", _IMAGES, 255),
    _of_pixels("one grey", _DEFAULT),
    _of_pixels("a single pixel", _IMAGES, 255),
    _of_pixels("a hole in white", _DEFAULT),
    _of_pixels("a lit corner", _IMAGES, 255),
    _of_pixels("bright", _DEFAULT),
    _of_pixels("a chessboard", _DEFAULT),
    _of_pixels("faint", _DEFAULT),
    *map(_of_layers, ("all black", "all white", "a single pixel")),
    *map(_in_lite, ("all black", "all white", "bright")),
    *(
        Fault(
            f"predict_images: {name}", "saved_model", graph(_IMAGES, _pixels(change)),
            _ODD.format("SavedModel, predict_images"),
        )
        for name, change in (
            ("rounded to whole numbers", lambda x: tf.round(x * 255) / 255),
            ("to half the numbers", lambda x: tf.where(
                tf.abs(x * 255 - tf.round(x * 255)) > 0.01, x + 0.1, x)),
        )
    ),
    Fault(
        "predict_images: cut to whole numbers", "saved_model",
        graph(_IMAGES, _pixels(lambda x: tf.floor(x * 254.9) / 255)), _OFF.format("predict_images"),
    ),
    Fault(
        "predict_images: column by column", "saved_model",
        graph(_IMAGES, _pixels(
            lambda x: tf.reshape(tf.transpose(tf.reshape(x, [-1, 28, 28]), [0, 2, 1]), [-1, 784])
        )),
        _OFF.format("predict_images"),
    ),
    *(
        Fault(f"MediaPipe: {name}", "tflite_mediapipe", _grey(weights),
              _ODD.format("TFLite mediapipe, classify_rgb"), changes=_RGB)
        for name, weights in (
            ("red", (1, 0, 0)), ("thirds", (1 / 3, 1 / 3, 1 / 3)), ("BGR", (0.114, 0.587, 0.299)),
            ("BT.709", (0.2126, 0.7152, 0.0722)),
        )
    ),
    Fault(
        "MediaPipe: pixels from 0 to 1", "tflite_mediapipe",
        lite_graph(signatures.CLASSIFY_RGB, _pixels(lambda x: x * np.float32(255))),
        r"^TFLite mediapipe, classify_rgb: disagrees with the trained model: on \d+ of 60 images",
        changes=_RGB,
    ),
    *(
        Fault(
            f"{signature.name}: {name}", "saved_model", graph(signature, _changed_by(change)),
            _STATE.format(signature.name, operation),
        )
        for name, signature, change, operation in (
            ("from the 41st call on", _IMAGES, _counted, "PyFunc"),
            ("by chance", _DEFAULT, lambda: tf.random.uniform([]) < 1e-9, "RandomUniform"),
            ("by the clock", _CLASSIFY, lambda: tf.timestamp() > 2e9, "Timestamp"),
            ("by a file", _DEFAULT,
             lambda: tf.strings.length(tf.io.read_file("/etc/hostname")) < 0, "ReadFile"),
            ("by a table", _IMAGES, _by_a_table, ".*MutableHashTableV2"),
        )
    ),
)  # fmt: skip
