"""TFLite files that are others for old readers, and for those that know no signatures."""

import copy
import io
import zipfile

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from faults.export.planting import Fault, edited, edited_tflite, lite_graph, written

from digitline.base.tf import tf
from digitline.export import signatures
from digitline.export.formats import metadata, operators, quantize

_CHANGES = {"c_header": False, "tflite_io": "uint8"}
_BUILT = r"^TFLite {}: its {}.*, expected .*; nothing was published"
_OPERATORS = schema.BuiltinOperator


def _another_graph(model):
    """Who goes by the first graph gets another model than who goes by the signature."""
    wrong = copy.deepcopy(model.subgraphs[0])
    wrong.operators[-1], wrong.operators[-2] = wrong.operators[-2], wrong.operators[-1]
    model.subgraphs = [wrong, model.subgraphs[0]]
    model.signatureDefs[0].subgraphIndex = 1


def _one_more_graph(model):
    model.subgraphs = [*model.subgraphs, copy.deepcopy(model.subgraphs[0])]


def _one_more_output(model):
    graph = model.subgraphs[0]
    inner = graph.operators[0].outputs[0]
    graph.outputs = np.append(graph.outputs, inner).astype(np.int32)


def _open_size(model):
    model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]].shapeSignature = [-1, 28, 28, 1]


def _scaled_input(model):
    tensor = model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]]
    tensor.quantization = schema.QuantizationParametersT(scale=[1 / 255], zeroPoint=[0])


def _scaled_output(model):
    graph = model.subgraphs[0]
    for index in graph.outputs:
        quantization = schema.QuantizationParametersT(scale=[1 / 256], zeroPoint=[-128])
        graph.tensors[index].quantization = quantization


def _version(operator, version):
    def change(model):
        for code in model.operatorCodes:
            if code.builtinCode == getattr(_OPERATORS, operator):
                code.version = version

    return change


def _older_code(model):
    for code in model.operatorCodes:
        code.deprecatedBuiltinCode = 0


def _min_runtime(version):
    def change(model):
        for entry in model.metadata:
            if entry.name == b"min_runtime_version":
                data = np.frombuffer(version.ljust(16, b"\0"), np.uint8)
                model.buffers[entry.buffer].data = data

    return change


def _not_corrected(monkeypatch):
    monkeypatch.setattr(operators, "correct", lambda model: None)


def _in_archive(name):
    def edit(content):
        file = io.BytesIO(content)
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr(name, "more")
        return file.getvalue()

    return edited("model.tflite", edit)


def _words(change):
    """The metadata's words on the model are `change(description)`."""
    sound = metadata._model

    def other(model, signature, description):
        return sound(model, signature, change(description))

    return written(lambda monkeypatch: monkeypatch.setattr(metadata, "_model", other))


def _calibrated(change):
    sound = quantize.int8

    def other(content, images, integers):
        return sound(content, change(images), integers)

    return written(lambda monkeypatch: monkeypatch.setattr(quantize, "int8", other))


def _averaged(monkeypatch):
    """The ranges are those of an average image, as the quantizer takes them by itself."""
    from litert_quantizer.utils.qsv_utils import moving_average_update

    monkeypatch.setattr(quantize, "min_max_update", moving_average_update)


def _int64_inside(function):
    """A part of the answer takes its way through a calculation that nobody needs."""

    def call(images):
        outputs = function(images)
        zero = tf.reduce_sum(tf.cast(images, tf.float32), [1, 2, 3], keepdims=True)
        return {
            **outputs,
            "probabilities": outputs["probabilities"] + tf.reshape(zero, [-1, 1]) * 1e-5,
        }

    return call


def _fault(name, variant, plant, message, changes=_CHANGES, quick=False):
    artifact = "tflite" if variant == "float32" else f"tflite_{variant}"
    changes = {**changes, "tflite_variants": (variant,)}
    return Fault(f"{variant}: {name}", artifact, plant, message, changes=changes, quick=quick)


def _of_file(name, change, message, quick=False):
    return Fault(f"float32: {name}", "tflite", edited_tflite("model.tflite", change), message,
                 quick=quick)  # fmt: skip


def _of_other_file(variant, name, change, message, quick=False):
    return Fault(f"{variant}: {name}", f"tflite_{variant}",
                 edited_tflite(f"model_{variant}.tflite", change), message,
                 quick=quick)  # fmt: skip


_GRAPHS = r"^TFLite float32: it has 2 subgraphs, expected one; nothing was published"
_RANGE = (
    r"^TFLite int8(: its logits have the range -?[\d.]+ to [\d.]+, the model's -?[\d.]+ to|"
    r", serving_default: disagrees with)"
)

FAULTS = (
    _of_file("the first of two graphs is wrong", _another_graph, _GRAPHS, quick=True),
    _of_file("a graph more", _one_more_graph, _GRAPHS),
    _of_file("an output more than the signature", _one_more_output,
             r"^TFLite float32: its graph has the outputs \[.*\], its signature \[.*\]; nothing"),
    _of_file("the batch is open", _open_size,
             r"^TFLite float32: its \S+ has the shape signature \[-1, 28, 28, 1\], expected \[1,"),
    _of_file("pixels are scaled", _scaled_input,
             r"^TFLite float32: its \S+ has the scale 0\.00392157, expected none"),
    _of_file("probabilities are scaled", _scaled_output,
             r"^TFLite float32: its \S+ has the scale 0\.00390625, expected none"),
    _of_other_file("dynamic_int8", "a dense layer of version 1", _version("FULLY_CONNECTED", 1),
                   r"^TFLite dynamic_int8: its operator 9 has the version 1, expected 12", True),
    _of_other_file("dynamic_int8", "a dense layer of version 3", _version("FULLY_CONNECTED", 3),
                   r"^TFLite dynamic_int8: its operator 9 has the version 3, expected 12"),
    _of_other_file("int8", "a dense layer of version 1", _version("FULLY_CONNECTED", 1),
                   r"^TFLite int8: its operator 9 has the version 1, expected 4"),
    _of_other_file("float16", "half numbers of version 1", _version("DEQUANTIZE", 1),
                   r"^TFLite float16: its operator 6 has the version 1, expected 3"),
    _of_other_file("int8", "no older codes", _older_code,
                   r"^TFLite int8: its operator \d+ has the older code 0, expected \d+"),
    _of_other_file("dynamic_int8", "for runtimes of 2018", _min_runtime(b"1.9.0"),
                   r"^TFLite dynamic_int8: its min_runtime_version is 1\.9\.0, expected 2\.17 or"),
    _of_other_file("float16", "for any runtime", _min_runtime(b""),
                   r"^TFLite float16: its min_runtime_version is none, expected 1\.15 or more"),
    *(
        _fault("codes and versions as they come", variant, written(_not_corrected),
               rf"^TFLite {variant}: its operator \d+ has the (older code|version) \d+, expected")
        for variant in ("float16", "dynamic_int8", "int8")
    ),
    *(
        Fault(f"float32: {name}", "tflite", plant, message)
        for name, plant, message in (
            ("a file more in the archive", _in_archive("notes.txt"),
             r"^TFLite float32: the archive in it holds certainty\.json, labels\.txt, notes\."),
            ("labels twice in the archive", _in_archive("labels.txt"),
             r"^(TFLite float32|model\.tflite): .*labels"),
        )
    ),
    _fault("words of another model", "float32", _words(lambda words: words.replace("28", "32")),
           r"^TFLite float32: its metadata say .*32x32x1 images to 10 classes.*, expected "),
    _fault("words of another file", "float16", _words(lambda words: words.replace("16", "32")),
           r"^TFLite float16: its metadata say .*float32 weights.*, expected "),
    _fault("an answer by brightness", "float32",
           lite_graph(signatures.TFLITE_DEFAULT, _int64_inside),
           r"^TFLite float32, serving_default: disagrees with the trained model: on \d+ of "),
    *(
        _fault(f"calibrated on {name}", "int8", _calibrated(change), _RANGE, quick=name == "ten")
        for name, change in (
            ("ten", lambda images: images[:10]),
            ("the faintest", lambda images: images[images.mean((1, 2, 3)).argsort()[:50]]),
            ("fainter images", lambda images: images // 4 * 3),
            ("inverted ones", lambda images: 255 - images),
        )
    ),
    _fault("ranges of an average image", "int8", written(_averaged), _RANGE),
)  # fmt: skip
