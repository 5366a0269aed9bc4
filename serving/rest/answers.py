"""What the REST interface answers, by TF Serving's rules.

A prediction has the form of its request: rows or columns. A single output loses its name. A
string output whose name ends in `_bytes` is written as `{"b64": …}`; others as the bytes that
they are, UTF-8 or not. Numbers that are not finite stand bare, and whole floats have their `.0`.
"""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from aiohttp import web
from google.protobuf import json_format
from google.protobuf.message import Message

from ..core.inference import Lease
from ..protocol import models, tensors
from ..protocol.models import VersionStatus
from ..protocol.status import invalid

# What TF Serving writes; other types are an error there and so here.
_WRITTEN = {"f4", "f8", "i1", "i2", "i4", "i8", "u1", "u4", "u8", "b1"}
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY
_PIECE = 256 << 10  # Bytes of arrays that are written at a time.
_NOT_FINITE = {np.inf: b"Infinity", -np.inf: b"-Infinity"}


def error(http_status: int, message: str) -> web.Response:
    """An error as TF Serving writes it; bytes in its text that are not UTF-8 are marked."""
    text = message.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    response = web.Response(
        status=http_status,
        body=orjson.dumps({"error": text}),
        content_type="application/json",
    )
    if http_status in (429, 503):
        response.headers["Retry-After"] = "1"
    return response


def status(versions: Iterable[VersionStatus]) -> bytes:
    """The versions of a model."""
    return orjson.dumps(_as_dict(models.status(versions)), option=orjson.OPT_INDENT_2)


def model_list(versions: Mapping[str, Iterable[VersionStatus]]) -> bytes:
    """All models, with the versions of each."""
    listed = [{"name": name, **_as_dict(models.status(found))} for name, found in versions.items()]
    return orjson.dumps({"models": listed}, option=orjson.OPT_INDENT_2)


def metadata(lease: Lease) -> bytes:
    """The signatures of a version."""
    signatures = _as_dict(models.signature_map(lease.servable.signature_defs))
    spec = {"name": lease.name, "signature_name": "", "version": str(lease.version)}
    return orjson.dumps(
        {"model_spec": spec, "metadata": {"signature_def": signatures}},
        option=orjson.OPT_INDENT_2,
    )


def _as_dict(message: Message) -> dict[str, Any]:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def predictions(outputs: Mapping[str, np.ndarray], rows: bool) -> bytes:
    """The answer to a predict request.

    Args:
      outputs: by name.
      rows: one value or object for each example; otherwise one value for each output.

    Raises:
      StatusError: INVALID_ARGUMENT: an output is of a type that is not written, or in
        rows the outputs do not all have the same number of them.
    """
    if rows:
        _check_rows(outputs)
    as_objects = rows and len(outputs) > 1
    values = {
        name: (_rows if as_objects else _written)(name, array) for name, array in outputs.items()
    }
    if as_objects:
        objects = [
            dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)
        ]
        answer = _in_pieces(objects, len(objects), size_of(outputs))
    else:
        answer = next(iter(values.values())) if len(values) == 1 else values
    return orjson.dumps({"predictions" if rows else "outputs": answer}, option=_OPTIONS)


def size_of(outputs: Mapping[str, np.ndarray]) -> int:
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


# What orjson writes: lists, arrays, numbers, and fragments of finished JSON.
_Written = Any


def _written(name: str, array: np.ndarray) -> _Written:
    """An array as something that orjson writes, in pieces where it is large."""
    value = _value(name, array)
    is_array = isinstance(value, np.ndarray) and value.ndim > 0
    return _in_pieces(value, len(value), value.nbytes) if is_array else value


def _value(name: str, array: np.ndarray) -> _Written:
    """An array as something that orjson writes."""
    if array.dtype.kind in "OSU":
        read = _packed if name.endswith("_bytes") else _text
        flat = np.empty(array.size, object)
        flat[:] = [read(value) for value in array.reshape(-1)]
        return flat.reshape(array.shape).tolist()
    if array.dtype.str[1:] not in _WRITTEN:
        type_name = tensors.cpp_name(tensors.number_of(array.dtype))
        raise invalid(f"Failed to write JSON value for tensor type: {type_name}")
    if not array.dtype.isnative:  # orjson writes no others.
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind == "f":
        return _finite(array)
    return np.ascontiguousarray(array) if array.ndim else array.item()


def _in_pieces(values: "np.ndarray | list[_Written]", rows: int, size: int) -> _Written:
    """A list that orjson writes, in pieces where it is long: it holds up other threads."""
    step = max(1, rows * _PIECE // max(size, 1))
    if step >= rows:
        return values
    pieces = [
        orjson.dumps(values[start : start + step], option=_OPTIONS)[1:-1]
        for start in range(0, rows, step)
    ]
    return orjson.Fragment(b"[" + b",".join(pieces) + b"]")


def _finite(array: np.ndarray) -> _Written:
    """Floats; as text where some are not finite, which orjson would write as null."""
    array = np.ascontiguousarray(array) if array.ndim else array
    plain = array if array.ndim else array[()]
    finite = np.isfinite(array)
    if finite.all():
        return plain
    pieces = orjson.dumps(plain, option=_OPTIONS).split(b"null")
    words = [_NOT_FINITE.get(value, b"NaN") for value in array[~finite].tolist()]
    joined = [part for pair in zip(pieces, words, strict=False) for part in pair]
    return orjson.Fragment(b"".join([*joined, pieces[-1]]))


def _rows(name: str, array: np.ndarray) -> _Written:
    """An output's values, one for each row."""
    value = _value(name, array)
    if isinstance(value, orjson.Fragment):
        return [_value(name, np.asarray(row)) for row in array]
    return value


def _text(value: object) -> str | orjson.Fragment:
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        quoted = json.dumps(value.decode("utf-8", "surrogateescape"), ensure_ascii=False)
        return orjson.Fragment(quoted.encode("utf-8", "surrogateescape"))


def _packed(value: object) -> dict[str, str]:
    data = value if isinstance(value, bytes) else str(value).encode()
    return {"b64": base64.b64encode(data).decode()}
