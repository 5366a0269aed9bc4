"""Smaller TFLite files: of a network of 6,000 weights, a third was names and zeros.

What is equal in a FlatBuffer may be stored once and referred to from many places
(https://flatbuffers.dev/internals/): symmetric quantization writes one 64-bit zero point for
each scale of each tensor, and all of them are zero.
"""

from typing import Any, TypeAlias

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

# A `ModelT` of LiteRT's schema, whose annotations say that every field may be None.
Model: TypeAlias = Any


class _SharingBuilder(flatbuffers.Builder):
    """Stores each vector of numbers once."""

    def __init__(self):
        super().__init__()
        self._vectors: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: np.ndarray) -> int:  # noqa: N802
        key = x.dtype.str, x.tobytes()
        if key not in self._vectors:
            self._vectors[key] = super().CreateNumpyVector(x)
        return self._vectors[key]


def read(content: bytes) -> Model:
    """A TFLite file's model, to be changed."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))


def packed(model: Model) -> bytes:
    """The FlatBuffer of a model."""
    builder = _SharingBuilder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def shorten_names(model: Model) -> None:
    """Cuts a tensor's name to its first part, `network/layer/Op`; names stay different.

    The converter joins the names of all operations that it has fused. Inputs and outputs keep
    theirs.
    """
    for graph in model.subgraphs:
        kept = {*graph.inputs.tolist(), *graph.outputs.tolist()}
        taken = {graph.tensors[index].name for index in kept}
        for index, tensor in enumerate(graph.tensors):
            if index in kept:
                continue
            first = tensor.name.partition(b";")[0]
            name, number = first, 1
            while name in taken:
                number += 1
                name = first + f"_{number}".encode()
            tensor.name = name
            taken.add(name)
