"""The signatures of a TFLite file in one LiteRT interpreter, for one call at a time."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers

from ..base.errors import UserError, first_line
from ..base.export_layout import DEFAULT_SIGNATURE
from .protocol import messages
from .protocol.status import invalid

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter, SignatureRunner

# What LiteRT says of a tensor: its name, index, dtype, shape and shape_signature.
Details: TypeAlias = Mapping[str, Any]
# Takes and gives tensors by name.
_Runner = Callable[..., dict[str, np.ndarray]]
_SIGNATURES = b"signature_defs_metadata"  # The entry of a file's metadata.
# What LiteRT says of an output that holds nothing.
_EMPTY = "Invalid tensor size."


@dataclasses.dataclass(frozen=True)
class Entry:
    """A signature of one interpreter."""

    run: _Runner
    inputs: Mapping[str, Details]
    outputs: Mapping[str, Details]

    @functools.cached_property
    def takes_one(self) -> bool:
        """Whether it takes one example at a time, under a first axis of 1."""
        details = (*self.inputs.values(), *self.outputs.values())
        return bool(self.inputs) and all(shape(detail)[:1] == [1] for detail in details)

    def call(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Its outputs; where it takes one example at a time, of any number of examples.

        Raises:
          StatusError: INVALID_ARGUMENT: the inputs have other numbers of examples.
          Exception: what LiteRT raises of inputs that do not fit.
        """
        # Not ascontiguousarray, which makes a scalar a vector.
        inputs = {name: np.asarray(inputs[name], order="C") for name in self.inputs}
        if not self.takes_one or any(value.ndim == 0 for value in inputs.values()):
            return self.run(**inputs)
        counts = {len(value) for value in inputs.values()}
        if len(counts) != 1:
            raise invalid("All inputs must have the same batch size.")
        count = counts.pop()
        if count == 1:
            return self.run(**inputs)
        if count == 0:
            return {name: _empty(detail) for name, detail in self.outputs.items()}
        rows = [
            self.run(**{name: value[row : row + 1] for name, value in inputs.items()})
            for row in range(count)
        ]
        return {name: np.concatenate([row[name] for row in rows]) for name in self.outputs}


def entries(interpreter: "Interpreter", content: bytes) -> dict[str, Entry]:
    """The signatures of a file: its own, those that TF Serving reads, or one of its tensors.

    Raises:
      UserError: they are damaged.
    """
    found = {}
    for name in interpreter.get_signature_list():
        runner = interpreter.get_signature_runner(name)
        run = functools.partial(_run_signature, interpreter, runner)
        found[name] = Entry(run, runner.get_input_details(), runner.get_output_details())
    if found:
        return found
    inputs = {detail["name"]: detail for detail in interpreter.get_input_details()}
    outputs = {detail["name"]: detail for detail in interpreter.get_output_details()}
    for name, stated in _in_metadata(content).items():
        aliases = {alias: _named(inputs, info.name) for alias, info in stated.inputs.items()}
        results = {alias: _named(outputs, info.name) for alias, info in stated.outputs.items()}
        found[name] = _of_tensors(interpreter, aliases, results)
    if found:
        return found
    return {
        DEFAULT_SIGNATURE: _of_tensors(interpreter, _without_ports(inputs), _without_ports(outputs))
    }


def _of_tensors(
    interpreter: "Interpreter", inputs: Mapping[str, Details], outputs: Mapping[str, Details]
) -> Entry:
    def run(**arrays: np.ndarray) -> dict[str, np.ndarray]:
        for name, array in arrays.items():
            interpreter.resize_tensor_input(inputs[name]["index"], array.shape)
        interpreter.allocate_tensors()
        for name, array in arrays.items():
            interpreter.set_tensor(inputs[name]["index"], array)
        interpreter.invoke()
        now = {detail["index"]: detail for detail in interpreter.get_output_details()}
        return _read(interpreter, {name: now[outputs[name]["index"]] for name in outputs}, 0)

    return Entry(run, inputs, outputs)


def _in_metadata(content: bytes) -> dict[str, messages.SignatureDef]:
    """The signatures that `signature_def_utils` of TensorFlow wrote into a file's metadata.

    Raises:
      UserError: they are damaged.
    """
    try:
        model = schema.Model.GetRootAs(content, 0)
        for index in range(model.MetadataLength()):
            entry = model.Metadata(index)
            if entry is not None and entry.Name() == _SIGNATURES:
                buffer = model.Buffers(entry.Buffer())
                data = b"" if buffer is None else np.asarray(buffer.DataAsNumpy()).tobytes()
                stated = flexbuffers.GetRoot(bytearray(data)).AsMap
                names, values = stated.Keys, stated.Values
                return {
                    names[n].AsKey: messages.SignatureDef.FromString(values[n].AsStringBytes)
                    for n in range(len(stated))
                }
    except Exception as error:  # Each reader raises its own, also of offsets that lead nowhere.
        raise UserError(f"its signatures are damaged: {first_line(error)}") from error
    return {}


def _named(details: Mapping[str, Details], name: str) -> Details:
    """A tensor by the name that TensorFlow or LiteRT gave it.

    Raises:
      UserError: there is none.
    """
    for known in (name, _without_port(name)):
        if known in details:
            return details[known]
    raise UserError(f"its signature names the tensor {name}, of which there is none")


def _without_ports(details: Mapping[str, Details]) -> dict[str, Details]:
    """By the names that TF Serving gives tensors, where they tell them apart."""
    short = {_without_port(name): detail for name, detail in details.items()}
    return short if len(short) == len(details) else dict(details)


def _without_port(name: str) -> str:
    return name.partition(":")[0]


def shape(detail: Details) -> list[int]:
    """A tensor's, with -1 where a size is open."""
    signature = detail["shape_signature"]
    sizes = signature if len(signature) == len(detail["shape"]) else detail["shape"]
    return [int(size) for size in sizes]


def _run_signature(
    interpreter: "Interpreter", runner: "SignatureRunner", **arrays: np.ndarray
) -> dict[str, np.ndarray]:
    try:
        return runner(**arrays)
    except ValueError as error:
        if str(error) != _EMPTY:
            raise
        return _read(interpreter, runner.get_output_details(), runner._subgraph_index)


def _read(
    interpreter: "Interpreter", outputs: Mapping[str, Details], subgraph: int
) -> dict[str, np.ndarray]:
    """The outputs of a call, some of which may hold nothing: LiteRT does not read those."""
    values = {}
    for name, detail in outputs.items():
        if 0 in detail["shape"]:
            values[name] = np.zeros(detail["shape"], _dtype(detail))
        else:
            values[name] = interpreter.get_tensor(detail["index"], subgraph)
    return values


def _empty(detail: Details) -> np.ndarray:
    return np.zeros([0, *(max(0, size) for size in shape(detail)[1:])], _dtype(detail))


def _dtype(detail: Details) -> Any:
    return object if detail["dtype"] is np.bytes_ else detail["dtype"]
