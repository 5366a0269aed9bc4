"""JSON values in the texts of errors."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

_LARGEST_FLOAT = float(np.finfo(np.float32).max)


def type_name(value: Any) -> str:
    """What RapidJSON calls a value's type."""
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return str(value)
    names = {dict: "Object", list: "Array", str: "String"}
    return names.get(type(value), "Number")


def shown(value: Any, limit: int = 1000) -> str:
    """A value in an error's text: indented JSON, cut after `limit` characters."""
    if isinstance(value, float):
        return decimal(value)
    text = ""
    for piece in _pretty(value, "\n"):
        text += piece[: limit + 1]
        if len(text) > limit:
            return text[:limit] + "…"
    return text


def _pretty(value: Any, line: str) -> Iterator[str]:
    if isinstance(value, float):
        yield repr(value) if np.isfinite(value) else decimal(value)
    elif not value or not isinstance(value, list | dict):
        yield json.dumps(value, ensure_ascii=False)
    else:
        inner = line + "    "
        items = value.items() if isinstance(value, dict) else enumerate(value)
        yield "{" if isinstance(value, dict) else "["
        for count, (name, item) in enumerate(items):
            yield "," + inner if count else inner
            if isinstance(value, dict):
                yield json.dumps(name, ensure_ascii=False) + ": "
            yield from _pretty(item, inner)
        yield line + ("}" if isinstance(value, dict) else "]")


def decimal(value: float) -> str:
    """A number as TF Serving writes it: six digits, or all where six do not say it."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    fits = abs(value) <= _LARGEST_FLOAT
    text = f"{value:.6g}"
    if fits and np.float32(text) != np.float32(value):
        text = f"{np.float32(value):.9g}"
    elif not fits and float(text) != value:
        text = f"{value:.17g}"
    return text if "." in text or "e" in text else text + ".0"
