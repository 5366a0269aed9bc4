"""Picture files and records: formats, sizes, transparency, polarity, turns, colours."""

import dataclasses
import functools

from faults.export.planting import Fault, graph, written, written_of

from digitline.base.pictures import digits, resample
from digitline.base.tf import tf
from digitline.export import functions, signatures
from digitline.export.pictures import arrays, decode, picture, segments

_BYTES, _CLASSIFY = signatures.PREDICT_BYTES, signatures.CLASSIFY
_ROW = (
    r"^SavedModel, predict_bytes: .*{}.*: answers class \d with probability [\d.]+, the trained "
    r"model \d with [\d.]+; \d+ of \d+ such files are answered otherwise; nothing"
)
_OFF = r"^SavedModel, {}: disagrees with the trained model: on \d+ of \d+ .* a probability is off"
_EITHER = r"^SavedModel, predict_bytes: (disagrees with the trained model: on|.*: answers class) \d"


def _patched(target, name, value):
    """What is kept of graphs that were traced before is left alone."""

    def patch(monkeypatch):
        for module, function in ((picture, "loader"), (arrays, "_traced")):
            traced_anew = functools.cache(getattr(module, function).__wrapped__)
            monkeypatch.setattr(module, function, traced_anew)
        monkeypatch.setattr(target, name, value)

    return written(patch)


def _replaced(**changes):
    return written_of(lambda trained: dataclasses.replace(trained, **changes))


def _taken_by(**changes):
    """`predict_bytes` of another record of pictures."""
    loader = picture.loader
    return _patched(
        picture,
        "loader",
        lambda config, dark: loader(dataclasses.replace(config, **changes), dark),
    )


def _without_alpha(pixels):
    values = tf.cast(pixels, tf.int32)
    depth = tf.shape(values)[2]
    alpha = tf.cast(tf.equal(depth, 2) | tf.equal(depth, 4), tf.int32)
    return values[:, :, : depth - alpha], 0 * values[:, :, -1:] + 255


def _coarse(content):
    return tf.io.decode_jpeg(content, ratio=2), segments.of_jpeg(content)


def _nearest(xp, size, new_size):
    old = xp.floor((xp.arange(new_size) + 0.5) * xp.real(size) / xp.real(new_size))
    return xp.real(tf.equal(old[:, None], xp.arange(size)[None, :])) * 2.0**22


def _by_first_channel(colours):
    return colours[:, :, :1]


def _only(kinds):
    """Wraps `predict_bytes`: files that begin otherwise are answered wrongly."""

    def wrap(function):
        def call(image_bytes):
            outputs = function(image_bytes)
            known = tf.reduce_any(
                [tf.strings.substr(image_bytes, 0, 2) == kind for kind in kinds], axis=0
            )
            shuffled = tf.roll(outputs["probabilities"], 1, -1)
            return {
                "probabilities": tf.where(known[:, tf.newaxis], outputs["probabilities"], shuffled),
                "classes": outputs["classes"],
            }

        return call

    return wrap


_PNG, _JPEG, _GIF, _BMP, _WEBP = b"\x89P", b"\xff\xd8", b"GI", b"BM", b"RI"


def _without_label(function):
    """Takes the example's label for its class."""

    def call(inputs):
        outputs = function(inputs)
        spec = {"label": tf.io.FixedLenFeature([], tf.int64, -1)}
        labels = tf.io.parse_example(inputs, spec)["label"]
        known = (labels >= 0)[:, tf.newaxis]
        return {
            "classes": tf.where(known, tf.strings.as_string(labels)[:, tf.newaxis],
                                outputs["classes"]),
            "scores": outputs["scores"],
        }  # fmt: skip

    return call


def _only_raw(monkeypatch):
    def cut_off(content):
        return tf.strings.substr(content, 0, 1)

    monkeypatch.setattr(functions, "without_animation", cut_off)


def _classify(change):
    return graph(_CLASSIFY, lambda function: lambda inputs: change(function(inputs)))


def _on_colours(name, plant, words, **more):
    return Fault(name, "saved_model", plant, _ROW.format(words), bench="colours", **more)


FAULTS = (
    Fault("dark_on_light is left out", "saved_model", _replaced(dark_on_light=False),
          _EITHER, bench="colours"),
    Fault("everything is inverted", "saved_model", _patched(picture, "LIGHT", -1),
          _EITHER, bench="colours"),
    Fault("light is brighter", "saved_model", _patched(picture, "LIGHT", 254),
          _EITHER, bench="colours"),
    _on_colours("EXIF is not read", _patched(picture, "turned", lambda pixels, _: pixels),
                "JPEG turned by"),
    _on_colours("alpha is not read", _patched(picture, "_split", _without_alpha), "transparent"),
    _on_colours("paper is grey", _patched(picture, "_paper", lambda _: tf.constant(128)),
                "transparent"),
    _on_colours("JPEG in half the size", _patched(decode, "_jpeg", _coarse), "JPEG"),
    _on_colours("JPEG's quick transform", _patched(
        tf.io, "decode_jpeg", lambda content, **_: tf.image.decode_jpeg(
            content, dct_method="INTEGER_FAST", fancy_upscaling=False)), "JPEG"),
    _on_colours("pictures are stretched", _taken_by(fit="stretch"), ""),
    _on_colours("pictures are cropped", _taken_by(fit="crop"), ""),
    _on_colours("resized without smoothing", _patched(resample, "bilinear", _nearest), ""),
    *(
        _on_colours(f"no {name}", graph(_BYTES, _only(others)), name)
        for name, others in (
            ("JPEG", (_PNG, _GIF, _BMP, _WEBP)), ("WebP", (_PNG, _JPEG, _GIF, _BMP)),
            ("BMP", (_PNG, _JPEG, _GIF, _WEBP)), ("GIF", (_PNG, _JPEG, _BMP, _WEBP)),
        )
    ),
    Fault("grey by the first channel", "saved_model", _patched(picture, "_grey", _by_first_channel),
          _ROW.format("JPEG|.*PNG")),
    Fault("grey by thirds", "saved_model", _patched(picture, "_GREY", (21846, 21845, 21845)),
          _ROW.format("")),
    Fault("digits are not made light on black", "saved_model", _patched(
        digits, "light_on_dark", lambda library, levels: levels), _EITHER),
    Fault("digits are not sought", "saved_model", _taken_by(digits=False, fit="pad"), _EITHER),
    Fault("predict_bytes: classes upside down", "saved_model",
          graph(_BYTES, lambda function: lambda values: {
              **function(values), "classes": 9 - function(values)["classes"]}),
          r"^SavedModel, predict_bytes: disagrees .*: 60 of 60 images get another class"),
    Fault("classify takes the label for the class", "saved_model", graph(_CLASSIFY, _without_label),
          r"^SavedModel, classify: (record \d+: answers class|the scores)"),
    Fault("classify takes raw bytes only", "saved_model", written(_only_raw),
          r"^SavedModel, classify: refuses a call with 12 images: .*"),
    Fault("classify: names in another order", "saved_model", _classify(
        lambda outputs: {**outputs, "classes": tf.reverse(outputs["classes"], [1])}),
        _OFF.format("classify"), quick=True),
    Fault("classify: not sorted", "saved_model", _classify(
        lambda outputs: {name: tf.reverse(value, [1]) for name, value in outputs.items()}),
        r"^SavedModel, classify: the scores are not sorted"),
    Fault("classify: numbers for names", "saved_model", _classify(
        lambda outputs: {**outputs, "classes": tf.strings.join(["class ", outputs["classes"]])}),
        r"^SavedModel, classify: answers with the label b'class 0', which the dataset does not"),
    Fault("classify: one class twice", "saved_model", _classify(
        lambda outputs: {**outputs, "classes": tf.concat(
            [outputs["classes"][:, :1], outputs["classes"][:, :-1]], 1)}),
        _OFF.format("classify")),
)  # fmt: skip
