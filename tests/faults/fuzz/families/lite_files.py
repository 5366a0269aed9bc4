"""TFLite files: those that end a trial are refused by it; the others must do no harm."""

import functools
import random
from pathlib import Path
from typing import Any

import flatbuffers
import mutants
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from digitline.base.export_layout import TFLITE_FILE
from digitline.serving.prediction.model import BOXED

from ..damage import damaged, number, odd
from ..target import Target


@functools.cache
def _sound() -> bytes:
    return (BOXED / TFLITE_FILE).read_bytes()


def _fields(holder: Any) -> list[tuple[Any, Any]]:
    """Each value in a model, as what holds it and its key."""
    found = []
    items = list(enumerate(holder)) if isinstance(holder, list) else list(vars(holder).items())
    for key, value in items:
        found.append((holder, key))
        if isinstance(value, list) or hasattr(value, "__dict__"):
            found += _fields(value)
    return found


def _other(chance: random.Random, value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.size and value.size < 100:
        value = value.copy()
        edge = number(chance, value.dtype.itemsize)
        value[chance.randrange(value.size)] = np.array([edge], "u8").astype(value.dtype)[0]
        return value
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int):
        return chance.choice((value + 1, value - 1, -1, 0, number(chance, 4, signed=True)))
    if isinstance(value, float):
        return chance.choice((0.0, -1.0, float("nan"), float("inf"), 1e30))
    if isinstance(value, list) and value:
        return chance.choice((value[:-1], value + value[-1:], value[::-1], []))
    return b"other"


def _build(chance: random.Random) -> bytes:
    """The model that comes with digitline, a few of its values others."""
    if chance.random() < 0.3:
        return damaged(chance, _sound())
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(_sound(), 0))
    fields = _fields(model)
    for _ in range(odd(chance, 1, (2, 4))):
        holder, key = chance.choice(fields)
        value = holder[key] if isinstance(holder, list) else getattr(holder, key)
        if isinstance(holder, list):
            holder[key] = _other(chance, value)
        else:
            setattr(holder, key, _other(chance, value))
    builder = flatbuffers.Builder(len(_sound()))
    try:
        builder.Finish(model.Pack(builder), b"TFL3")
    except Exception:  # Python's own writer does not take every value.
        return damaged(chance, _sound())
    return bytes(builder.Output())


def _seeds() -> list[bytes]:
    return [_sound()]


def _open(path: Path) -> None:
    """Tries the file, as `predict` and `serve` do, and opens it if it has passed."""
    if mutants.in_fork(mutants.try_it, path):
        return  # The trial tells of it.
    for use in (mutants.serve_it, mutants.classify_it):
        status = mutants.in_fork(use, path)
        assert status == 0, f"{use.__name__}: {status}"


TARGET = Target(TFLITE_FILE, (_open,), _seeds, _build, examples=8, largest=65536)
