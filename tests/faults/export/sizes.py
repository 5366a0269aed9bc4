"""Numbers of images at once: some are answered wrongly, or refused."""

from faults.export.planting import Fault, for_batches, graph, written

from digitline.base.tf import tf
from digitline.export import functions, signatures
from digitline.export.signatures import Tensor

_SAVED = "saved_model"


def _refused(is_refused, words):
    def wrap(function):
        def call(values):
            check = tf.debugging.assert_equal(is_refused(tf.shape(values)[0]), False, words)
            with tf.control_dependencies([check]):
                return function(tf.identity(values))

        return call

    return wrap


def _first(count):
    """Only the first images are answered; the others get zeros."""

    def wrap(function):
        def call(values):
            outputs = function(values)
            within = tf.range(tf.shape(values)[0]) < count
            return {
                name: tf.where(
                    within[:, tf.newaxis] if value.shape.rank == 2 else within,
                    value,
                    tf.zeros_like(value),
                )
                for name, value in outputs.items()
            }

        return call

    return wrap


def _whole_fives(function):
    """What is left after the last five is not answered."""

    def call(values):
        outputs = function(values)
        count = tf.shape(values)[0] // 5 * 5
        return {name: value[:count] for name, value in outputs.items()}

    return call


def _twice(function):
    return lambda values: {
        name: tf.concat([value, value], 0) for name, value in function(values).items()
    }


def _mixed_up(function):
    """The answers of a call come in the other order."""
    return lambda values: {name: tf.reverse(value, [0]) for name, value in function(values).items()}


def _shared(function):
    """Probabilities are of all images of the call together."""

    def call(values):
        scores = function(values)["scores"]
        return {"scores": scores / (1 + 0.01 * tf.cast(tf.shape(values)[0] - 1, tf.float32))}

    return call


def _fixed(count):
    def patch(monkeypatch):
        sizes = Tensor.sizes
        monkeypatch.setattr(
            Tensor, "sizes", lambda self, shape, classes, _: sizes(self, shape, classes, count)
        )

    return written(patch)


def _wrong(name, signature, is_wrong, message, quick=False):
    plant = graph(signature, for_batches(is_wrong))
    return Fault(f"{signature.name}: {name}", _SAVED, plant, message, quick=quick)


def _lax(monkeypatch):
    """Shapes are left to the graph."""
    monkeypatch.setattr(functions, "strict", lambda function, shape: function)


def _lax_in(signature):
    """Those of one signature; what its graph reshapes, it takes."""

    def patch(monkeypatch):
        strict, made = functions.strict, iter(signatures.SAVED_MODEL)

        def of_others(function, shape):
            return function if next(made) == signature else strict(function, shape)

        monkeypatch.setattr(functions, "strict", of_others)

    return written(patch)


_DEFAULT, _IMAGES, _BYTES, _CLASSIFY, _LAYERS = signatures.SAVED_MODEL
_OFF = r"^SavedModel, {}: disagrees with the trained model: on \d+ of \d+ .* a probability is off"
_LOGITS = r"^SavedModel, activations, 01_logits, {} at once: is off by [\d.]+ on image \d+ from"
_SHAPE = (
    r"^SavedModel, {}: {}, given \w+ \[{}\], (answers by|refuses otherwise than by their shape)"
)
_REFUSED = r"^SavedModel, {}: refuses a call with {} images: .*"

FAULTS = (
    _wrong("wrong for 1", _DEFAULT, lambda n: n == 1, _OFF.format("serving_default"), True),
    _wrong("wrong for 1", _IMAGES, lambda n: n == 1, _OFF.format("predict_images")),
    _wrong("wrong for 2", _DEFAULT, lambda n: n == 2, _OFF.format("serving_default")),
    _wrong("wrong for 3", _BYTES, lambda n: n == 3, _OFF.format("predict_bytes")),
    _wrong("wrong for 1", _LAYERS, lambda n: n == 1, _LOGITS.format(1)),
    _wrong("wrong for more than 250", _DEFAULT, lambda n: n > 250, _OFF.format("serving_default")),
    _wrong("wrong for more than 250", _IMAGES, lambda n: n > 250, _OFF.format("predict_images")),
    _wrong("wrong for more than 256", _BYTES, lambda n: n > 256, _OFF.format("predict_bytes")),
    _wrong("wrong for more than 250", _LAYERS, lambda n: n > 250, _LOGITS.format(257)),
    _wrong("wrong for odd numbers", _IMAGES, lambda n: n % 2 == 1, _OFF.format("predict_images")),
    *(
        Fault(
            f"{signature.name}: refuses {name}",
            _SAVED,
            graph(signature, _refused(is_refused, "too many")),
            _REFUSED.format(signature.name, count),
        )
        for name, signature, is_refused, count in (
            ("more than 250", _DEFAULT, lambda n: n > 250, 257),
            ("more than 256", _CLASSIFY, lambda n: n > 256, 257),
            ("one", _IMAGES, lambda n: n == 1, 1),
            ("what is no multiple of two", _BYTES, lambda n: n % 2 == 1, 1),
            ("two", _LAYERS, lambda n: n == 2, r"\d+"),
        )
    ),
    Fault(
        "serving_default: only the first 250",
        _SAVED, graph(_DEFAULT, _first(250)), _OFF.format("serving_default"),
    ),
    Fault(
        "predict_images: only whole fives",
        _SAVED, graph(_IMAGES, _whole_fives),
        r"^SavedModel, predict_images: answers a call with 1 images by 0 scores; nothing",
    ),
    Fault(
        "classify: every image twice",
        _SAVED, graph(_CLASSIFY, _twice),
        r"^SavedModel, classify: answers a call with 1 images by 2 classes, 2 scores; nothing",
    ),
    Fault(
        "predict_bytes: in the other order",
        _SAVED, graph(_BYTES, _mixed_up), _OFF.format("predict_bytes"),
    ),
    Fault(
        "predict_images: depends on the others",
        _SAVED, graph(_IMAGES, _shared), _OFF.format("predict_images"),
    ),
    Fault(
        "shapes are left to the graph", _SAVED, written(_lax),
        _SHAPE.format("serving_default", "its function", r"\d+, 56, 28, 1\] for \[\?,28,28,1"),
    ),
    *(
        Fault(
            f"{signature.name}: shapes are left to the graph", _SAVED,
            _lax_in(signature), _SHAPE.format(signature.name, "its function", words),
        )
        for signature, words in (
            (_IMAGES, r"\d+, 1568\] for \[\?,784"),
            (_LAYERS, r"\d+, 56, 28, 1\] for \[\?,28,28,1"),
            (_BYTES, r"1, \d+\] for \[\?"),
        )
    ),
    *(
        Fault(
            f"signatures of {count} images",
            artifact, _fixed(count),
            rf"serving_default: it takes images uint8 \[{count}, 28, 28, 1\], the table's images "
            rf"uint8 \[{open_size}, 28, 28, 1\]; nothing",
        )
        for artifact, count, open_size in (
            ("saved_model", 1, "N"), ("saved_model", 250, "N"), ("tflite", 2, "1"),
        )
    ),
)  # fmt: skip
