"""How an ONNX file is built: all of it is in it, in operators that the docs name."""

import importlib
from collections.abc import Iterator
from typing import Any

from .....base.errors import VerificationError
from ...reference import Reference
from ...staged import Staged

# Its set of operators, and what else may be in the file's own metadata.
_OPSETS, _KEYS = {"": 18}, ["labels"]
_EXTERNAL = 1


def require(staged: Staged, reference: Reference) -> None:
    """Refuses a file that needs others, other operators, or says more than it should.

    Raises:
      VerificationError: names what is otherwise.
    """
    model = importlib.import_module("onnx").load(str(staged.path), load_external_data=False)
    for problem in _problems(model):
        raise VerificationError(f"{staged.artifact.title}: {problem}; nothing was published")


def _problems(model: Any) -> Iterator[str]:
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    if {name: opsets.get(name) for name in _OPSETS} != _OPSETS:
        yield f"its sets of operators are {opsets}, expected {_OPSETS}"
    keys = [entry.key for entry in model.metadata_props]
    if keys != _KEYS:
        yield f"its metadata are {', '.join(keys) or 'none'}, expected {', '.join(_KEYS)}"
    if model.functions or model.training_info:
        yield f"it has {len(model.functions)} functions of its own, expected none"
    for graph in graphs(model.graph):
        for node in graph.node:
            if node.domain not in _OPSETS:
                yield f"it has the operator {node.domain}.{node.op_type}, expected ONNX's own"
        for tensor in graph.initializer:
            if tensor.data_location == _EXTERNAL:
                yield f"its {tensor.name} lies in another file, expected all in one"


def graphs(graph: Any) -> Iterator[Any]:
    """A `GraphProto` and those of the branches and loops in it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from graphs(attribute.g)
            for inner in attribute.graphs:
                yield from graphs(inner)
