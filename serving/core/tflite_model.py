"""A TFLite file as a servable: a pool of LiteRT interpreters, each for one call at a time."""

import dataclasses
import functools
import queue
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers

from ...base.errors import UserError, first_line
from ...base.export_layout import DEFAULT_SIGNATURE
from .. import artifacts
from ..flags import ServeOptions
from ..protocol import messages, tensors
from ..protocol.status import invalid
from .servable import PREDICT_METHOD, Servable, Signature

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter

# What LiteRT says of a tensor: its name, index, dtype, shape and shape_signature.
_Details: TypeAlias = Mapping[str, Any]
# Takes and gives tensors by name.
_Runner = Callable[..., dict[str, np.ndarray]]
_SIGNATURES = b"signature_defs_metadata"  # The entry of a file's metadata.


@dataclasses.dataclass(frozen=True)
class _Entry:
    """A signature of one interpreter."""

    run: _Runner
    inputs: Mapping[str, _Details]
    outputs: Mapping[str, _Details]

    @functools.cached_property
    def takes_one(self) -> bool:
        """Whether it takes one example at a time, under a first axis of 1."""
        details = (*self.inputs.values(), *self.outputs.values())
        return bool(self.inputs) and all(_shape(detail)[:1] == [1] for detail in details)

    def call(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Its outputs; where it takes one example at a time, of any number of examples."""
        inputs = {name: np.ascontiguousarray(inputs[name]) for name in self.inputs}
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


def load(path: Path, options: ServeOptions) -> Servable:
    """Loads a TFLite file into interpreters: as many calls at once, each with its own memory.

    A file whose tensors all have a first axis of 1 takes one example at a time. It
    is served with that axis open; its examples are run one by one.

    Raises:
      UserError: LiteRT cannot load it.
    """
    content = path.read_bytes()
    both = options.tensorflow_session_parallelism
    threads = options.tensorflow_intra_op_parallelism or both or 1

    def interpreter() -> dict[str, _Entry]:
        return _entries(artifacts.interpreter(content, threads, quiet=False), content)

    interpreters = options.num_tflite_pools * options.num_tflite_interpreters_per_pool
    opened = [interpreter() for _ in range(interpreters)]
    pool: queue.SimpleQueue[dict[str, _Entry]] = queue.SimpleQueue()
    for entries in opened:
        pool.put(entries)
    defs = {name: _signature_def(entry) for name, entry in opened[0].items()}
    strict = options.enable_signature_method_name_check
    signatures = {name: Signature.from_def(definition, strict) for name, definition in defs.items()}

    def run(
        signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> list[np.ndarray]:
        for name, info in signatures[signature].inputs.items():
            if name not in inputs:
                raise invalid(f"Missing named input: {name}")
            info.check(name, inputs[name])
        entries = pool.get()
        try:
            values = entries[signature].call(inputs)
        except (ValueError, RuntimeError) as error:
            # In the one that failed sizes stay changed, and its next error would repeat this one.
            entries = interpreter()
            infos = signatures[signature].inputs
            if all(info.states(inputs[name].shape) for name, info in infos.items()):
                raise
            raise invalid(first_line(error)) from error
        finally:
            pool.put(entries)
        return [values[name] for name in outputs]

    def close() -> None:
        while not pool.empty():
            pool.get()

    return Servable(signatures, defs, run, close)


def _entries(interpreter: "Interpreter", content: bytes) -> dict[str, _Entry]:
    """The signatures of a file: its own, those that TF Serving reads, or one of its tensors."""
    entries = {}
    for name in interpreter.get_signature_list():
        runner = interpreter.get_signature_runner(name)
        entries[name] = _Entry(runner, runner.get_input_details(), runner.get_output_details())
    if entries:
        return entries
    inputs = {detail["name"]: detail for detail in interpreter.get_input_details()}
    outputs = {detail["name"]: detail for detail in interpreter.get_output_details()}
    for name, stated in _in_metadata(content).items():
        aliases = {alias: _named(inputs, info.name) for alias, info in stated.inputs.items()}
        results = {alias: _named(outputs, info.name) for alias, info in stated.outputs.items()}
        entries[name] = _of_tensors(interpreter, aliases, results)
    if entries:
        return entries
    return {
        DEFAULT_SIGNATURE: _of_tensors(interpreter, _without_ports(inputs), _without_ports(outputs))
    }


def _of_tensors(
    interpreter: "Interpreter", inputs: Mapping[str, _Details], outputs: Mapping[str, _Details]
) -> _Entry:
    def run(**arrays: np.ndarray) -> dict[str, np.ndarray]:
        for name, array in arrays.items():
            interpreter.resize_tensor_input(inputs[name]["index"], array.shape)
        interpreter.allocate_tensors()
        for name, array in arrays.items():
            interpreter.set_tensor(inputs[name]["index"], array)
        interpreter.invoke()
        return {name: interpreter.get_tensor(detail["index"]) for name, detail in outputs.items()}

    return _Entry(run, inputs, outputs)


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


def _named(details: Mapping[str, _Details], name: str) -> _Details:
    """A tensor by the name that TensorFlow or LiteRT gave it.

    Raises:
      UserError: there is none.
    """
    for known in (name, _without_port(name)):
        if known in details:
            return details[known]
    raise UserError(f"its signature names the tensor {name}, of which there is none")


def _without_ports(details: Mapping[str, _Details]) -> dict[str, _Details]:
    """By the names that TF Serving gives tensors, where they tell them apart."""
    short = {_without_port(name): detail for name, detail in details.items()}
    return short if len(short) == len(details) else dict(details)


def _without_port(name: str) -> str:
    return name.partition(":")[0]


def _shape(detail: _Details) -> list[int]:
    """With -1 where a size is open."""
    signature = detail["shape_signature"]
    shape = signature if len(signature) == len(detail["shape"]) else detail["shape"]
    return [int(size) for size in shape]


def _signature_def(entry: _Entry) -> messages.SignatureDef:
    definition = messages.SignatureDef(method_name=PREDICT_METHOD)
    for details, infos in ((entry.inputs, definition.inputs), (entry.outputs, definition.outputs)):
        for name, detail in details.items():
            info = infos[name]
            info.name = detail["name"]
            info.dtype = tensors.number_of(detail["dtype"])
            sizes = _shape(detail)
            if entry.takes_one:
                sizes[0] = -1
            for size in sizes:
                info.tensor_shape.dim.add(size=size)
    return definition


def _empty(detail: _Details) -> np.ndarray:
    dtype = object if detail["dtype"] is np.bytes_ else detail["dtype"]
    return np.zeros([0, *(max(0, size) for size in _shape(detail)[1:])], dtype)
