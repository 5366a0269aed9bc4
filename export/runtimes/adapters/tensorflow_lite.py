"""TensorFlow's own interpreter of TFLite files."""

from __future__ import annotations

import importlib
import importlib.metadata
import warnings

from .interpreter import Run, load_with


def version() -> str:
    """Of the package."""
    return importlib.metadata.version("tensorflow")


def load(path: str, shape: tuple[int, ...]) -> Run:
    """The file's only signature."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It says that LiteRT takes its place.
        return load_with(importlib.import_module("tensorflow").lite.Interpreter, path)
