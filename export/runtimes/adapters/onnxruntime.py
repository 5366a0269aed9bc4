"""ONNX Runtime, on the CPU."""

from __future__ import annotations

import importlib

import numpy as np

from .interpreter import Outputs, Run


def version() -> str:
    """Of the package."""
    return importlib.import_module("onnxruntime").__version__


def load(path: str, shape: tuple[int, ...]) -> Run:
    """The file's graph."""
    session = importlib.import_module("onnxruntime").InferenceSession(
        path, providers=["CPUExecutionProvider"]
    )
    (image,) = session.get_inputs()
    names = [output.name for output in session.get_outputs()]

    def run(values: np.ndarray) -> Outputs:
        return dict(zip(names, session.run(names, {image.name: values}), strict=True))

    return run
