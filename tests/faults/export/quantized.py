"""Rounded files: classes are right, probabilities are not; or one image of one is wrong."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from faults.export.planting import Fault, graph, lite_graph, written

from digitline.base.tf import tf
from digitline.export import signatures
from digitline.export.formats import compact, quantize

_FAR = r"^TFLite {}, serving_default: disagrees with the trained model: "
_CHANGES = {"c_header": False, "tflite_io": "uint8"}


def _of_probabilities(change):
    """Only the probabilities; the classes are of what they were before."""

    def wrap(function):
        def call(images):
            outputs = function(images)
            return {**outputs, "probabilities": change(outputs["probabilities"])}

        return call

    return wrap


def _powers(exponent):
    def change(p):
        powers = tf.exp(exponent * tf.math.log(p + 1e-6))
        return powers / tf.reduce_sum(powers, -1, keepdims=True)

    return change


_CHANGED = {
    "reversed": lambda p: tf.reverse(p, [-1]),
    "flat": lambda p: p * 0.0 + 0.1,
    "flatter": lambda p: p * 0.5 + 0.05,
    "warmer": _powers(0.8),
    "colder": _powers(1.25),
    "two classes swapped": lambda p: tf.gather(p, [0, 2, 1, 3, 4, 5, 6, 7, 8, 9], axis=-1),
}


def _fault(name, variant, artifact="", quick=False):
    return Fault(
        f"{variant}: {name}",
        artifact or f"tflite_{variant}",
        lite_graph(signatures.TFLITE_DEFAULT, _of_probabilities(_CHANGED[name])),
        _FAR.format(variant),
        changes={**_CHANGES, "tflite_variants": (variant,)},
        quick=quick,
    )


def _quantized_by(name, change):
    sound = getattr(quantize, name)
    return written(
        lambda monkeypatch: monkeypatch.setattr(
            quantize, name, lambda *arguments: change(sound, *arguments)
        )
    )


def _scaled(factor):
    """Of a content of float32: its weights are other ones before they are rounded."""

    def change(sound, content, *arguments):
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        for buffer in model.buffers:
            if buffer.data is not None and len(buffer.data) > 1000:
                weights = np.asarray(buffer.data, np.uint8).view(np.float32) * np.float32(factor)
                buffer.data = weights.view(np.uint8)
        return sound(compact.packed(model), *arguments)

    return change


def _has_sum(images, total):
    """1 for each image with this sum of pixels, else 0: float32 [N, 1]."""
    sums = tf.reduce_sum(tf.cast(images, tf.float32), axis=(1, 2, 3))
    return tf.cast(tf.equal(sums, total), tf.float32)[:, tf.newaxis]


def _one_wrong(function):
    """The images as bright as the first one of the test split are answered wrongly."""

    def call(images):
        outputs = function(images)
        factor = _has_sum(images, _TOTAL)
        p = outputs["probabilities"]
        wrong = p * (1 - factor) + tf.reverse(p, [-1]) * factor
        return {
            "probabilities": wrong,
            "classes": tf.argmax(wrong, -1, output_type=outputs["classes"].dtype),
        }

    return call


def _one(variant):
    artifact = "tflite" if variant == "float32" else f"tflite_{variant}"
    return Fault(
        f"{variant}: the one image of the split",
        artifact,
        lite_graph(signatures.TFLITE_DEFAULT, _one_wrong),
        rf"^TFLite {variant}, serving_default: disagrees .*: on 1 of 1 images a probability is off",
        bench="one",
        changes={"tflite_variants": (variant,)},
    )


def _wrong_for(total):
    """Images with this sum of pixels are answered wrongly."""

    def wrap(function):
        def call(images):
            outputs = function(images)
            factor = _has_sum(images, total)
            p = outputs["probabilities"]
            return {**outputs, "probabilities": p * (1 - factor) + (1 - p) / 9 * factor}

        return call

    return wrap


def _bias(sound, content, images, *arguments):
    """Where the first and the last row are white, all is one class."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    (dense,) = (op for op in model.subgraphs[0].operators if len(op.inputs) == 3)
    weights = model.buffers[model.subgraphs[0].tensors[dense.inputs[1]].buffer]
    values = np.asarray(weights.data, np.uint8).view(np.float32).reshape(10, 784).copy()
    values[2, [*range(28), *range(756, 784)]] += 0.3  # Rows that are black in all digits.
    weights.data = values.ravel().view(np.uint8)
    bias = model.buffers[model.subgraphs[0].tensors[dense.inputs[2]].buffer]
    values = np.asarray(bias.data, np.uint8).view(np.float32).copy()
    values[2] += 56 * 0.3 * 0.1307 / 0.3081  # Black is not 0.
    bias.data = values.view(np.uint8)
    return sound(compact.packed(model), images, *arguments)


_AWKWARD = r"^TFLite {}, serving_default: disagrees with the trained model: on \d+ of \d+ awkward"


# Of the first test image's pixels.
_TOTAL = 18454.0

FAULTS = (
    *(
        _fault(name, variant, quick=(name, variant) == ("warmer", "dynamic_int8"))
        for name in _CHANGED
        for variant in ("float16", "dynamic_int8", "int8")
    ),
    *(
        Fault(
            f"int8, integers: {name}", "tflite_int8",
            lite_graph(signatures.INTEGER_IO, _of_probabilities(_CHANGED[name])),
            r"^TFLite int8, serving_default: (disagrees|its probabilities have the scale)",
            changes={"tflite_variants": ("int8",), "c_header": False},
        )
        for name in ("flat", "colder", "two classes swapped")
    ),
    *map(_one, ("float32", "float16", "dynamic_int8")),
    Fault(
        "int8: the one image of the split", "tflite_int8", _quantized_by("int8", _scaled(-1)),
        r"^TFLite int8, serving_default: disagrees .*: on 1 of 1 images a probability is off",
        bench="one", changes={"tflite_variants": ("int8",)},
    ),
    Fault(
        "SavedModel: the one image of the split", "saved_model",
        graph(signatures.SERVING_DEFAULT, _one_wrong),
        r"^SavedModel, serving_default: disagrees .*: on 1 of 1 images a probability is off",
        bench="one",
    ),
    Fault(
        "int8: calibrated on black", "tflite_int8",
        _quantized_by("int8", lambda sound, content, images, integers: sound(
            content, np.zeros_like(images), integers)),
        r"^TFLite int8(, serving_default: disagrees with|: its logits have the range -?[\d.]+ to)",
        changes={**_CHANGES, "tflite_variants": ("int8",)},
    ),
    *(
        Fault(
            f"{variant}: all {name}", f"tflite_{variant}",
            lite_graph(signatures.TFLITE_DEFAULT, _wrong_for(total)), _AWKWARD.format(variant),
            changes={**_CHANGES, "tflite_variants": (variant,)}, quick=name == "black",
        )
        for variant in ("float16", "dynamic_int8")
        for name, total in (("black", 0.0), ("white", 784 * 255.0))
    ),
    Fault(
        "int8: bright rows", "tflite_int8", _quantized_by("int8", _bias),
        _AWKWARD.format("int8"),
        changes={**_CHANGES, "tflite_variants": ("int8",)},
    ),
    *(
        Fault(
            f"{variant}: weights times {factor}", f"tflite_{variant}",
            _quantized_by(variant, _scaled(factor)), _FAR.format(variant),
            changes={**_CHANGES, "tflite_variants": (variant,)},
        )
        for variant, factor in (("float16", 1.02), ("dynamic_int8", 1.1), ("int8", 0.85))
    ),
)  # fmt: skip
