"""LiteRT's interpreter."""

from __future__ import annotations

import importlib
import importlib.metadata

from .interpreter import Run, load_with


def version() -> str:
    """Of the package."""
    return importlib.metadata.version("ai-edge-litert")


def load(path: str, shape: tuple[int, ...]) -> Run:
    """The file's only signature."""
    return load_with(importlib.import_module("ai_edge_litert.interpreter").Interpreter, path)
