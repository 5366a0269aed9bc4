"""A trained model to ONNX, by tf2onnx: `serving_default`, with the batch size left open.

Source: https://github.com/onnx/tensorflow-onnx.
"""

import importlib.util
import re
from pathlib import Path
from typing import Any

import numpy as np

from ...base import export_layout
from ...base.errors import UserError, first_line
from ...base.quiet import quiet_stderr
from ...base.tf import tf
from .. import functions, signatures
from ..functions import Classifier
from . import saved_model
from .artifact import Opened, Outputs, agreed_labels

# In the file's own metadata: the label names, one a line.
_LABELS_KEY = "labels"
# The newest set of operators that tf2onnx writes.
_OPSET = 18
# In tf2onnx's names: what it counts.
_NUMBER = re.compile(r"__\d+\b")
_PACKAGES = ("onnx", "onnxruntime", "tf2onnx")


def require_packages() -> None:
    """Refuses to begin without the packages.

    Raises:
      UserError: one is not installed.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"--formats=onnx needs {', '.join(missing)}: pip install 'digitline[onnx]'")


def write(subject: Classifier, folder: Path) -> None:
    """Writes the file and the labels.

    Args:
      subject: what to export.
      folder: to write into; made if it is not there.

    Raises:
      UserError: the model holds an op that tf2onnx does not know.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / export_layout.ONNX_FILE).write_bytes(_convert(subject))
    saved_model.write_labels(folder / export_layout.LABELS, subject.label_names)


def open_file(path: Path) -> Opened:
    """Opens a file with ONNX Runtime.

    Raises:
      UserError: it does not load.
    """
    runtime = importlib.import_module("onnxruntime")
    try:
        session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # It has a dozen kinds of its own.
        raise UserError(f"{path}: not an ONNX file that loads: {first_line(error)}") from error
    names = [each.name for each in session.get_outputs()]

    def run(name: str, values: np.ndarray) -> Outputs:
        del name  # There is one.
        return dict(zip(names, session.run(names, {"images": values}), strict=True))

    inside = session.get_modelmeta().custom_metadata_map.get(_LABELS_KEY, "")
    return Opened(agreed_labels(path, tuple(inside.splitlines())), run)


def _convert(subject: Classifier) -> bytes:
    # By name, so that a type checker does not miss packages that are extras.
    converter: Any = importlib.import_module("tf2onnx")
    signature = signatures.SERVING_DEFAULT
    spec = tf.TensorSpec((None, *subject.image_shape), tf.uint8, name=signature.input.name)
    classify = functions.serving_default(subject)
    # Cast here: tf2onnx forgets that TensorFlow's resizing does it.
    function = tf.function(
        lambda images: classify(tf.cast(images, tf.float32)), input_signature=[spec]
    )
    try:
        with quiet_stderr():
            model, _ = converter.convert.from_function(function, [spec], opset=_OPSET)
    except Exception as error:  # It raises whatever it likes.
        raise UserError(f"the model cannot be converted to ONNX: {first_line(error)}") from error
    for tensor in (*model.graph.input, *model.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = signatures.N
    places = {tensor.name: tensor for tensor in model.graph.output}
    ordered = [places[tensor.name] for tensor in signature.outputs]
    del model.graph.output[:]
    model.graph.output.extend(ordered)
    model.graph.name, model.graph.doc_string = signature.name, ""
    _renumber(model.graph, {})
    entry = model.metadata_props.add()
    entry.key, entry.value = _LABELS_KEY, "\n".join(subject.label_names)
    return model.SerializeToString(deterministic=True)


def _renumber(graph: Any, numbers: dict[str, str], constants: frozenset[str] = frozenset()) -> None:
    """Makes the same file of the same model, whatever process it is made in.

    tf2onnx counts names on from the conversion before; and which one of equal constants it
    keeps, and their order, depends on Python's hashes.

    Args:
      graph: the file's, or a branch's or a loop's in it.
      numbers: for the names' numbers so far.
      constants: names in the graphs around it.
    """
    constants |= {each.name for each in graph.initializer if _NUMBER.search(each.name)}

    def name(old: str) -> str:
        counted = _NUMBER.sub(lambda found: numbers.setdefault(found[0], f"__{len(numbers)}"), old)
        return f"constant{_NUMBER.findall(counted)[-1]}" if old in constants else counted

    for node in graph.node:
        node.name = name(node.name)
        node.input[:] = map(name, node.input)
        node.output[:] = map(name, node.output)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _renumber(attribute.g, numbers, constants)
    for each in (*graph.initializer, *graph.value_info, *graph.input, *graph.output):
        each.name = name(each.name)
    graph.initializer.sort(key=lambda each: each.name)
