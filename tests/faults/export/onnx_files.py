"""ONNX files: other answers, other names, other operators than are stated."""

import importlib

import numpy as np
from faults.export.planting import Fault, damaged, edited, written
from faults.export.weights import _PLANTS

from digitline.base.tf import tf
from digitline.export import functions
from digitline.export.formats import onnx

_OFF = r"^ONNX, serving_default: disagrees with the trained model: on \d+ of \d+ .* a probability"
_TABLE = r"^ONNX, serving_default: it {}.*, the table's .*; nothing was published"


def _model(change):
    """The sound file with another `ModelProto`."""

    def edit(content):
        package = importlib.import_module("onnx")
        model = package.ModelProto.FromString(content)
        change(model, package)
        return model.SerializeToString(deterministic=True)

    return edited("model.onnx", edit)


def _entry(value, key="labels"):
    def change(model, _):
        model.metadata_props[0].value = value
        model.metadata_props[0].key = key

    return _model(change)


def _one_more_entry(model, _):
    entry = model.metadata_props.add()
    entry.key, entry.value = "threshold", "0.1"


def _opset(version):
    def change(model, _):
        for entry in model.opset_import:
            entry.version = entry.version if entry.domain else version

    return _model(change)


def _half_precision(model, package):
    """The weights, by what they are after a way through float16."""
    for tensor in model.graph.initializer:
        values = package.numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size > 100:
            values = (values.astype(np.float16) * np.float16(1.02)).astype(np.float32)
            tensor.CopyFrom(package.numpy_helper.from_array(values, tensor.name))


def _renamed(kind, old, new):
    def change(model, _):
        for tensor in getattr(model.graph, kind):
            if tensor.name == old:
                tensor.name = new
        for node in model.graph.node:
            node.input[:] = [new if name == old else name for name in node.input]
            node.output[:] = [new if name == old else name for name in node.output]

    return _model(change)


def _one_more_output(model, package):
    name = model.graph.node[0].output[0]
    model.graph.output.append(package.helper.make_tensor_value_info(name, 1, None))


def _other_order(model, _):
    first, second = model.graph.output
    names = first.name, second.name
    second.name, first.name = names


def _batch(size):
    def change(model, _):
        for tensor in (*model.graph.input, *model.graph.output):
            tensor.type.tensor_type.shape.dim[0].dim_value = size

    return _model(change)


def _open_height(model, _):
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "H"


def _external(folder):
    """The weights lie in a file beside it."""
    package = importlib.import_module("onnx")
    path = folder / "model.onnx"
    model = package.load(str(path))
    package.save_model(model, str(path), save_as_external_data=True, location="model.onnx.data",
                       size_threshold=100)  # fmt: skip


def _in_branch(model, package):
    """Noise, in a branch that no image of today takes."""
    helper, proto = package.helper, package.TensorProto
    last = next(node for node in model.graph.node if "probabilities" in node.output)
    last.output[0] = "before"
    value = helper.make_tensor_value_info
    noise = helper.make_node("RandomNormalLike", ["before"], ["noise"])
    same = helper.make_node("Identity", ["before"], ["same"])
    branches = [
        helper.make_graph([node], name, [], [value(node.output[0], proto.FLOAT, None)])
        for name, node in (("then", noise), ("else", same))
    ]
    model.graph.initializer.append(helper.make_tensor("never", proto.BOOL, [], [False]))
    model.graph.node.append(
        helper.make_node(
            "If", ["never"], ["probabilities"], then_branch=branches[0], else_branch=branches[1]
        )
    )


def _function(change):
    sound = functions.serving_default

    def patch(monkeypatch):
        monkeypatch.setattr(onnx, "serving_default", lambda trained: change(sound(trained)))

    return written(patch)


def _transposed(function):
    return lambda images: function(tf.transpose(images, [0, 2, 1, 3]))


def _for_many(function):
    def call(images):
        outputs = function(images)
        wrong = tf.shape(images)[0] > 256
        reverse = tf.reverse(outputs["probabilities"], [-1])
        return {**outputs, "probabilities": tf.where(wrong, reverse, outputs["probabilities"])}

    return call


def _fault(name, plant, message, quick=False):
    return Fault(name, "onnx", plant, message, bench="onnx", quick=quick)


FAULTS = (
    _fault("labels swapped inside", _entry("\n".join("0123456798")),
           r"^model\.onnx: its labels are .*9, 8 inside, 0.*8, 9 in labels\.txt", quick=True),
    _fault("no labels inside", _entry("", "names"), r"^model\.onnx: its labels are none inside"),
    _fault("labels swapped beside", edited("labels.txt", lambda text: b"1\n0\n" + text[4:]),
           r"^model\.onnx: its labels are 0, 1, .* inside, 1, 0, .* in labels\.txt"),
    _fault("an entry more", _model(_one_more_entry),
           r"^ONNX: its metadata are labels, threshold, expected labels; nothing"),
    _fault("another set of operators", _opset(17),
           r"^ONNX: its sets of operators are \{.*'': 17.*\}, expected \{'': 18\}"),
    _fault("a set of operators of the future", _opset(99), r"^ONNX: it cannot be checked: "),
    _fault("half precision", _model(_half_precision), _OFF),
    _fault("zeros", _PLANTS["zeros"], _OFF),
    _fault("another mean", _PLANTS["another mean"], _OFF),
    _fault("two classes swapped", _PLANTS["two classes swapped"], _OFF),
    _fault("the input is renamed", _renamed("input", "images", "image"),
           _TABLE.format(r"takes image uint8 \[N, 28, 28, 1\]")),
    _fault("probabilities are renamed", _renamed("output", "probabilities", "scores"),
           _TABLE.format("gives classes int64")),
    _fault("an output more", _model(_one_more_output), _TABLE.format("gives ")),
    _fault("outputs have each other's name", _model(_other_order), r"^ONNX: it cannot be checked"),
    _fault("only one image at once", _batch(1),
           _TABLE.format(r"takes images uint8 \[1, 28, 28, 1\]")),
    _fault("any height", _model(_open_height),
           _TABLE.format(r"takes images uint8 \[N, N, 28, 1\]")),
    _fault("weights in another file", damaged(_external),
           r"^ONNX: its folder has, which do not belong there, model\.onnx\.data"),
    _fault("noise in a branch", _model(_in_branch),
           r"^ONNX, serving_default: its graph holds RandomNormalLike"),
    _fault("transposed", _function(_transposed), _OFF),
    _fault("wrong for more than 256", _function(_for_many), _OFF),
    _fault("cut off", edited("model.onnx", lambda content: content[: len(content) // 2]),
           r"^ONNX: it cannot be checked: .*model\.onnx: not an ONNX file that loads"),
)  # fmt: skip
