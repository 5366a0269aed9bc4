"""Compares each layer of a TFLite or ONNX file with the trained model's.

A tensor of the file is a layer's output if it is like it: names are the converters' business, and
so is the order of axes. A runtime that keeps all tensors is slower; files are only explained where
one is refused, or with `--explain`.
"""

import contextlib
import importlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ...base import export_layout
from ...base.errors import first_line
from ...base.tf import tf
from ...data.pipeline.records import images_at_once
from ...serving.artifacts import interpreter
from ..formats.artifact import Artifact
from ..functions import TrainedModel
from .calls import CALLS
from .claims import layers
from .explanation import Explanation, LayerDifference
from .reference import Question

# The first images that a file is asked for; before them, of those that it gets wrong.
_IMAGES, _WRONG = 16, 8
# How far a layer's worst channel may be off, as a part of its output. Of our networks, two runtimes
# differ by 2e-6 at most; rounding is off by less than this part of `Limits.typical`.
_EXACT, _PART_OF_LIMIT = 1e-5, 1 / 5
# A tensor that is off by more is another one, if a later layer is right.
_UNLIKE = 0.5
# What numbers count as that are not finite.
_INFINITE = 1e30
_PREPROCESSING = "preprocessing"


def explain(
    artifact: Artifact,
    path: Path,
    trained: TrainedModel,
    question: Question,
    wrong: Sequence[int] = (),
) -> Explanation:
    """Compares all layers on some images.

    Args:
      artifact: a TFLite or ONNX file.
      path: of the file.
      question: of which some images are taken.
      wrong: indices of images that the file gets wrong.
    """
    limits = artifact.limits
    limit = limits.typical * _PART_OF_LIMIT if limits else _EXACT
    count = images_at_once(trained.image_shape, min(_IMAGES, len(question.images)))
    chosen = list(dict.fromkeys([*wrong[:_WRONG], *range(count)]))
    problem, rows = "", ()
    try:
        rows = _rows(artifact, path, trained, question.images[chosen], limit)
    except Exception as error:  # Of a file that is wrong, whatever a runtime raises.
        problem = first_line(error)
    named = tuple(
        LayerDifference(row.layer, row.largest, chosen[row.image], row.relative)
        if row.image is not None
        else row
        for row in rows
    )
    rounded = limits is not None
    return Explanation(artifact.title, question.name, len(chosen), rounded, limit, named, problem)


def _rows(
    artifact: Artifact, path: Path, trained: TrainedModel, images: np.ndarray, limit: float
) -> tuple[LayerDifference, ...]:
    prepared = np.asarray(trained.preprocess(tf.constant(images)))
    expected = [(_PREPROCESSING, prepared), *layers.outputs_of(trained, images)]
    inputs = CALLS[artifact.signatures[0].name].encode(images, trained)
    sizes = {math.prod(value.shape[1:]) for _, value in expected}
    read = _of_onnx if artifact.name == export_layout.ONNX else _of_tflite
    tensors = read(path, inputs, sizes)
    rows = []
    for name, value in expected:
        row, index = _most_alike(name, value.astype(np.float64), tensors, limit)
        rows.append(row)
        if row.relative is not None and row.relative <= limit:
            del tensors[index]
    right = [row.relative is not None and row.relative <= limit for row in rows]
    for number, row in enumerate(rows):
        unlike = row.relative is not None and row.relative > _UNLIKE
        # The preprocessing may be part of the first layer's weights.
        if not right[number] and (not number or (unlike and any(right[number:]))):
            rows[number] = LayerDifference(row.layer)
    return tuple(rows)


def _most_alike(
    name: str, expected: np.ndarray, tensors: list[np.ndarray], limit: float
) -> tuple[LayerDifference, int]:
    """How far the tensor that is most like a layer's output is from it, and its index.

    The best is one within the limit; else what goes up and down with the output, for a fault
    makes it larger or smaller.
    """
    best, least, where = LayerDifference(name), (True, math.inf), -1
    scale = math.sqrt((expected**2).mean()) or 1.0  # Some channels are always 0.
    for index, tensor in enumerate(tensors):
        for value in _arranged(tensor, expected.shape):
            value = np.clip(np.nan_to_num(value, nan=_INFINITE), -_INFINITE, _INFINITE)
            off = value - expected
            relative = float((_size(off) / np.maximum(_size(expected), scale)).max())
            with np.errstate(all="ignore"):
                alike = np.corrcoef(value.ravel(), expected.ravel())[0, 1]
            unlikeness = relative > limit, -float(np.nan_to_num(alike, nan=-1.0))
            if where < 0 or unlikeness < least:
                largest = np.abs(off).reshape(len(off), -1).max(axis=1)
                image = int(largest.argmax())
                best = LayerDifference(name, float(largest[image]), image, relative)
                least, where = unlikeness, index
    return best, where


def _size(values: np.ndarray) -> np.ndarray:
    """Root mean square of each channel: float64 [N, …, C] to [C]."""
    return np.sqrt((values.reshape(-1, values.shape[-1]) ** 2).mean(axis=0))


def _arranged(tensor: np.ndarray, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """A tensor as a layer's output, channels last; nothing if it has another size."""
    if tensor.size != math.prod(shape):
        return
    yield tensor.reshape(shape)
    if tensor.ndim == len(shape) == 4 and tensor.shape[1] == shape[3]:
        yield np.moveaxis(tensor, 1, 3).reshape(shape)


def _of_tflite(path: Path, inputs: np.ndarray, sizes: set[int]) -> list[np.ndarray]:
    """What lies between input and outputs, float64 [N, …], of those sizes of an image."""
    opened = interpreter(path, keep_all=True)
    (entry,) = opened.get_input_details()
    scale, zero = entry["quantization"]
    if entry["dtype"] == np.int8:
        inputs = np.clip(np.rint(inputs / scale) + zero, -128, 127).astype(np.int8)
    batch = int(entry["shape"][0])
    calls = -(-len(inputs) // batch)
    whole = np.resize(inputs, (calls * batch, *inputs.shape[1:]))
    outputs = {detail["index"] for detail in opened.get_output_details()}
    kept = {
        detail["index"]: detail["quantization"]
        for detail in opened.get_tensor_details()
        if detail["index"] not in outputs and _fits(tuple(detail["shape"]), batch, sizes)
    }
    found: dict[int, list[np.ndarray]] = {index: [] for index in kept}
    for part in np.split(whole, calls):
        opened.set_tensor(entry["index"], part)
        opened.invoke()
        for index, (scale, zero) in kept.items():
            with contextlib.suppress(ValueError):  # The runtime did without it.
                value = opened.get_tensor(index).astype(np.float64)
                found[index].append((value - zero) * scale if scale else value)
    return [np.concatenate(parts)[: len(inputs)] for parts in found.values() if len(parts) == calls]


def _of_onnx(path: Path, inputs: np.ndarray, sizes: set[int]) -> list[np.ndarray]:
    """The same of an ONNX file."""
    package = importlib.import_module("onnx")
    model = package.load(str(path))
    graph = model.graph
    outputs = {tensor.name for tensor in graph.output}
    names = [name for node in graph.node for name in node.output if name and name not in outputs]
    graph.output.extend(package.ValueInfoProto(name=name) for name in names)
    session = importlib.import_module("onnxruntime").InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    values = session.run(names, {graph.input[0].name: inputs})
    return [value.astype(np.float64) for value in values if _fits(value.shape, len(inputs), sizes)]


def _fits(shape: tuple[int, ...], batch: int, sizes: set[int]) -> bool:
    return len(shape) > 1 and shape[0] == batch and math.prod(shape[1:]) in sizes
