"""Float TFLite files that OpenCV's DNN module reads, from 5.1 on.

It knows `TOPK_V2` and no `ARG_MAX`, and dense layers of [N, C] only. Files with int8 inside stay
as they are: OpenCV runs none of them, and of dense layers with int8 weights it says so only by
answers that are not numbers.
Source: modules/dnn/src/tflite/tflite_importer.cpp in https://github.com/opencv/opencv.
"""

import math

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from .compact import Model

_CODES, _TYPES = schema.BuiltinOperator, schema.TensorType


def adapt(model: Model) -> None:
    """Exchanges operators of a float file for others that give the same numbers."""
    (graph,) = model.subgraphs
    if any(tensor.type == _TYPES.INT8 for tensor in graph.tensors):
        return
    codes = [code.builtinCode for code in model.operatorCodes]
    operators = []
    for operator in graph.operators:
        code = codes[operator.opcodeIndex]
        if code == _CODES.ARG_MAX:
            operators += _first_of_largest(model, graph, operator)
        elif code == _CODES.FULLY_CONNECTED and len(graph.tensors[operator.inputs[0]].shape) > 2:
            operators += _of_rows(model, graph, operator)
        else:
            operators.append(operator)
    graph.operators = operators
    for code in model.operatorCodes:  # It had one use.
        if code.builtinCode == _CODES.ARG_MAX:
            code.builtinCode = code.deprecatedBuiltinCode = _CODES.TOPK_V2


def _first_of_largest(model: Model, graph: Model, arg_max: Model) -> list[Model]:
    """What an `ARG_MAX` gives: of equal scores both take the first."""
    scores, (classes,) = arg_max.inputs[0], arg_max.outputs
    rows = int(graph.tensors[classes].shape[0])
    values = _add_tensor(graph, "best/values", graph.tensors[scores].type, (rows, 1))
    best = _add_tensor(graph, "best", _TYPES.INT32, (rows, 1))
    top = schema.OperatorT(
        opcodeIndex=arg_max.opcodeIndex,
        inputs=np.array([scores, _add_constant(model, graph, "best/k", ())], np.int32),
        outputs=np.array([values, best], np.int32),
        builtinOptionsType=schema.BuiltinOptions.TopKV2Options,
        builtinOptions=schema.TopKV2OptionsT(),
    )
    return [top, _reshape(model, graph, best, classes, (rows,))]


def _of_rows(model: Model, graph: Model, dense: Model) -> list[Model]:
    """A dense layer with its input as [N, C]."""
    source = graph.tensors[dense.inputs[0]]
    channels = int(graph.tensors[dense.inputs[1]].shape[1])
    shape = (math.prod(map(int, source.shape)) // channels, channels)
    rows = _add_tensor(graph, source.name.decode() + "/rows", source.type, shape)
    reshape = _reshape(model, graph, dense.inputs[0], rows, shape)
    dense.inputs = np.array([rows, *dense.inputs[1:]], np.int32)
    return [reshape, dense]


def _reshape(model: Model, graph: Model, source: int, target: int, shape: tuple[int, ...]) -> Model:
    sizes = _add_constant(model, graph, f"shape_{target}", shape)
    return schema.OperatorT(
        opcodeIndex=_code(model, _CODES.RESHAPE),
        inputs=np.array([source, sizes], np.int32),
        outputs=np.array([target], np.int32),
    )


def _add_constant(model: Model, graph: Model, name: str, values: tuple[int, ...]) -> int:
    """Adds int32 [n]; of no values the scalar 1. Returns the tensor's number."""
    model.buffers.append(schema.BufferT(data=np.array(values or (1,), np.int32).view(np.uint8)))
    shape = (len(values),) if values else ()
    return _add_tensor(graph, name, _TYPES.INT32, shape, len(model.buffers) - 1)


def _add_tensor(
    graph: Model, name: str, dtype: int, shape: tuple[int, ...], buffer: int = 0
) -> int:
    """Adds a tensor and returns its number."""
    sizes = np.array(shape, np.int32)
    graph.tensors.append(schema.TensorT(name=name.encode(), type=dtype, shape=sizes, buffer=buffer))
    return len(graph.tensors) - 1


def _code(model: Model, builtin: int) -> int:
    """The number of an operator's code, which is added if need be."""
    for number, code in enumerate(model.operatorCodes):
        if code.builtinCode == builtin:
            return number
    code = schema.OperatorCodeT(builtinCode=builtin, deprecatedBuiltinCode=builtin, version=1)
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1
