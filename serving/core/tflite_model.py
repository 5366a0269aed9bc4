"""A TFLite file as a servable: a pool of LiteRT interpreters, each for one call at a time."""

import dataclasses
import queue
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...base.export_layout import DEFAULT_SIGNATURE
from ...base.tf import tf
from .. import artifacts
from ..protocol.status import invalid
from . import servable

# Takes and gives tensors by name.
_Runner = Callable[..., dict[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class _Form:
    """What a signature's tensors are.

    Attributes:
      inputs: LiteRT's facts by name.
      outputs: of these.
      single: whether the file takes one example at a time, under a first axis of 1.
    """

    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    single: bool


def load(path: Path, interpreters: int = 1, threads: int = 1) -> servable.Servable:
    """Loads a TFLite file.

    A file whose tensors all have a first axis of 1 takes one example at a time. It
    is served with that axis open; its examples are run one by one.

    Args:
      path: of the file.
      interpreters: how many calls may run at once, each with memory of its own.
      threads: of each call.

    Raises:
      UserError: LiteRT cannot load it.
    """
    content = path.read_bytes()
    made = [
        artifacts.interpreter(content, threads, quiet=False) for _ in range(max(1, interpreters))
    ]
    forms: dict[str, _Form] = {}
    pool: queue.SimpleQueue[dict[str, _Runner]] = queue.SimpleQueue()
    for interpreter in made:
        runners = _runners(interpreter)
        forms = {name: form for name, (_, form) in runners.items()}
        pool.put({name: runner for name, (runner, _) in runners.items()})
    defs = {name: _signature_def(form) for name, form in forms.items()}

    def run(
        signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> list[np.ndarray]:
        form = forms[signature]
        _check(inputs, defs[signature].inputs)
        runners = pool.get()
        try:
            found = _call(runners[signature], form, inputs)
        finally:
            pool.put(runners)
        return [found[name] for name in outputs]

    def close() -> None:
        while not pool.empty():
            pool.get()

    return servable.Servable(
        signatures={name: servable.signature_from_def(each) for name, each in defs.items()},
        signature_defs=defs,
        run=run,
        close=close,
    )


def _runners(interpreter: Any) -> dict[str, tuple[_Runner, _Form]]:
    """What runs each signature. A file that states none gets one from its tensors."""
    found = {}
    for name in interpreter.get_signature_list():
        runner = interpreter.get_signature_runner(name)
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
        found[name] = (runner, _form(inputs, outputs))
    if found:
        return found
    inputs = {each["name"]: each for each in interpreter.get_input_details()}
    outputs = {each["name"]: each for each in interpreter.get_output_details()}

    def run(**given: np.ndarray) -> dict[str, np.ndarray]:
        for name, value in given.items():
            interpreter.resize_tensor_input(inputs[name]["index"], value.shape)
        interpreter.allocate_tensors()
        for name, value in given.items():
            interpreter.set_tensor(inputs[name]["index"], value)
        interpreter.invoke()
        return {name: interpreter.get_tensor(each["index"]) for name, each in outputs.items()}

    return {DEFAULT_SIGNATURE: (run, _form(inputs, outputs))}


def _form(inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> _Form:
    shapes = [_shape(each) for each in (*inputs.values(), *outputs.values())]
    return _Form(inputs, outputs, single=bool(inputs) and all(s[:1] == [1] for s in shapes))


def _shape(detail: Any) -> list[int]:
    """With -1 where a size is open."""
    signature = detail["shape_signature"]
    shape = signature if len(signature) == len(detail["shape"]) else detail["shape"]
    return [int(size) for size in shape]


def _signature_def(form: _Form) -> Any:
    # Not above: `..base.tf` imports TensorFlow first, without its chatter.
    from tensorflow.core.protobuf import meta_graph_pb2

    messages: Any = meta_graph_pb2  # Its classes are made when it is imported.
    definition = messages.SignatureDef()
    definition.method_name = servable.PREDICT_METHOD
    for details, infos in ((form.inputs, definition.inputs), (form.outputs, definition.outputs)):
        for name, detail in details.items():
            info = infos[name]
            info.name = detail["name"]
            info.dtype = tf.dtypes.as_dtype(detail["dtype"]).as_datatype_enum
            sizes = _shape(detail)
            if form.single:
                sizes[0] = -1
            for size in sizes:
                info.tensor_shape.dim.add(size=size)
    return definition


def _check(inputs: Mapping[str, np.ndarray], infos: Mapping[str, Any]) -> None:
    """Compares the inputs with the signature; LiteRT would resize what it must not."""
    for name, info in infos.items():
        if name not in inputs:
            raise invalid(f"Missing named input: {name}")
        value = inputs[name]
        dtype = tf.string if value.dtype == object else tf.dtypes.as_dtype(value.dtype)
        if dtype.as_datatype_enum != info.dtype:
            raise invalid(
                f"Expects input '{name}' to be {tf.dtypes.as_dtype(info.dtype).name} but "
                f"{dtype.name} is provided"
            )
        sizes = [each.size for each in info.tensor_shape.dim]
        if len(sizes) != value.ndim or any(
            size not in (-1, given) for size, given in zip(sizes, value.shape, strict=True)
        ):
            stated = ",".join("?" if size < 0 else str(size) for size in sizes)
            raise invalid(
                f"Expects input '{name}' to have shape [{stated}] but "
                f"[{','.join(map(str, value.shape))}] is provided"
            )


def _call(runner: _Runner, form: _Form, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    inputs = {name: np.ascontiguousarray(inputs[name]) for name in form.inputs}
    if not form.single:
        return runner(**inputs)
    counts = {len(value) for value in inputs.values()}
    if len(counts) != 1:
        raise invalid("All inputs must have the same batch size.")
    if counts == {1}:
        return runner(**inputs)
    if counts == {0}:
        return {name: _empty(detail) for name, detail in form.outputs.items()}
    parts = [
        runner(**{name: value[row : row + 1] for name, value in inputs.items()})
        for row in range(counts.pop())
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in form.outputs}


def _empty(detail: Any) -> np.ndarray:
    dtype = object if detail["dtype"] is np.bytes_ else detail["dtype"]
    return np.zeros([0, *(max(0, size) for size in _shape(detail)[1:])], dtype)
