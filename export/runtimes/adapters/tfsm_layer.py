"""A SavedModel as a layer of Keras: `keras.layers.TFSMLayer`."""

from __future__ import annotations

import importlib

import numpy as np

from .interpreter import Outputs, Run


def version() -> str:
    """Of Keras."""
    return importlib.import_module("keras").__version__


def load(path: str, shape: tuple[int, ...]) -> Run:
    """The signature `serving_default`."""
    layers = importlib.import_module("keras").layers
    layer = layers.TFSMLayer(path, call_endpoint="serving_default")

    def run(values: np.ndarray) -> Outputs:
        return {name: output.numpy() for name, output in layer(values).items()}

    return run
