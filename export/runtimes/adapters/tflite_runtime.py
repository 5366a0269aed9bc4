"""The package tflite-runtime, LiteRT's predecessor: its newest, 2.14, is for Python 3.9 to 3.11."""

from __future__ import annotations

import importlib
import importlib.metadata

from .interpreter import Run, load_with


def version() -> str:
    """Of the package."""
    return importlib.metadata.version("tflite-runtime")


def load(path: str, shape: tuple[int, ...]) -> Run:
    """The file's only signature."""
    return load_with(importlib.import_module("tflite_runtime.interpreter").Interpreter, path)
