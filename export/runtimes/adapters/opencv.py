"""OpenCV's DNN module: it takes float32 [N, C, H, W] whatever the file takes."""

from __future__ import annotations

import importlib

import numpy as np

from .interpreter import Outputs, Run, by_size


def version() -> str:
    """Of the library."""
    return importlib.import_module("cv2").__version__


def load(path: str, shape: tuple[int, ...]) -> Run:
    """The file's only signature."""
    network = importlib.import_module("cv2").dnn.readNetFromTFLite(path)
    names = network.getUnconnectedOutLayersNames()

    def run(values: np.ndarray) -> Outputs:
        network.setInput(np.ascontiguousarray(values.astype(np.float32).transpose(0, 3, 1, 2)))
        return by_size(network.forward(names), len(values))

    return run
