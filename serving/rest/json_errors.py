"""What is wrong with the values of a request, in TF Serving's words.

`json_tensors` converts whole lists at once and only finds that something is wrong; the
functions here then go through the values one by one, in the order in which TF Serving
(`util/json_tensor.cc`) would, and stop where it would.
"""

import base64
import math
from collections.abc import Mapping
from typing import Any

import grpc
import numpy as np

from ..bounds.limits import Effort
from ..core.servable import TensorInfo
from ..protocol import tensors
from ..protocol.status import StatusError, invalid
from .json_text import Json, shown, type_name

# Numbers of `tensorflow.DataType`.
FLOAT, DOUBLE, STRING, BOOL = 1, 2, tensors.STRING, 10
INTEGERS = {number: tensors.dtype_of(number) for number in (3, 4, 5, 6, 9, 22, 23)}
# Integers up to here are floats without a loss.
LARGEST_EXACT = {FLOAT: 2**24 - 1, DOUBLE: 2**53 - 1}
_LARGEST = {FLOAT: float(np.finfo(np.float32).max), DOUBLE: float(np.finfo(np.float64).max)}
_Shape = list[int]


def is_base64(value: Json) -> bool:
    """Whether a value is an object of the form `{"b64": "…"}`."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def is_named(value: Json) -> bool:
    """Whether a value is an object that names inputs."""
    return isinstance(value, dict) and not is_base64(value)


def unpack_base64(value: Any) -> bytes | None:
    """The bytes of `{"b64": "…"}`; None if it is not of that form or not base64.

    White space is dropped, and the padding may be missing.
    """
    if not is_base64(value):
        return None
    text = "".join(value["b64"].split())
    digits = text.rstrip("=")
    missing = -len(digits) % 4
    if len(text) - len(digits) not in (0, missing):
        return None
    try:
        return base64.b64decode(digits + "=" * missing, validate=True)
    except ValueError:
        return None


def is_lossless(value: float, dtype: int) -> bool:
    """Whether a float of type `dtype` holds a number, but for its rounding; others hold it."""
    if dtype not in LARGEST_EXACT:
        return True
    if isinstance(value, int):
        return abs(value) <= LARGEST_EXACT[dtype]
    return not math.isfinite(value) or abs(value) <= _LARGEST[dtype]


def of_instances(
    instances: list[Any], infos: Mapping[str, TensorInfo], effort: Effort
) -> StatusError:
    """The first error in the rows of a request; raises what `effort` does."""
    objects = is_named(instances[0])
    if len(infos) > 1 and not objects:
        return invalid(
            "instances is a plain list, but expecting list of objects as multiple "
            "input tensors required as per tensorinfo_map"
        )
    first: dict[str, tuple[int, _Shape]] = {}  # Size and shape in the first row, by name.
    for index, instance in enumerate(instances):
        effort.tick()
        if objects != is_named(instance):
            expected = "object but got list" if objects else "value/list but got object"
            return invalid(f"Expecting {expected} at item {index} of input list")
        failed = f"Failed to process element: {index}"
        for name, value in instance.items() if objects else [(next(iter(infos)), instance)]:
            try:
                _check_item(value, name, infos, first, effort)
            except StatusError as error:
                if error.code is grpc.StatusCode.DEADLINE_EXCEEDED:
                    raise
                key = f" key: {name}" if objects else ""
                return invalid(f"{failed}{key} of 'instances' list. Error: {error}")
        if objects and instance.keys() != infos.keys():
            return invalid(
                f"{failed} of 'instances' list. JSON object: "
                f"{shown(instance)} keys must be equal to: {','.join(sorted(infos))}"
            )
    return invalid("Failed to process 'instances' list.")


def of_value(value: Json, dtype: int, effort: Effort) -> StatusError:
    """The first error in a tensor; raises what `effort` does."""
    try:
        _check(value, 0, _shape(value), dtype, effort)
    except StatusError as error:
        return error
    return invalid(f"JSON Value: {shown(value)} is not a tensor of type: {tensors.cpp_name(dtype)}")


def _check_item(
    value: Json,
    name: str,
    infos: Mapping[str, TensorInfo],
    first: dict[str, tuple[int, _Shape]],
    effort: Effort,
) -> None:
    if name not in infos:
        raise invalid(f"JSON object: does not have named input: {name}")
    shape = _shape(value)
    size = _check(value, 0, shape, infos[name].dtype, effort)
    first_size, first_shape = first.setdefault(name, (size, shape))
    if size != first_size:
        raise invalid(f"Expecting tensor size: {first_size} but got: {size}")
    if shape != first_shape:
        raise invalid(f"Expecting shape {_listed(first_shape)} but got: {_listed(shape)}")


def _listed(shape: _Shape) -> str:
    return f"[{','.join(map(str, shape))}]"


def _shape(value: Json) -> _Shape:
    """The shape that the first elements state."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return shape


def _check(value: Json, level: int, shape: _Shape, dtype: int, effort: Effort) -> int:
    """Checks a value against a shape and a type; gives the number of its elements."""
    effort.tick()
    rank = len(shape)
    if not isinstance(value, list):
        if level != rank:
            raise invalid(
                f"JSON Value: {shown(value)} found at incorrect level: {level + 1} in the JSON "
                f"DOM. Expected at level: {rank}"
            )
        _check_element(value, dtype)
        return 1
    if level >= rank:
        raise invalid(f"Encountered list at unexpected level: {level} expected < {rank}")
    if len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected "
            f"size: {shape[level]}"
        )
    return sum(_check(element, level + 1, shape, dtype, effort) for element in value)


def _check_element(value: Json, dtype: int) -> None:
    if dtype not in (*LARGEST_EXACT, *INTEGERS, STRING, BOOL) and not isinstance(value, dict):
        raise StatusError(
            grpc.StatusCode.UNIMPLEMENTED,
            f"Conversion of JSON Value: {shown(value)} to type: {tensors.cpp_name(dtype)}",
        )
    if dtype == STRING and isinstance(value, dict):
        if not is_base64(value):
            raise invalid(f"JSON Value: {shown(value)} not formatted correctly for base64 data")
        if unpack_base64(value) is None:
            raise invalid("Unable to base64 decode")
    elif not _is_of_type(value, dtype):
        raise invalid(
            f"JSON Value: {shown(value)} Type: {type_name(value)} is not of expected type: "
            f"{tensors.cpp_name(dtype)}"
        )
    elif isinstance(value, int | float) and not is_lossless(value, dtype):
        raise lossy(value, tensors.cpp_name(dtype))


def _is_of_type(value: Json, dtype: int) -> bool:
    if isinstance(value, bool) or dtype == BOOL:
        return isinstance(value, bool) and dtype == BOOL
    if dtype in INTEGERS:
        bounds = np.iinfo(INTEGERS[dtype])
        return isinstance(value, int) and bounds.min <= value <= bounds.max
    return isinstance(value, str if dtype == STRING else int | float)


def lossy(value: float, target: str) -> StatusError:
    """Says that a number does not fit a type."""
    return invalid(
        f"Cannot convert JSON value: {shown(value)} to {target} without loss of precision."
    )
