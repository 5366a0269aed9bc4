"""TensorFlow's C API, with no Python of TensorFlow's in the process."""

from __future__ import annotations

import importlib.metadata

from . import c_api
from .interpreter import Run


def version() -> str:
    """Of the package whose library it is."""
    return importlib.metadata.version("tensorflow")


def load(path: str, shape: tuple[int, ...]) -> Run:
    """The signature `serving_default`."""
    model = c_api.SavedModel(path)
    return lambda values: model.run("serving_default", values)
