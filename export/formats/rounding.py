"""What of a float32 TFLite file the quantizer does not see: even areas, and ranges of pixels.

A kernel of int8 weights, each rounded to the nearest, answers an even area with what the errors
sum up to: with a depthwise network's many small kernels that is most of the error. So weights are
rounded here, some of them the other way, such that each kernel keeps its sum; the quantizer then
finds nothing left to round. That the nearest is not the best: M. Nagel et al., "Up or down?
Adaptive rounding for post-training quantization", ICML 2020.
"""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from .compact import Model, packed

_OPERATOR = schema.BuiltinOperator
# They change each pixel by itself, and none goes beyond where the darkest and brightest go.
_BY_PIXEL = {
    *(_OPERATOR.CAST, _OPERATOR.ADD, _OPERATOR.SUB, _OPERATOR.MUL, _OPERATOR.DIV),
    *(_OPERATOR.RESHAPE, _OPERATOR.RESIZE_BILINEAR),
}
_LAYOUTS = {  # Of weights, to [height, width, channels in, channels out].
    _OPERATOR.CONV_2D: (1, 2, 3, 0),
    _OPERATOR.DEPTHWISE_CONV_2D: (1, 2, 0, 3),
}
_LARGEST = 127


def keeping_sums(content: bytes) -> bytes:
    """The file with its convolutions' weights on int8's steps, such that each kernel keeps its sum.

    Args:
      content: a float32 file.
    """
    model = _read(content)
    for graph in model.subgraphs:
        for operator in graph.operators:
            if _code(model, operator) in _LAYOUTS:
                layout = _LAYOUTS[_code(model, operator)]
                tensor = graph.tensors[operator.inputs[1]]
                buffer = model.buffers[tensor.buffer]
                if buffer.data is None:  # They are computed.
                    continue
                weights = np.frombuffer(bytes(buffer.data), np.float32).reshape(tensor.shape)
                rounded = _rounded(weights.transpose(layout)).transpose(np.argsort(layout))
                buffer.data = np.frombuffer(rounded.tobytes(), np.uint8)
    return packed(model)


def pixel_tensors(content: bytes) -> set[str]:
    """Names of what holds pixels or what is made of each by itself: their range is known."""
    model = _read(content)
    graph = model.subgraphs[0]
    known = set(graph.inputs.tolist())
    for operator in graph.operators:  # They are in the order in which they run.
        variable = [
            index
            for index in operator.inputs.tolist()
            if index >= 0 and model.buffers[graph.tensors[index].buffer].data is None
        ]
        if _code(model, operator) in _BY_PIXEL and len(variable) == 1 and variable[0] in known:
            known.update(operator.outputs.tolist())
    return {graph.tensors[index].name.decode() for index in known}


def _rounded(weights: np.ndarray) -> np.ndarray:
    """Weights float32 [H, W, I, O] on the steps of their output channel; see `keeping_sums`."""
    height, width, inputs, outputs = weights.shape
    steps = np.abs(weights).max(axis=(0, 1, 2)) / _LARGEST
    exact = weights.reshape(height * width, inputs, outputs) / np.where(steps, steps, 1)
    whole = np.rint(exact)
    left = exact - whole
    # Of each kernel, so many weights are rounded the other way: those that were nearest to it.
    others = np.rint(left.sum(axis=0))
    order = np.argsort(-left * np.sign(others), axis=0, kind="stable")
    rank = np.argsort(order, axis=0)
    whole += np.where(rank < np.abs(others), np.sign(others), 0)
    return (whole * steps).astype(np.float32).reshape(weights.shape)


def _read(content: bytes) -> Model:
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))


def _code(model: Model, operator: schema.OperatorT) -> int:
    code = model.operatorCodes[operator.opcodeIndex]
    return max(code.builtinCode, code.deprecatedBuiltinCode)
