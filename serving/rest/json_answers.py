"""Answers as JSON, by the rules of TF Serving's REST interface.

An answer has the form of its request: rows or columns. A single output loses its name. A
string output whose name ends in `_bytes` is written as `{"b64": …}`; others as the bytes that
they are, UTF-8 or not. Numbers that are not finite stand bare, and whole floats have their `.0`.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from ..protocol.status import invalid
from .json_errors import names_of

# What TF Serving writes; other types are an error there and so here.
_WRITTEN = {"f4", "f8", "i1", "i2", "i4", "i8", "u1", "u4", "u8", "b1"}
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY
_NOT_FINITE = {np.inf: b"Infinity", -np.inf: b"-Infinity"}


def predictions(outputs: Mapping[str, np.ndarray], rows: bool) -> bytes:
    """The answer to a predict request.

    Args:
      outputs: by name.
      rows: one value or object for each example; otherwise one value for each output.

    Raises:
      StatusError: INVALID_ARGUMENT: an output is of a type that is not written, or in
        rows the outputs have not one and the same number of them.
    """
    if rows:
        _check_rows(outputs)
    one_by_one = rows and len(outputs) > 1
    read = _rows if one_by_one else _plain
    values = {name: read(name, array) for name, array in outputs.items()}
    if len(values) == 1:
        (answer,) = values.values()
    elif not one_by_one:
        answer = values
    else:
        names = list(values)
        answer = [dict(zip(names, row, strict=True)) for row in zip(*values.values(), strict=True)]
    return orjson.dumps({"predictions" if rows else "outputs": answer}, option=_OPTIONS)


def weight(outputs: Mapping[str, np.ndarray]) -> int:
    """How many bytes there are to write, roughly."""
    return sum(
        sum(map(len, array.flat)) + 8 * array.size if array.dtype.kind == "O" else array.nbytes
        for array in outputs.values()
    )


def classifications(results: Sequence[Sequence[tuple[str, float]]]) -> bytes:
    """The answer to a classify request: of each example its labels and scores."""
    rows = [[[label, _finite(np.array(score, "f4"))] for label, score in row] for row in results]
    return orjson.dumps({"results": rows}, option=_OPTIONS)


def regressions(values: Sequence[float]) -> bytes:
    """The answer to a regress request: of each example its number."""
    return orjson.dumps({"results": _finite(np.array(values, np.float32))}, option=_OPTIONS)


def _check_rows(outputs: Mapping[str, np.ndarray]) -> None:
    size = None
    for name, array in outputs.items():
        if array.ndim == 0:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if len(array) < 1:
            raise invalid(f"Tensor name: {name} has invalid batch size: {len(array)}")
        if size is not None and len(array) != size:
            raise invalid(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {size}"
            )
        size = len(array)


def _plain(name: str, array: np.ndarray) -> Any:
    """An array as something that orjson writes."""
    if array.dtype.kind in "OSU":
        read = _packed if name.endswith("_bytes") else _text
        flat = np.empty(array.size, object)
        flat[:] = [read(each) for each in array.reshape(-1)]
        return flat.reshape(array.shape).tolist()
    if array.dtype.str[1:] not in _WRITTEN:
        raise invalid(f"Failed to write JSON value for tensor type: {names_of(array.dtype)}")
    if not array.dtype.isnative:  # orjson writes no others.
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind == "f":
        return _finite(array)
    return np.ascontiguousarray(array) if array.ndim else array.item()


def _finite(array: np.ndarray) -> Any:
    """Floats; as text where some are not finite, which orjson would write as null."""
    array = np.ascontiguousarray(array) if array.ndim else array
    finite = np.isfinite(array)
    if finite.all():
        return array if array.ndim else array[()]
    pieces = orjson.dumps(array if array.ndim else array[()], option=_OPTIONS).split(b"null")
    words = [_NOT_FINITE.get(value, b"NaN") for value in array[~finite].tolist()]
    joined = [part for pair in zip(pieces, words, strict=False) for part in pair]
    return orjson.Fragment(b"".join([*joined, pieces[-1]]))


def _rows(name: str, array: np.ndarray) -> Any:
    """An output's values, one for each row."""
    value = _plain(name, array)
    if isinstance(value, orjson.Fragment):
        return [_plain(name, np.asarray(each)) for each in array]
    return value


def _text(value: Any) -> Any:
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        quoted = json.dumps(value.decode("utf-8", "surrogateescape"), ensure_ascii=False)
        return orjson.Fragment(quoted.encode("utf-8", "surrogateescape"))


def _packed(value: Any) -> dict[str, str]:
    data = value if isinstance(value, bytes) else str(value).encode()
    return {"b64": base64.b64encode(data).decode()}
