"""True codes and versions of a TFLite file's operators, and the oldest runtime that knows them.

A runtime refuses an operator whose version it does not know. The quantizer leaves the versions of
the float32 file: older runtimes took `FULLY_CONNECTED` with a scale for each row of its int8
weights for one that they know, and answered at chance. Of the two fields of a new operator's code
it fills only one, and OpenVINO reads the other.
Source of the rules and of the table: op_version.cc, op_signature.cc and runtime_version.cc in
https://github.com/google-ai-edge/LiteRT/tree/main/tflite/converter/tools/versioning.
"""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from .compact import Model

# Operators of which version 2, of TensorFlow Lite 1.14, takes int8.
_SINCE_1_14 = (
    *("ADD", "AVERAGE_POOL_2D", "CONCATENATION", "EQUAL", "GATHER", "LOGISTIC", "MAXIMUM"),
    *("MAX_POOL_2D", "MEAN", "NOT_EQUAL", "PACK", "PAD", "PADV2", "REDUCE_MIN"),
    *("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "SLICE", "SOFTMAX", "SPACE_TO_DEPTH"),
    *("STRIDED_SLICE", "SUB", "TANH", "TRANSPOSE", "UNPACK"),
)
# The version that int8 asks for of most operators, and the TensorFlow Lite that came with it.
_USUAL = {
    **{name: {2: "1.14.0"} for name in _SINCE_1_14},
    "BATCH_MATMUL": {2: "2.3.0"},
    "GELU": {2: "2.9.0"},
    "MIRROR_PAD": {2: "2.3.0"},
    "RELU": {2: "2.1.0"},
    "RSQRT": {2: "2.5.0"},
    "SQRT": {2: "2.21.0"},
    "SQUARED_DIFFERENCE": {2: "2.5.0"},
    "SUM": {2: "1.15.0"},
}
# The same of those that ask more than whether they are int8; `_RULES` says what.
_OTHERS = {
    "BROADCAST_TO": {3: "2.5.0"},
    "CONV_2D": {2: "1.14.0", 3: "1.14.0", 5: "2.4.0"},
    "DEPTHWISE_CONV_2D": {3: "1.14.0", 4: "2.2.0", 6: "2.3.0"},
    "DEQUANTIZE": {1: "1.13.1", 2: "1.14.0", 3: "1.15.0", 5: "2.7.0"},
    "FULLY_CONNECTED": {3: "1.14.0", 4: "1.14.0", 12: "2.17.0"},
    "MUL": {2: "1.14.0", 3: "1.15.0"},
    "QUANTIZE": {1: "1.14.0", 3: "2.7.0"},
    "SPLIT": {2: "1.14.0"},
    "TRANSPOSE_CONV": {2: "2.2.0"},
}
_RUNTIMES = {**_USUAL, **_OTHERS}

_NAMES = {
    number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)
}
# A code from here on does not fit the older field, which is a byte: it then holds this number.
_TOO_LARGE = schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES
_FLOAT16, _FLOAT32 = schema.TensorType.FLOAT16, schema.TensorType.FLOAT32
_INT8 = schema.TensorType.INT8


@dataclasses.dataclass(frozen=True)
class _Call:
    """An operator of a graph, with its tensors (`TensorT`s of the schema)."""

    inputs: list[Model]
    outputs: list[Model]

    @property
    def is_int8(self) -> bool:
        return self.inputs[0].type == _INT8

    @property
    def has_int8_weights(self) -> bool:
        """Whether it computes with float32, and only its weights are int8."""
        return self.inputs[0].type == _FLOAT32 and self.inputs[1].type == _INT8


def names(content: bytes) -> set[str]:
    """What operators a TFLite file of `correct` codes has, as the schema calls them."""
    model = schema.Model.GetRootAs(content, 0)
    codes = [model.OperatorCodes(number) for number in range(model.OperatorCodesLength())]
    return {_NAMES[code.BuiltinCode()] for code in codes if code is not None}


def correct(model: Model) -> None:
    """Writes both fields of each operator's code, its version, and `min_runtime_version`.

    Versions only rise: what they depend on beside types, such as rank, the converter has written,
    and the quantizer leaves as it is.
    """
    for code in model.operatorCodes:
        code.builtinCode = max(code.builtinCode, code.deprecatedBuiltinCode)
        code.deprecatedBuiltinCode = min(code.builtinCode, _TOO_LARGE)
    runtimes = [_min_runtime(model)]
    for graph in model.subgraphs:
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            name = _NAMES[code.builtinCode]
            code.version = max(code.version, _version(name, _call(graph, operator)))
            runtimes.append(_RUNTIMES.get(name, {}).get(code.version, ""))
    _set_min_runtime(model, max(runtimes, key=_numbers))


def _call(graph: Model, operator: Model) -> _Call:
    """Inputs that are left out, such as a bias, are number -1."""
    inputs = [graph.tensors[index] for index in operator.inputs if index >= 0]
    return _Call(inputs, [graph.tensors[index] for index in operator.outputs])


def _version(name: str, call: _Call) -> int:
    if name in _RULES:
        return _RULES[name](call)
    return max(_USUAL[name]) if name in _USUAL and call.is_int8 else 1


def _scales(tensor: Model) -> np.ndarray:
    """Of a tensor: as many as its channels, one, or none."""
    scales = None if tensor.quantization is None else tensor.quantization.scale
    return np.zeros(0, np.float32) if scales is None else scales


def _conv_2d(call: _Call) -> int:
    if call.has_int8_weights:
        weights = call.inputs[1]
        return 5 if len(_scales(weights)) == weights.shape[0] else 2
    return 3 if call.is_int8 else 1


def _depthwise_conv_2d(call: _Call) -> int:
    if call.has_int8_weights:
        weights = call.inputs[1]
        return 6 if len(_scales(weights)) == weights.shape[3] else 4
    return 3 if call.is_int8 else 1


def _fully_connected(call: _Call) -> int:
    if call.has_int8_weights:
        weights = call.inputs[1]
        return 12 if len(_scales(weights)) == weights.shape[0] else 3
    return 4 if call.is_int8 else 1


def _mul(call: _Call) -> int:
    if not call.is_int8:
        return 1
    first, second, product = (_scales(tensor)[0] for tensor in (*call.inputs, *call.outputs))
    return 3 if first * second / product >= 1 else 2


def _dequantize(call: _Call) -> int:
    if call.is_int8:
        return 5 if len(_scales(call.inputs[0])) > 1 else 2
    return 3 if call.inputs[0].type == _FLOAT16 else 1


_RULES: dict[str, Callable[[_Call], int]] = {
    "BROADCAST_TO": lambda call: 3 if call.is_int8 else 2,
    "CONV_2D": _conv_2d,
    "DEPTHWISE_CONV_2D": _depthwise_conv_2d,
    "DEQUANTIZE": _dequantize,
    "FULLY_CONNECTED": _fully_connected,
    "MUL": _mul,
    "QUANTIZE": lambda call: 3 if len(_scales(call.outputs[0])) > 1 else 1,
    # Their first input is an axis, or a shape.
    "SPLIT": lambda call: 2 if call.inputs[1].type == _INT8 else 1,
    "TRANSPOSE_CONV": lambda call: 2 if call.inputs[1].type == _INT8 else 1,
}


def _runtime_buffers(model: Model) -> Iterator[Model]:
    """The converter's entry, if it is there: a text in 16 bytes."""
    for entry in model.metadata or []:
        if entry.name in (b"min_runtime_version", "min_runtime_version"):
            yield model.buffers[entry.buffer]


def _min_runtime(model: Model) -> str:
    for buffer in _runtime_buffers(model):
        return bytes(buffer.data).rstrip(b"\0").decode()
    return ""


def _set_min_runtime(model: Model, version: str) -> None:
    for buffer in _runtime_buffers(model):
        buffer.data = np.frombuffer(version.encode().ljust(16, b"\0"), np.uint8)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part)
