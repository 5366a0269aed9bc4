"""TensorFlow Lite Micro: the interpreter of microcontrollers, here on a computer."""

from __future__ import annotations

import importlib
import importlib.metadata
from pathlib import Path

import numpy as np

from .interpreter import Outputs, Run

# Room for activations; a microcontroller has less.
_ARENA_BYTES = 16_000_000


def version() -> str:
    """Of the package, which has the day that it was built on."""
    return importlib.metadata.version("tflite-micro")


def load(path: str, shape: tuple[int, ...]) -> Run:
    """The file's only subgraph."""
    runtime = importlib.import_module("tflite_micro").runtime
    model = runtime.Interpreter.from_bytes(Path(path).read_bytes(), arena_size=_ARENA_BYTES)

    def run(values: np.ndarray) -> Outputs:
        model.set_input(values, 0)
        model.invoke()
        return {"probabilities": model.get_output(0).copy()}  # The files that it reads have one.

    return run
