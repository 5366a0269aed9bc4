"""LiteRT's CompiledModel, on the CPU."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from . import litert
from .interpreter import Outputs, Run

version = litert.version


def load(path: str, shape: tuple[int, ...]) -> Run:
    """The file's only signature."""
    model = importlib.import_module("ai_edge_litert.compiled_model").CompiledModel.from_file(path)
    ((key, names),) = model.get_signature_list().items()
    (name,) = names["inputs"]
    details = model.get_output_tensor_details(key)
    image = model.create_input_buffer_by_name(key, name)
    buffers = {each: model.create_output_buffer_by_name(key, each) for each in names["outputs"]}

    def run(values: np.ndarray) -> Outputs:
        image.write(values.reshape(-1))
        model.run_by_name(key, {name: image}, buffers)
        return {each: _read(buffer, details[each]) for each, buffer in buffers.items()}

    return run


def _read(buffer: Any, detail: dict[str, Any]) -> np.ndarray:
    shape = detail["shape"]
    return buffer.read(int(np.prod(shape)), np.dtype(detail["dtype"]).type).reshape(shape)
