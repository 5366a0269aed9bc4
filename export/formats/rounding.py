"""What of a float32 TFLite file the quantizer does not see: usual inputs, and ranges of pixels.

Weights in int8 that are each rounded to the nearest change what a layer usually answers by the sum
of their errors. In small kernels, whose inputs are much alike, and where inputs are never negative,
that is most of the error of an int8 file. So weights are rounded here, those nearest to a half the
other way, such that the errors cancel out on usual inputs; the quantizer then finds nothing left to
round. That the nearest is not the best: M. Nagel et al., "Up or down? Adaptive rounding for
post-training quantization", ICML 2020.
"""

import math
from collections.abc import Collection

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from ...serving.artifacts import interpreter
from .compact import Model, packed, read

_OPERATOR = schema.BuiltinOperator
# What preprocessing is made of: no pixel goes beyond where the darkest and the brightest go.
_OF_PIXELS = {
    *(_OPERATOR.STRIDED_SLICE, _OPERATOR.SLICE, _OPERATOR.CAST, _OPERATOR.RESIZE_BILINEAR),
    *(_OPERATOR.AVERAGE_POOL_2D, _OPERATOR.MUL, _OPERATOR.SUB, _OPERATOR.PAD, _OPERATOR.PADV2),
}
# Of weights, the axes of the kernel, the channels that go in, and those that come out.
_LAYOUTS = {
    _OPERATOR.CONV_2D: ((1, 2), 3, 0),
    _OPERATOR.DEPTHWISE_CONV_2D: ((1, 2), 0, 3),
    _OPERATOR.FULLY_CONNECTED: ((), 1, 0),
}
# So many images tell what is usual: each has many pixels.
_IMAGES = 16
_LARGEST = 127


def balanced(content: bytes, images: np.ndarray) -> bytes:
    """The file with weights on the steps that int8 has, their errors balanced on usual inputs.

    A kernel of several weights keeps its sum: it answers an even area as before. Of the others the
    answer to each channel's mean input is kept.

    Args:
      content: a float32 file, of batch N.
      images: uint8 [n, H, W, C], some of which are looked at.
    """
    model = read(content)
    (graph,) = model.subgraphs
    weighted = {}  # Inputs, by the layer's weights.
    for operator in graph.operators:
        layout = _LAYOUTS.get(_code(model, operator))
        if layout and model.buffers[graph.tensors[operator.inputs[1]].buffer].data is not None:
            weighted[int(operator.inputs[1])] = int(operator.inputs[0]), layout
    asked = {
        (source, graph.tensors[index].shape[ins])
        for index, (source, (_, ins, _)) in weighted.items()
    }
    means = _means(content, images, asked)
    for index, (source, (kernel, ins, outs)) in weighted.items():
        tensor = graph.tensors[index]
        buffer, axes = model.buffers[tensor.buffer], (*kernel, ins, outs)
        weights = np.frombuffer(bytes(buffer.data), np.float32).reshape(tensor.shape)
        ordered = weights.transpose(axes)
        steps = np.abs(ordered).max(axis=tuple(range(len(kernel) + 1))) / _LARGEST
        exact = ordered / np.where(steps, steps, 1)
        inputs = means[source, exact.shape[-2]]
        if (size := math.prod(exact.shape[:-2])) > 1:
            exact, inputs = exact.reshape(size, -1), np.ones(size)
        rounded = _rounded(exact.reshape(len(inputs), -1), inputs).reshape(ordered.shape) * steps
        back = rounded.astype(np.float32).transpose(np.argsort(axes))
        buffer.data = np.frombuffer(back.tobytes(), np.uint8)
    return packed(model)


def pixel_tensors(content: bytes) -> set[str]:
    """Names of what holds pixels, raw or preprocessed: their range is that of black and white."""
    model = read(content)
    graph = model.subgraphs[0]
    known = set(graph.inputs.tolist())
    for operator in graph.operators:  # They are in the order in which they run.
        variable = [
            index
            for index in operator.inputs.tolist()
            if index >= 0 and model.buffers[graph.tensors[index].buffer].data is None
        ]
        if _code(model, operator) in _OF_PIXELS and len(variable) == 1 and variable[0] in known:
            known.update(operator.outputs.tolist())
    return {graph.tensors[index].name.decode() for index in known}


def _rounded(exact: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """Whole numbers whose sum, weighted by inputs, is nearly that of the exact ones.

    Args:
      exact: [K, F], F sums of K each.
      inputs: [K].
    """
    nearest = np.rint(exact)
    left = exact - nearest
    gains = left * inputs[:, np.newaxis]
    lost = gains.sum(axis=0)
    # If a number is rounded the other way, the sum changes by its input.
    gains = np.where(gains * np.sign(lost) > 0, np.abs(inputs)[:, np.newaxis], 0)
    order = np.argsort(np.where(gains > 0, -np.abs(left), 1), axis=0, kind="stable")
    ordered = np.take_along_axis(gains, order, axis=0)
    is_other = (ordered > 0) & (ordered.cumsum(axis=0) - ordered / 2 <= np.abs(lost))
    others = np.zeros_like(is_other)
    np.put_along_axis(others, order, is_other, axis=0)
    return nearest + np.sign(left) * others


def _means(
    content: bytes, images: np.ndarray, tensors: Collection[tuple[int, int]]
) -> dict[tuple[int, int], np.ndarray]:
    """The mean inputs of layers, by the index of the tensor and as how many it counts: [inputs].

    A dense layer takes all numbers of an image for inputs; one of groups, a group's channels.
    """
    opened = interpreter(content, keep_all=True)
    (detail,) = opened.get_input_details()
    chosen = images[np.linspace(0, len(images) - 1, min(_IMAGES, len(images))).astype(int)]
    means = dict.fromkeys(tensors, np.zeros(1))
    for image in chosen:
        batch = np.broadcast_to(image.astype(detail["dtype"]), detail["shape"])
        opened.set_tensor(detail["index"], batch)
        opened.invoke()
        for index, inputs in tensors:
            mean = opened.get_tensor(index).reshape(-1, inputs).mean(axis=0)
            means[index, inputs] = means[index, inputs] + mean / len(chosen)
    return means


def _code(model: Model, operator: schema.OperatorT) -> int:
    code = model.operatorCodes[operator.opcodeIndex]
    return max(code.builtinCode, code.deprecatedBuiltinCode)
