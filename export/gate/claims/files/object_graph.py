"""What a SavedModel's object holds: Keras and others call its functions, not its signatures."""

import importlib
from typing import Any

from .....base import export_layout
from .....base.errors import VerificationError
from ...reference import Reference
from ...staged import Staged

# What is in an object beside the functions.
_LISTS = {"variables", "trainable_variables", "signatures"}


def require(staged: Staged, reference: Reference) -> None:
    """Refuses an object whose functions are not those that the signatures call.

    Raises:
      VerificationError: names the signature, and both functions.
    """
    messages = importlib.import_module("tensorflow.core.protobuf.saved_model_pb2")
    path = staged.folder / export_layout.SAVED_MODEL_FILE
    (graph,) = messages.SavedModel.FromString(path.read_bytes()).meta_graphs
    held = _of_object(graph.object_graph_def)
    called = {
        signature.name: _called(graph, signature.name) for signature in staged.artifact.signatures
    }
    if held != called:
        names = sorted({*held, *called})
        name = next(name for name in names if held.get(name) != called.get(name))
        raise VerificationError(
            f"{staged.artifact.title}, {name}: as a function of its object it is "
            f"{_shown(held.get(name))}, its signature calls {_shown(called.get(name))}; nothing "
            "was published"
        )


def _of_object(objects: Any) -> dict[str, list[str]]:
    """The names of a function's graphs, by the name of the function."""
    held = {}
    for child in objects.nodes[0].children:
        node = objects.nodes[child.node_id]
        if child.local_name not in _LISTS:
            held[child.local_name] = list(node.function.concrete_functions)
    return held


def _called(graph: Any, signature: str) -> list[str]:
    """The functions behind the outputs of a signature, and behind the one that wraps them."""
    functions = {function.signature.name: function for function in graph.graph_def.library.function}
    nodes = {node.name: node for node in graph.graph_def.node}
    outputs = graph.signature_def[signature].outputs.values()
    wrappers = {nodes[info.name.split(":")[0]].attr["f"].func.name for info in outputs}
    inner = {
        node.attr["f"].func.name
        for wrapper in wrappers & functions.keys()
        for node in functions[wrapper].node_def
        if node.attr["f"].func.name
    }
    return sorted(inner)


def _shown(names: list[str] | None) -> str:
    return ", ".join(names or ()) or "none"
