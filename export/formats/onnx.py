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
from ...base.process.quiet import quiet_stderr
from ...base.tf import tf
from ...serving.artifacts import Outputs
from .. import signatures
from ..functions import TrainedModel, serving_default
from . import saved_model
from .artifact import Artifact, Opened

# In the file's own metadata: the label names, one a line.
_LABELS_KEY = "labels"
# The newest set of operators that tf2onnx writes.
_OPSET = 18
# In tf2onnx's names: what it counts.
_NUMBER = re.compile(r"__\d+\b")
_PACKAGES = ("onnx", "onnxruntime", "tf2onnx")


def require_packages() -> None:
    """Raises a `UserError` where a package that is needed is not installed."""
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"--formats=onnx needs {', '.join(missing)}: pip install 'digitline[onnx]'")


def write(trained: TrainedModel, folder: Path) -> None:
    """Writes the file and the labels into a folder, made if need be.

    Raises:
      UserError: the model holds an op that tf2onnx does not know.
    """
    saved_model.write_description(folder, trained)
    (folder / export_layout.ONNX_FILE).write_bytes(_convert(trained))


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
    names = [output.name for output in session.get_outputs()]

    def run(_: str, values: np.ndarray) -> Outputs:  # There is one signature.
        return dict(zip(names, session.run(names, {"images": values}), strict=True))

    inside = session.get_modelmeta().custom_metadata_map.get(_LABELS_KEY, "")
    return Opened(tuple(inside.splitlines()), None, run)


def _convert(trained: TrainedModel) -> bytes:
    # By name, so that a type checker does not miss packages that are extras.
    converter = importlib.import_module("tf2onnx")
    signature = signatures.SERVING_DEFAULT
    spec = tf.TensorSpec((None, *trained.image_shape), tf.uint8, name=signature.input.name)
    function = tf.function(serving_default(trained), input_signature=[spec])
    try:
        with quiet_stderr():
            model, _ = converter.convert.from_function(function, [spec], opset=_OPSET)
    except Exception as error:  # tf2onnx raises errors of any kind.
        raise UserError(f"the model cannot be converted to ONNX: {first_line(error)}") from error
    for tensor in (*model.graph.input, *model.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = signatures.N
    order = [tensor.name for tensor in signature.outputs]
    model.graph.output.sort(key=lambda tensor: order.index(tensor.name))
    model.graph.name, model.graph.doc_string = signature.name, ""
    _renumber(model.graph, {})
    entry = model.metadata_props.add()
    entry.key, entry.value = _LABELS_KEY, "\n".join(trained.label_names)
    return model.SerializeToString(deterministic=True)


def _renumber(graph: Any, numbers: dict[str, str], constants: frozenset[str] = frozenset()) -> None:
    """Renames tensors so that every process writes the same file of the same model.

    tf2onnx continues the numbers in names from one conversion to the next; and which one of
    equal constants it keeps, and their order, depends on Python's hashes.

    Args:
      graph: the file's `GraphProto`, or that of a branch or loop in it.
      numbers: from tf2onnx's numbers to ours; grows.
      constants: names in the graphs around it.
    """
    constants |= {tensor.name for tensor in graph.initializer if _NUMBER.search(tensor.name)}

    def name(old: str) -> str:
        counted = _NUMBER.sub(lambda match: numbers.setdefault(match[0], f"__{len(numbers)}"), old)
        return f"constant{_NUMBER.findall(counted)[-1]}" if old in constants else counted

    for node in graph.node:
        node.name = name(node.name)
        node.input[:] = map(name, node.input)
        node.output[:] = map(name, node.output)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _renumber(attribute.g, numbers, constants)
    for tensor in (*graph.initializer, *graph.value_info, *graph.input, *graph.output):
        tensor.name = name(tensor.name)
    graph.initializer.sort(key=lambda tensor: tensor.name)


ARTIFACT = Artifact(
    name=export_layout.ONNX,
    title="ONNX",
    path=export_layout.ONNX_FILE,
    signatures=(signatures.SERVING_DEFAULT,),
    open=open_file,
)
