"""Ways into a SavedModel beside its signatures' functions; what it must refuse, not answer."""

import numpy as np
from faults.export.planting import Fault, edited_graph, for_batches, for_images, graph, written

from digitline.base.tf import tf
from digitline.export import functions, signatures

_DEFAULT, _IMAGES, _BYTES, _CLASSIFY, _LAYERS = signatures.SAVED_MODEL
_KINDS = (b"\x89P", b"\xff\xd8", b"GI", b"BM", b"RI")


def _of_object(signature, wrap):
    """What Keras calls is another function than the signature's: `wrap(function)`."""

    def plant(bench, folder, options):
        save, sound = tf.saved_model.save, bench.function(signature)

        def save_another(root, path, endpoints):
            other = tf.function(wrap(sound), sound.input_signature, autograph=False)
            setattr(root, signature.name, other)
            save(root, path, endpoints)

        written(lambda patch: patch.setattr(tf.saved_model, "save", save_another))(
            bench, folder, options
        )

    return plant


def _without_function(bench, folder, options):
    """The object has no function of a signature's name."""
    save = tf.saved_model.save

    def save_fewer(root, path, endpoints):
        del root.predict_images
        save(root, path, endpoints)

    written(lambda patch: patch.setattr(tf.saved_model, "save", save_fewer))(bench, folder, options)


def _capped(signature, output):
    """In a session no probability is more than 0.99."""

    def change(meta_graph):
        info = meta_graph.signature_def[signature].outputs[output]
        cap = meta_graph.graph_def.node.add(name="cap", op="Const")
        cap.attr["dtype"].type = 1
        cap.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.float32(0.99)))
        capped = meta_graph.graph_def.node.add(name="capped", op="Minimum")
        capped.input.extend([info.name, "cap"])
        capped.attr["T"].type = 1
        info.name = "capped:0"

    return edited_graph(change)


def _hidden(number, is_wrong):
    """Only one layer, and only for some numbers of images."""

    def wrap(function):
        def call(images):
            outputs = function(images)
            name = sorted(outputs)[number - 1]
            wrong = is_wrong(tf.shape(images)[0])
            return {**outputs, name: tf.where(wrong, outputs[name] * 0, outputs[name])}

        return call

    return graph(_LAYERS, wrap)


def _defaults(meta_graph):
    image = tf.make_tensor_proto(np.zeros((1, 28, 28, 1), np.uint8))
    meta_graph.signature_def["serving_default"].defaults["images"].CopyFrom(image)


def _taking_all(function):
    """What is no picture file is taken for a black picture."""
    black = tf.io.encode_png(np.zeros([28, 28, 1], np.uint8)).numpy()

    def call(contents):
        begins = tf.strings.substr(contents + b"  ", 0, 2)
        known = tf.reduce_any([begins == kind for kind in _KINDS], axis=0)
        return function(tf.where(known, contents, black))

    return call


def _resizing(monkeypatch):
    """Picture files in records are resized."""
    sound = tf.ensure_shape

    def ensure(value, shape, **options):
        if tuple(shape) == (28, 28, 1) and value.dtype == tf.uint8:
            picture = tf.image.resize(sound(value, (None, None, 1)), (28, 28))
            return tf.cast(picture, tf.uint8)
        return sound(value, shape, **options)

    monkeypatch.setattr(functions.tf, "ensure_shape", ensure)


def _large_only(function):
    """Files of more than 50,000 bytes are answered by another class."""

    def call(contents):
        outputs = function(contents)
        large = (tf.strings.length(contents) > 50_000)[:, tf.newaxis]
        p = outputs["probabilities"]
        return {**outputs, "probabilities": tf.where(large, tf.reverse(p, [-1]), p)}

    return call


def _black(pixels):
    return tf.reduce_max(pixels, 1) == 0


def _white(pixels):
    return tf.reduce_min(pixels, 1) == 255


_OBJECT = r"^SavedModel, {}: as a function of its object it is \S+, its signature calls \S+;"
_SESSION = r"^SavedModel, {}: in a session it gives {} that are off by [\d.]+ from what"
_ANSWERS = r"^SavedModel, {}: answers {}, \d+ bytes, by .*; expected a refusal; nothing"
_HIDDEN = r"^SavedModel, activations, 0{}_\w+, {} at once: is off by [\d.]+ on image \d+ from"


def _fault(name, plant, message, bench="digits", quick=False):
    return Fault(name, "saved_model", plant, message, bench=bench, quick=quick)


FAULTS = (
    _fault("its object's function: all black", _of_object(_DEFAULT, for_images(_black)),
           _OBJECT.format("serving_default")),
    _fault("its object's function: all white", _of_object(
        _IMAGES, for_images(lambda pixels: tf.reduce_min(pixels, 1) == 1)),
        _OBJECT.format("predict_images")),
    _fault("its object's function: several at once", _of_object(
        _BYTES, for_batches(lambda n: n > 1)), _OBJECT.format("predict_bytes")),
    _fault("its object's function: names reversed", _of_object(
        _CLASSIFY, lambda function: lambda inputs: {
            **function(inputs), "classes": tf.reverse(function(inputs)["classes"], [1])}),
        _OBJECT.format("classify")),
    _fault("its object lacks a function", _without_function, _OBJECT.format("predict_images")),
    _fault("in a session: what is sure", _capped("serving_default", "probabilities"),
           _SESSION.format("serving_default", "probabilities")),
    _fault("in a session: what is sure, by pixels", _capped("predict_images", "scores"),
           _SESSION.format("predict_images", "scores")),
    _fault("in a session: what is sure, by files", _capped("predict_bytes", "probabilities"),
           _SESSION.format("predict_bytes", "probabilities")),
    _fault("images that need not be given", edited_graph(_defaults),
           r"^SavedModel, serving_default: it has defaults for images, expected 0; nothing was"),
    *(
        _fault(f"a hidden layer: {name}", _hidden(number, is_wrong), _HIDDEN.format(number, count),
               bench="layers")
        for name, number, is_wrong, count in (
            ("for one", 2, lambda n: n == 1, 1), ("for two", 3, lambda n: n == 2, 2),
            ("for more than 250", 1, lambda n: n > 250, 257),
        )
    ),
    _fault("what is no picture is black", graph(_BYTES, _taking_all),
           _ANSWERS.format("predict_bytes", "(nothing|words)"), quick=True),
    _fault("records of files are resized", written(_resizing),
           _ANSWERS.format("classify", "a record of a larger PNG")),
    _fault("large files", graph(_BYTES, _large_only),
           r"^SavedModel, predict_bytes: large \w+: answers class \d with probability"),
)  # fmt: skip
