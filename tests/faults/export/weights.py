"""Other weights, another normalization, another network than the trained one."""

import dataclasses

import numpy as np
from faults.export.planting import Fault, damaged, edited, flipped, written_of

from digitline.base.tf import keras, tf

_OFF = (
    r"^TFLite float32, serving_default: disagrees with the trained model: on \d+ of \d+ .* "
    r"a probability is off by more than 0\.0001"
)
_LITE = {"tflite_variants": ("float32",), "c_header": False}


def _weights(change):
    """`change(weights)`, a list of arrays, in place."""

    def of_trained(trained):
        model = keras.models.clone_model(trained.model)
        values = [value.copy() for value in trained.model.get_weights()]
        change(values)
        model.set_weights(values)
        return dataclasses.replace(trained, model=model)

    return written_of(of_trained)


def _all(change):
    def in_place(values):
        values[:] = [change(value) for value in values]

    return _weights(in_place)


def _set(index, where, change):
    def in_place(values):
        values[index][where] = change(values[index][where])

    return _weights(in_place)


def _swap_classes(values):
    kernel, bias = values[-2:]
    kernel[:, [3, 5]] = kernel[:, [5, 3]]
    bias[[3, 5]] = bias[[5, 3]]


@dataclasses.dataclass(frozen=True)
class _Changed:
    """A preprocessing with something before it."""

    preprocess: object
    change: object

    @property
    def image_shape(self):
        return self.preprocess.image_shape

    def __call__(self, images):
        return self.preprocess(self.change(images))


def _before(change):
    return written_of(
        lambda trained: dataclasses.replace(
            trained, preprocess=_Changed(trained.preprocess, change)
        )
    )


def _normalized(**changes):
    return written_of(
        lambda trained: dataclasses.replace(
            trained, preprocess=dataclasses.replace(trained.preprocess, **changes)
        )
    )


def _exchanged(folder):
    """The weights of the SavedModel are those of another run."""
    path = folder / "variables/variables.data-00000-of-00001"
    values = np.frombuffer(path.read_bytes()[:31400], np.float32)
    path.write_bytes((values * np.float32(1.01)).tobytes() + path.read_bytes()[31400:])


_PLANTS = {
    "zeros": _all(np.zeros_like),
    "one per cent more": _all(lambda value: value * np.float32(1.01)),
    "of another start": _all(
        lambda value: value + np.linspace(0, 0.01, value.shape[-1], dtype=np.float32)
    ),
    "the bias is missing": _set(-1, slice(None), np.zeros_like),
    "one bias": _set(-1, 4, lambda value: value + np.float32(0.01)),
    "one weight in the middle": _set(-2, (14 * 28 + 14, 3), lambda value: -value - 0.05),
    "one weight at the border": _set(-2, (28 * 9 + 27, 3), lambda value: value + 0.05),
    "the weights of a row": _set(-2, slice(28 * 26, 28 * 27), np.zeros_like),
    "two classes swapped": _weights(_swap_classes),
    "half precision": _all(lambda value: value.astype(np.float16).astype(np.float32) * 1.002),
    "no normalization": _normalized(mean=0.0, std=1.0),
    "another mean": _normalized(mean=0.1407),
    "another deviation": _normalized(std=0.31),
    "from 0 to 1 already": _before(lambda images: tf.cast(images, tf.float32) / 255),
    "transposed": _before(lambda images: tf.transpose(images, [0, 2, 1, 3])),
    "mirrored": _before(lambda images: images[:, :, ::-1]),
    "inverted": _before(lambda images: 255 - tf.cast(images, tf.float32)),
    "a row too low": _before(lambda images: tf.roll(images, 1, 1)),
    "seven bits": _before(lambda images: tf.cast(tf.cast(images, tf.int32) // 2 * 2, tf.float32)),
    "cut at 250": _before(lambda images: tf.minimum(tf.cast(images, tf.float32), 250.0)),
}

FAULTS = (
    *(
        Fault(f"TFLite: {name}", "tflite", plant, _OFF, changes=_LITE, quick=name == "zeros")
        for name, plant in _PLANTS.items()
    ),
    Fault(
        "SavedModel: another mean", "saved_model", _PLANTS["another mean"],
        r"^SavedModel, activations, 01_logits: is off by [\d.]+ on image \d+ from the layer",
    ),
    Fault(
        "SavedModel: two classes swapped", "saved_model", _PLANTS["two classes swapped"],
        r"^SavedModel, activations, 01_logits: is off by [\d.]+ on image \d+ from the layer",
    ),
    Fault(
        "SavedModel: variables times 1.01", "saved_model", damaged(_exchanged),
        r"^SavedModel(:|, activations, 01_logits:) (is off by|it cannot be checked)",
    ),
    Fault(
        "SavedModel: a byte of the variables", "saved_model",
        edited("variables/variables.data-00000-of-00001", flipped),
        r"^SavedModel(:|, activations, 01_logits:) (is off by|it cannot be checked)",
    ),
    Fault(
        "TFLite: a byte of the weights", "tflite", edited("model.tflite", flipped),
        r"^TFLite float32(, serving_default)?: (disagrees|its|it cannot be checked)",
    ),
    Fault(
        "TFLite: moving mean", "tflite",
        _weights(lambda values: values[3].__iadd__(0.02)),
        _OFF, bench="layers", changes=_LITE,
    ),
    Fault(
        "TFLite: moving variance", "tflite",
        _weights(lambda values: values[4].__imul__(1.05)),
        _OFF, bench="layers", changes=_LITE,
    ),
)  # fmt: skip
