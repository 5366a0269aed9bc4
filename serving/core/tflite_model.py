"""A TFLite file as a servable: a pool of LiteRT interpreters, each for one call at a time."""

import contextlib
import queue
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import grpc
import numpy as np

from ...base.errors import UserError
from .. import artifacts
from ..flags import ServeOptions
from ..protocol import messages, tensors
from ..protocol.status import StatusError, invalid
from ..tflite_signatures import Entry, entries, shape
from .servable import PREDICT_METHOD, Servable, Signature

# A call that takes this many times as long as opening the file is the last one of its interpreter,
# which would keep the memory of its largest call for good.
_LONG = 20
_LONGEST_TEXT = 500  # Characters of an error of LiteRT.


class _Interpreter:
    """An interpreter of a file, for one call at a time.

    One that has refused a call is replaced by a new one: LiteRT's texts of errors hold all
    earlier ones, and sizes that failed stay.
    """

    def __init__(self, content: bytes, threads: int):
        self._content, self._threads = content, threads
        self.signatures = self._opened()

    def _opened(self) -> dict[str, Entry]:
        started = time.perf_counter()
        interpreter = artifacts.interpreter(self._content, self._threads, quiet=False)
        opened = entries(interpreter, self._content)
        self._opening_s = time.perf_counter() - started
        return opened

    def call(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Calls a signature.

        Raises:
          StatusError: INVALID_ARGUMENT: the inputs do not fit; RESOURCE_EXHAUSTED: no memory.
        """
        started = time.perf_counter()
        try:
            outputs = self.signatures[signature].call(inputs)
        except StatusError:
            raise
        except MemoryError:
            self._renew()
            raise StatusError(grpc.StatusCode.RESOURCE_EXHAUSTED, "Out of memory") from None
        except Exception as error:
            self._renew()
            raise invalid(_text(error)) from error
        if time.perf_counter() - started > _LONG * self._opening_s:
            self._renew()
        return outputs

    def _renew(self) -> None:
        with contextlib.suppress(UserError, MemoryError):  # Then it goes on as it is.
            self.signatures = self._opened()


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
    opened = [
        _Interpreter(content, threads)
        for _ in range(options.num_tflite_pools * options.num_tflite_interpreters_per_pool)
    ]
    pool: queue.SimpleQueue[_Interpreter] = queue.SimpleQueue()
    for interpreter in opened:
        pool.put(interpreter)
    defs = {name: _signature_def(entry) for name, entry in opened[0].signatures.items()}
    strict = options.enable_signature_method_name_check
    signatures = {name: Signature.from_def(definition, strict) for name, definition in defs.items()}

    def run(
        signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> list[np.ndarray]:
        for name, info in signatures[signature].inputs.items():
            if name not in inputs:
                raise invalid(f"Missing named input: {name}")
            info.check(name, inputs[name])
        interpreter = pool.get()
        try:
            values = interpreter.call(signature, inputs)
        finally:
            pool.put(interpreter)
        return [values[name] for name in outputs]

    def close() -> None:
        while not pool.empty():
            pool.get()

    return Servable(signatures, defs, run, close)


def _signature_def(entry: Entry) -> messages.SignatureDef:
    definition = messages.SignatureDef(method_name=PREDICT_METHOD)
    for details, infos in ((entry.inputs, definition.inputs), (entry.outputs, definition.outputs)):
        for name, detail in details.items():
            info = infos[name]
            info.name = detail["name"]
            info.dtype = tensors.number_of(detail["dtype"])
            sizes = shape(detail)
            if entry.takes_one:
                sizes[0] = -1
            for size in sizes:
                info.tensor_shape.dim.add(size=size)
    return definition


def _text(error: Exception) -> str:
    """What LiteRT says, which puts the node behind the trouble without a space."""
    text = re.sub(r"(?<=\S)(?=Node number )", ": ", str(error).strip()) or type(error).__name__
    return " ".join(text.split())[:_LONGEST_TEXT]
