"""What the published bytes say that an artifact takes and gives, read by formats' own messages."""

import dataclasses
import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .....base import export_layout
from .....base.errors import VerificationError
from ....formats.artifact import Artifact
from ....functions import TrainedModel
from ....signatures import LAYER, PREDICT
from ....signatures import Tensor as Stated
from .onnx import graphs

# By TFLite's number of a type, and by ONNX's.
_TFLITE_TYPES = {0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 9: "int8"}
_ONNX_TYPES = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 8: "string"}
# What keeps nothing, though TensorFlow counts it as stateful: it reads the weights, or calls.
_HARMLESS = {
    "VarHandleOp", "ReadVariableOp", "StatefulPartitionedCall", "Placeholder", "While", "If",
    "Case", "Assert",
}  # fmt: skip
# Parts of the names of operations that read or write files; TensorFlow does not count all of them
# as stateful.
_OF_FILES = ("File", "Reader", "Restore", "Dataset", "Iterator")
# How the names of operations begin that keep state or draw numbers, in TFLite and ONNX.
_STATEFUL = (
    "VAR_HANDLE",
    "ASSIGN_VARIABLE",
    "RANDOM",
    "MULTINOMIAL",
    "BERNOULLI",
    "CUSTOM",
    "HASHTABLE",
)


@dataclasses.dataclass(frozen=True)
class Tensor:
    """An input or output as the bytes have it; None in a shape where a size is open."""

    dtype: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        return f"{self.dtype} [{', '.join('N' if n is None else str(n) for n in self.shape)}]"


@dataclasses.dataclass(frozen=True)
class Found:
    """A signature as the bytes have it.

    Attributes:
      operations: what its graph does, as the format calls it.
      defaults: inputs that need not be given.
    """

    method: str
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]
    operations: frozenset[str]
    defaults: tuple[str, ...] = ()


def of_saved_model(folder: Path) -> dict[str, Found]:
    """The signatures in `saved_model.pb`, with the operations that each can reach."""
    messages = importlib.import_module("tensorflow.core.protobuf.saved_model_pb2")
    types = importlib.import_module("tensorflow.python.framework.dtypes")
    content = messages.SavedModel.FromString((folder / export_layout.SAVED_MODEL_FILE).read_bytes())
    (graph,) = content.meta_graphs

    def tensors(infos: Mapping[str, Any]) -> dict[str, Tensor]:
        return {
            name: Tensor(
                types.as_dtype(info.dtype).name,
                tuple(None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim),
            )
            for name, info in infos.items()
        }

    return {
        name: Found(
            signature.method_name,
            tensors(signature.inputs),
            tensors(signature.outputs),
            _reached([info.name for info in signature.outputs.values()], graph.graph_def),
            tuple(signature.defaults),
        )
        for name, signature in graph.signature_def.items()
        if not name.startswith("__")  # What TensorFlow itself keeps there.
    }


def _reached(outputs: Iterable[str], graph: Any) -> frozenset[str]:
    """The operations behind outputs of a graph, also in the functions that it calls.

    Loading and saving, which change variables, are in the graph too, but no output needs them.
    """
    functions = {function.signature.name: function for function in graph.library.function}
    nodes = {node.name: node for node in graph.node}
    operations: set[str] = set()
    seen: set[str] = set()

    def visit(node: Any) -> None:
        operations.add(node.op)
        for value in node.attr.values():
            for called in (value.func, *value.list.func):
                if called.name and called.name not in seen:
                    seen.add(called.name)
                    for inner in functions[called.name].node_def:
                        visit(inner)

    waiting, asked = list(outputs), set[str]()
    while waiting:
        name = waiting.pop().lstrip("^").split(":")[0]
        if name not in asked:
            asked.add(name)
            visit(nodes[name])
            waiting.extend(nodes[name].input)
    return frozenset(operations)


def of_tflite(path: Path) -> dict[str, Found]:
    """The signatures of a TFLite file."""
    schema = importlib.import_module("tensorflow.lite.python.schema_py_generated")
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if name[0] != "_"}
    found = {}
    for signature in model.signatureDefs or []:
        graph = model.subgraphs[signature.subgraphIndex]

        def tensors(maps: Iterable[Any], graph: Any = graph) -> dict[str, Tensor]:
            described = {}
            for each in maps or []:
                tensor = graph.tensors[each.tensorIndex]
                shape = tuple(int(size) for size in tensor.shape)
                dtype = _TFLITE_TYPES.get(tensor.type, f"type {tensor.type}")
                described[each.name.decode()] = Tensor(dtype, shape)
            return described

        operations = frozenset(names[code.builtinCode] for code in model.operatorCodes)
        found[signature.signatureKey.decode()] = Found(
            PREDICT, tensors(signature.inputs), tensors(signature.outputs), operations
        )
    return found


def of_onnx(path: Path) -> dict[str, Found]:
    """What an ONNX file's only graph takes and gives, under the name of our signature."""
    model = importlib.import_module("onnx").load(str(path))

    def tensors(values: Iterable[Any]) -> dict[str, Tensor]:
        return {
            value.name: Tensor(
                _ONNX_TYPES.get(value.type.tensor_type.elem_type, "another type"),
                tuple(
                    None if dim.dim_param else dim.dim_value
                    for dim in value.type.tensor_type.shape.dim
                ),
            )
            for value in values
        }

    graph = model.graph
    operations = frozenset(node.op_type for each in graphs(graph) for node in each.node)
    found = Found(PREDICT, tensors(graph.input), tensors(graph.output), operations)
    return {export_layout.DEFAULT_SIGNATURE: found}


def require_signatures(
    artifact: Artifact, found: Mapping[str, Found], trained: TrainedModel
) -> None:
    """Refuses signatures that are not those of the table, to the letter.

    Raises:
      VerificationError: names the artifact, the signature, and both sides.
    """
    expected = {signature.name: signature for signature in artifact.signatures}
    if set(found) != set(expected):
        raise VerificationError(
            f"{artifact.title}: its signatures are {_listed(found)}, the table's "
            f"{_listed(expected)}; nothing was published"
        )
    for name, signature in expected.items():
        there, where = found[name], f"{artifact.title}, {name}"
        if there.method != signature.method:
            raise VerificationError(
                f"{where}: its method is {there.method!r}, the table's {signature.method!r}; "
                "nothing was published"
            )
        _require_tensors(where, "takes", there.inputs, (signature.input,), artifact, trained)
        if LAYER not in signature.outputs[0].shape:  # Each network has its own layers.
            _require_tensors(where, "gives", there.outputs, signature.outputs, artifact, trained)
        if there.defaults:
            raise VerificationError(
                f"{where}: it has defaults for {', '.join(there.defaults)}, expected 0; nothing "
                "was published"
            )
        _require_no_state(where, there)


def _require_tensors(
    where: str,
    verb: str,
    found: Mapping[str, Tensor],
    stated: tuple[Stated, ...],
    artifact: Artifact,
    trained: TrainedModel,
) -> None:
    classes = len(trained.label_names)
    expected = {
        tensor.name: Tensor(
            tensor.dtype,
            tuple(tensor.sizes(trained.image_shape, classes, artifact.batch_size)),
        )
        for tensor in stated
    }
    if found != expected:
        raise VerificationError(
            f"{where}: it {verb} {_listed(found)}, the table's {_listed(expected)}; nothing was "
            "published"
        )


def _require_no_state(where: str, found: Found) -> None:
    """Refuses a graph whose answers could depend on the calls before, on chance or on files."""
    kept = sorted(operation for operation in found.operations if _has_state(operation))
    if kept:
        raise VerificationError(
            f"{where}: its graph holds {', '.join(kept)}: its answers may depend on more than the "
            "input; nothing was published"
        )


def _has_state(operation: str) -> bool:
    registry = importlib.import_module("tensorflow.python.framework.op_def_registry")
    definition = registry.get(operation)
    if definition is not None:
        if any(part in operation for part in _OF_FILES):
            return True
        return definition.is_stateful and operation not in _HARMLESS
    return operation.upper().startswith(_STATEFUL)


def _listed(named: Mapping[str, object]) -> str:
    described = (
        f"{name} {value}" if isinstance(value, Tensor) else name
        for name, value in sorted(named.items())
    )
    return ", ".join(described) or "none"
