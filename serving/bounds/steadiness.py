"""Whether the time of a call depends on the shapes of its inputs only, as far as ops tell."""

import re
from collections.abc import Iterable, Iterator

from ...base.tf import tf

# Ops that take as long as values say, or wait for others.
_UNSTEADY = re.compile("While|Enter|Case|PyFunc|Queue|Barrier|Stage|Iterator|Dataset|Recv")


def is_steady(graph: tf.compat.v1.GraphDef, inputs: Iterable[str], outputs: Iterable[str]) -> bool:
    """Looks at the ops that a call runs, those of functions among them.

    Args:
      graph: that the call is in, and others too: what does not lead to the outputs is not run.
      inputs: names of the tensors that are fed.
      outputs: names of those that are fetched.
    """
    return not any(map(_UNSTEADY.search, _ops(graph, _run(graph, inputs, outputs))))


def _run(
    graph: tf.compat.v1.GraphDef, inputs: Iterable[str], outputs: Iterable[str]
) -> list[tf.compat.v1.NodeDef]:
    """The nodes from the inputs to the outputs."""
    nodes = {node.name: node for node in graph.node}
    names, seen = list(map(_node, outputs)), set(map(_node, inputs))
    found = []
    while names:
        name = names.pop()
        if name in nodes and name not in seen:
            found.append(nodes[name])
            names += map(_node, nodes[name].input)
        seen.add(name)
    return found


def _ops(graph: tf.compat.v1.GraphDef, nodes: list[tf.compat.v1.NodeDef]) -> Iterator[str]:
    """Of the nodes, and of all functions that they call."""
    functions = {function.signature.name: function for function in graph.library.function}
    while nodes:
        node = nodes.pop()
        yield node.op
        for name in (node.op, *_functions_of(node)):
            if name in functions:
                nodes += functions.pop(name).node_def


def _node(tensor: str) -> str:
    """The name of the node that a tensor, or a control input, is of."""
    return tensor.removeprefix("^").partition(":")[0]


def _functions_of(node: tf.compat.v1.NodeDef) -> Iterator[str]:
    """Those that its attributes name."""
    for value in node.attr.values():
        yield value.func.name
        for function in value.list.func:
            yield function.name
