"""What is wrong with the values of a request, in TF Serving's words.

`json_tensors` converts whole lists at once and only finds that something is wrong; the
functions here then go through the values one by one, in the order in which TF Serving
(`util/json_tensor.cc`) would, and stop where it would.
"""

import base64
import binascii
import math
import re
from collections.abc import Mapping
from typing import Any

import grpc
import numpy as np

from ..core.servable import TensorInfo
from ..protocol.status import StatusError, invalid
from .json_shown import shown, type_name
from .limits import Effort

# Numbers of `tensorflow.DataType`, and what TensorFlow's C++ calls them.
FLOAT, DOUBLE, STRING, BOOL = 1, 2, 7, 10
INTEGERS = {
    3: np.dtype(np.int32),
    4: np.dtype(np.uint8),
    5: np.dtype(np.int16),
    6: np.dtype(np.int8),
    9: np.dtype(np.int64),
    22: np.dtype(np.uint32),
    23: np.dtype(np.uint64),
}
_NAMES = {
    FLOAT: "float",
    DOUBLE: "double",
    STRING: "string",
    BOOL: "bool",
    8: "complex64",
    14: "bfloat16",
    17: "uint16",
    18: "complex128",
    19: "half",
    **{number: dtype.name for number, dtype in INTEGERS.items()},
}
# Integers up to here are floats without a loss.
LARGEST_EXACT = {FLOAT: 2**24 - 1, DOUBLE: 2**53 - 1}
_LARGEST = {FLOAT: float(np.finfo(np.float32).max), DOUBLE: float(np.finfo(np.float64).max)}
_PADDED = re.compile(r"([^=.]*)([=.]*)", re.DOTALL)
_NO_SPACES = dict.fromkeys(map(ord, " \t\n\r\v\f"))


def names_of(dtype: np.dtype) -> str:
    """What TensorFlow's C++ calls an array's type."""
    return {"float16": "half"}.get(dtype.name, dtype.name)


def is_base64(value: Any) -> bool:
    """Whether a value is an object of the form `{"b64": "…"}`."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def is_named(value: Any) -> bool:
    """Whether a value is an object that names inputs."""
    return isinstance(value, dict) and not is_base64(value)


def unpack_base64(text: str) -> bytes | None:
    """What base64 stands for; None if it is none. White space and missing padding are fine."""
    match = _PADDED.fullmatch(text.translate(_NO_SPACES))
    if match is None:
        return None
    digits, padding = match.groups()
    missing = -len(digits) % 4
    if missing == 3 or len(padding) not in (0, missing):
        return None
    try:
        return base64.b64decode(digits + "=" * missing, validate=True)
    except (binascii.Error, ValueError):
        return None


def is_lossless(value: float, dtype: int) -> bool:
    """Whether a float of type `dtype` holds a number, but for its rounding."""
    if isinstance(value, int):
        return abs(value) <= LARGEST_EXACT[dtype]
    return not math.isfinite(value) or abs(value) <= _LARGEST[dtype]


def of_instances(
    instances: list[Any], infos: Mapping[str, TensorInfo], effort: Effort
) -> StatusError:
    """The first error in the rows of a request; raises what `effort` does."""
    if len(infos) > 1 and not is_named(instances[0]):
        return invalid(
            "instances is a plain list, but expecting list of objects as multiple "
            "input tensors required as per tensorinfo_map"
        )
    objects = is_named(instances[0])
    found: dict[str, tuple[int, list[int]]] = {}
    for index, instance in enumerate(instances):
        effort.tick()
        if objects != is_named(instance):
            expected = "object but got list" if objects else "value/list but got object"
            return invalid(f"Expecting {expected} at item {index} of input list")
        items = instance.items() if objects else [(next(iter(infos)), instance)]
        for name, value in items:
            try:
                _check_item(value, name, infos, found, effort)
            except StatusError as error:
                if error.code is grpc.StatusCode.DEADLINE_EXCEEDED:
                    raise
                key = f" key: {name}" if objects else ""
                return invalid(
                    f"Failed to process element: {index}{key} of 'instances' list. Error: {error}"
                )
        if objects and instance.keys() != infos.keys():
            return invalid(
                f"Failed to process element: {index} of 'instances' list. JSON object: "
                f"{shown(instance)} keys must be equal to: {','.join(sorted(infos))}"
            )
    return invalid("Failed to process 'instances' list.")


def of_value(value: Any, dtype: int, effort: Effort) -> StatusError:
    """The first error in a tensor; raises what `effort` does."""
    try:
        _check(value, 0, _shape(value), dtype, effort)
    except StatusError as error:
        return error
    return invalid(f"JSON Value: {shown(value)} is no tensor of type: {_name(dtype)}")


def _check_item(
    value: Any,
    name: str,
    infos: Mapping[str, TensorInfo],
    found: dict[str, tuple[int, list[int]]],
    effort: Effort,
) -> None:
    if name not in infos:
        raise invalid(f"JSON object: does not have named input: {name}")
    shape = _shape(value)
    size = _check(value, 0, shape, infos[name].dtype, effort)
    first_size, first_shape = found.setdefault(name, (size, shape))
    if size != first_size:
        raise invalid(f"Expecting tensor size: {first_size} but got: {size}")
    if shape != first_shape:
        raise invalid(f"Expecting shape {_listed(first_shape)} but got: {_listed(shape)}")


def _listed(shape: list[int]) -> str:
    return f"[{','.join(map(str, shape))}]"


def _shape(value: Any) -> list[int]:
    """The shape that the first elements state."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return shape


def _check(value: Any, level: int, shape: list[int], dtype: int, effort: Effort) -> int:
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
    return sum(_check(each, level + 1, shape, dtype, effort) for each in value)


def _check_element(value: Any, dtype: int) -> None:
    wrong = invalid_type = None
    if isinstance(value, dict) and dtype == STRING:
        if not is_base64(value):
            wrong = f"JSON Value: {shown(value)} not formatted correctly for base64 data"
        elif unpack_base64(value["b64"]) is None:
            wrong = "Unable to base64 decode"
    elif isinstance(value, dict):
        invalid_type = True
    elif dtype in LARGEST_EXACT:
        invalid_type = isinstance(value, bool) or not isinstance(value, int | float)
        if not invalid_type and not is_lossless(value, dtype):
            wrong = lossy(value, _name(dtype))
    elif dtype in INTEGERS:
        bounds = np.iinfo(INTEGERS[dtype])
        is_integer = isinstance(value, int) and not isinstance(value, bool)
        invalid_type = not is_integer or not bounds.min <= value <= bounds.max
    elif dtype in (STRING, BOOL):
        invalid_type = not isinstance(value, str if dtype == STRING else bool)
    else:
        raise StatusError(
            grpc.StatusCode.UNIMPLEMENTED,
            f"Conversion of JSON Value: {shown(value)} to type: {_name(dtype)}",
        )
    if invalid_type:
        wrong = (
            f"JSON Value: {shown(value)} Type: {type_name(value)} is not of expected type: "
            f"{_name(dtype)}"
        )
    if wrong:
        raise invalid(wrong)


def lossy(value: float, target: str) -> str:
    """Says that a number does not fit a type."""
    return f"Cannot convert JSON value: {shown(value)} to {target} without loss of precision."


def _name(dtype: int) -> str:
    return _NAMES.get(dtype, f"DataType {dtype}")
