"""`activations`: layers that are off, missing, in another order or named otherwise."""

import dataclasses
import itertools

from faults.export.planting import Fault, edited_graph, graph, written, written_of

from digitline.base.tf import keras, tf
from digitline.export import functions, signatures

_LAYERS = signatures.ACTIVATIONS
_IS_OFF = r"^SavedModel, activations, {}: is off by [\d.e-]+ on image \d+ from the layer of the"
_NAMES = r"^SavedModel, activations: its outputs are 0.*, the network's layers 01_conv2d_1, 02_sep"


def _changed(change):
    return graph(_LAYERS, lambda function: lambda images: change(dict(function(images))))


def _of_layer(number, change):
    """Only one layer, by its number."""

    def of_outputs(outputs):
        name = sorted(outputs)[number - 1]
        return {**outputs, name: change(outputs[name])}

    return _changed(of_outputs)


def _named(rename):
    return _changed(
        lambda outputs: {
            rename(index, name): outputs[name] for index, name in enumerate(sorted(outputs), 1)
        }
    )


def _swapped(outputs):
    """Two neighbours whose shapes are the same."""
    first, second = next(
        pair
        for pair in itertools.pairwise(sorted(outputs))
        if outputs[pair[0]].shape == outputs[pair[1]].shape
    )
    return {**outputs, first: outputs[second], second: outputs[first]}


def _without(number):
    return lambda outputs: {
        name: value
        for index, (name, value) in enumerate(sorted(outputs.items()), 1)
        if index != number
    }


def _with_one_more(outputs):
    last = sorted(outputs)[-1]
    return {**outputs, "99_more": outputs[last]}


def _not_finished(monkeypatch):
    """A layer's output is taken before its normalization."""
    monkeypatch.setattr(functions, "_FINISHING", ())


def _of_other_weights(trained):
    model = keras.models.clone_model(trained.model)
    first, *others = trained.model.get_weights()
    model.set_weights([first * 1.001, *others])
    return dataclasses.replace(trained, model=model)


def _rewired(meta_graph):
    """In the SignatureDef two layers have each other's tensors."""
    outputs = meta_graph.signature_def["activations"].outputs
    first, second = sorted(outputs)[2:4]
    outputs[first].name, outputs[second].name = outputs[second].name, outputs[first].name


def _fault(name, plant, message, quick=False):
    return Fault(name, "saved_model", plant, message, bench="layers", quick=quick)


FAULTS = (
    _fault("the first is 0", _of_layer(1, tf.zeros_like), _IS_OFF.format("01_conv2d_1")),
    _fault("the second is 0.1 % larger", _of_layer(2, lambda value: value * 1.001),
           _IS_OFF.format("02_separable_conv2d_1")),
    _fault("a bias in the third", _of_layer(3, lambda value: value + 0.01),
           _IS_OFF.format(r"03_\w+")),
    _fault("the fourth is inverted", _of_layer(4, lambda value: -value),
           _IS_OFF.format(r"04_\w+")),
    _fault("rectified once more", _of_layer(5, lambda value: tf.maximum(value, 0.1)),
           _IS_OFF.format(r"05_\w+")),
    _fault("the mean is not of all", _of_layer(-1, lambda value: value * 0.99),
           _IS_OFF.format(r"\d\d_average")),
    _fault("the logits are probabilities", _of_layer(0, tf.nn.softmax),
           _IS_OFF.format(r"\d\d_logits")),
    _fault("only the first 40 images", _of_layer(2, lambda value: tf.where(
        tf.reshape(tf.range(tf.shape(value)[0]) < 40, [-1, 1, 1, 1]), value, 0.0)),
        _IS_OFF.format(r"02_\w+")),
    _fault("one channel is not there", _of_layer(3, lambda value: value * tf.cast(
        tf.range(value.shape[-1]) != 5, tf.float32)), _IS_OFF.format(r"03_\w+")),
    _fault("turned", _of_layer(2, lambda value: tf.transpose(value, [0, 2, 1, 3])),
           _IS_OFF.format(r"02_\w+")),
    _fault("flattened", _of_layer(4, lambda value: tf.reshape(value, [-1, 14 * 14 * 24])),
           r"^SavedModel, activations, 04_\w+: gives float32 \[\d+, 4704\], the layer float32 \["),
    _fault("float64", _of_layer(2, lambda value: tf.cast(value, tf.float64)),
           r"^SavedModel, activations, 02_\w+: gives float64 \["),
    _fault("two have each other's name", _changed(_swapped), _IS_OFF.format(r"\d\d_\w+")),
    _fault("the first is missing", _changed(_without(1)), _NAMES),
    _fault("one in the middle is missing", _changed(_without(4)), _NAMES),
    _fault("the logits are missing", _changed(lambda outputs: _without(len(outputs))(outputs)),
           _NAMES),
    _fault("one more", _changed(_with_one_more), _NAMES),
    _fault("a longer name", _named(lambda index, name: name + "_transpose" * (index == 1)), _NAMES),
    _fault("another count", _named(lambda index, name: name[:-1] + "9" if index == 2 else name),
           _NAMES),
    _fault("other numbers", _named(lambda index, name: f"{index + 1:02}{name[2:]}"), _NAMES),
    _fault("before the normalization", written(_not_finished), _NAMES),
    _fault("of other weights", written_of(_of_other_weights), _IS_OFF.format(r"0\d_\w+")),
    _fault("tensors of each other in the SignatureDef", edited_graph(_rewired),
           r"^SavedModel, activations: in a session it gives 0\d_\w+ that are off by"),
    Fault("the logits of softmax are halved", "saved_model",
          _of_layer(1, lambda value: value / 2), _IS_OFF.format("01_logits"), quick=True),
)  # fmt: skip
