"""How a TFLite file is built: what readers that know no signatures go by, and old ones.

Codes and versions by op_version.cc of https://github.com/google-ai-edge/LiteRT, for the operators
whose old versions read a file otherwise.
"""

import importlib
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from .....base import export_layout
from .....base.errors import VerificationError
from ...reference import Reference
from ...staged import Staged

_FLOAT32, _FLOAT16, _INT8 = 0, 1, 9
_CONV, _DEPTHWISE, _DEQUANTIZE, _DENSE, _SOFTMAX, _QUANTIZE = 3, 4, 6, 9, 25, 114
# By operator, and by the types of its input and of its weights: the version for weights of one
# scale, and for those of one for each channel.
_VERSIONS = {
    (_CONV, _FLOAT32, _INT8): (2, 5),
    (_DEPTHWISE, _FLOAT32, _INT8): (4, 6),
    (_DENSE, _FLOAT32, _INT8): (3, 12),
    (_CONV, _INT8, _INT8): (3, 3),
    (_DEPTHWISE, _INT8, _INT8): (3, 3),
    (_DENSE, _INT8, _INT8): (4, 4),
    (_DEQUANTIZE, _FLOAT16, None): (3, 3),
    (_DEQUANTIZE, _INT8, None): (2, 5),
    (_SOFTMAX, _INT8, None): (2, 2),
}
# The oldest TensorFlow Lite that knows such a version.
_RUNTIMES = {
    (_CONV, 3): (1, 14),
    (_CONV, 5): (2, 4),
    (_DEPTHWISE, 3): (1, 14),
    (_DEPTHWISE, 6): (2, 3),
    (_DENSE, 4): (1, 14),
    (_DENSE, 12): (2, 17),
    (_DEQUANTIZE, 3): (1, 15),
    (_DEQUANTIZE, 5): (2, 7),
}
# Of the older field, which is a byte: "look into the newer one".
_LARGER = 127


def require(staged: Staged, reference: Reference) -> None:
    """Refuses a file that is another one for some of its readers.

    Raises:
      VerificationError: names what is otherwise.
    """
    for problem in _problems(staged):
        raise VerificationError(f"{staged.artifact.title}: {problem}; nothing was published")


def _problems(staged: Staged) -> Iterator[str]:
    schema = importlib.import_module("ai_edge_litert.schema_py_generated")
    content = staged.path.read_bytes()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    if len(model.subgraphs) != 1:
        yield f"it has {len(model.subgraphs)} subgraphs, expected one"
    (graph, (carried,)) = model.subgraphs[0], model.signatureDefs
    for kind in ("inputs", "outputs"):
        found = sorted(getattr(graph, kind).tolist())
        stated = sorted(each.tensorIndex for each in getattr(carried, kind))
        if found != stated:
            yield f"its graph has the {kind} {found}, its signature {stated}"
        for index in found:
            yield from _of_tensor(graph.tensors[index])
    yield from _of_operators(model, graph)
    names = sorted(zipfile.ZipFile(staged.path).namelist())
    layout = export_layout
    expected = sorted((layout.LABELS, layout.PICTURES, layout.CERTAINTY))
    if names != expected:
        yield f"the archive in it holds {', '.join(names)}, expected {', '.join(expected)}"


def _of_tensor(tensor: Any) -> Iterator[str]:
    """Of an input or output: its size is fixed, and its numbers are what they are."""
    name, shape, signature = tensor.name.decode(), tensor.shape, tensor.shapeSignature
    if signature is not None and not np.array_equal(signature, shape):
        signed, fixed = (np.asarray(sizes).tolist() for sizes in (signature, shape))
        yield f"its {name} has the shape signature {signed}, expected {fixed}"
    scales = _scales(tensor)
    if tensor.type != _INT8 and len(scales):
        yield f"its {name} has the scale {scales[0]:.6g}, expected none: what goes in is raw"


def _of_operators(model: Any, graph: Any) -> Iterator[str]:
    needed = (0, 0)
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        old, new, version = code.deprecatedBuiltinCode, code.builtinCode, code.version
        if old != min(new, _LARGER):
            yield f"its operator {new} has the older code {old}, expected {min(new, _LARGER)}"
        inputs = [graph.tensors[index] for index in operator.inputs if index >= 0]
        weights = inputs[1] if new in (_CONV, _DEPTHWISE, _DENSE) else inputs[0]
        types = inputs[0].type, None if weights is inputs[0] else weights.type
        many = len(_scales(weights)) > 1
        least = _VERSIONS.get((new, *types), (1, 1))[many]
        if version < least:
            yield f"its operator {new} has the version {version}, expected {least}"
        needed = max(needed, _RUNTIMES.get((new, least), (0, 0)))
    stated = _min_runtime(model)
    if tuple(int(part) for part in stated.split(".")[:2] if part) < needed:
        wanted = ".".join(map(str, needed))
        yield f"its min_runtime_version is {stated or 'none'}, expected {wanted} or more"


def _scales(tensor: Any) -> np.ndarray:
    scales = tensor.quantization and tensor.quantization.scale
    return np.zeros(0) if scales is None else np.asarray(scales)


def _min_runtime(model: Any) -> str:
    for entry in model.metadata or []:
        if entry.name == b"min_runtime_version":
            return bytes(model.buffers[entry.buffer].data).rstrip(b"\0").decode()
    return ""


def require_ranges(staged: Staged, reference: Reference) -> None:
    """Holds an int8 file's range of logits against that of the model on the calibration images.

    Raises:
      VerificationError: names both ranges.
    """
    expected = reference.logits_range
    if staged.artifact.name != "tflite_int8" or expected is None:
        return
    schema = importlib.import_module("ai_edge_litert.schema_py_generated")
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(staged.path.read_bytes(), 0))
    (graph,) = model.subgraphs
    for operator in graph.operators:
        if model.operatorCodes[operator.opcodeIndex].builtinCode != _SOFTMAX:
            continue
        quantization = graph.tensors[operator.inputs[0]].quantization
        (scale,), (zero,) = quantization.scale, quantization.zeroPoint
        found = float(scale * (-128 - zero)), float(scale * (127 - zero))
        off = max(abs(one - other) for one, other in zip(found, expected, strict=True))
        # The zero must be a whole number: a step to either side.
        if off > 1.5 * float(scale):
            raise VerificationError(
                f"{staged.artifact.title}: its logits have the range {found[0]:.4g} to "
                f"{found[1]:.4g}, the model's {expected[0]:.4g} to {expected[1]:.4g} on the "
                "calibration images; nothing was published"
            )
