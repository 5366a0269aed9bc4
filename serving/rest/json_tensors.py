"""JSON to tensors, by the rules of TF Serving's REST interface; `answers` is the way back.

A request names its inputs in rows (`instances`, one value or object for each example) or
in columns (`inputs`, one value for each tensor). A single named input loses its name.
`{"b64": …}` is a string of any bytes.
"""

import contextlib
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..bounds.limits import Effort
from ..core.servable import TensorInfo
from ..protocol import tensors
from ..protocol.status import StatusError, invalid
from . import json_errors
from .json_errors import BOOL, DOUBLE, FLOAT, INTEGERS, LARGEST_EXACT, STRING
from .json_text import Json, JsonObject, shown

_TYPES: dict[int, set[type]] = {
    FLOAT: {int, float},
    DOUBLE: {int, float},
    STRING: {str, dict},
    BOOL: {bool},
    **{dtype: {int} for dtype in INTEGERS},
}
_FLOATS = {FLOAT: np.float32, DOUBLE: np.float64}


def signature_name(document: JsonObject) -> str:
    """The signature that a request names; `""` where it names none.

    Raises:
      StatusError: INVALID_ARGUMENT: the name is not a string.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise _misformed(
            document, "not formatted correctly. 'signature_name' key must be a string value."
        )
    return name


def read_inputs(
    document: JsonObject, infos: Mapping[str, TensorInfo], effort: Effort
) -> tuple[dict[str, np.ndarray], bool]:
    """The tensors of a predict request.

    Args:
      document: the parsed body.
      infos: the signature's inputs by name.
      effort: what it may take.

    Returns:
      Arrays by name, with the dtypes of `infos` and the shapes of the document; strings
      are `bytes` with dtype object. And whether the request is in rows.

    Raises:
      StatusError: INVALID_ARGUMENT in TF Serving's words; UNIMPLEMENTED for a dtype that
        JSON does not carry; or as of `effort`.
      ElsewhereError: of `effort`.
    """
    if not infos:
        name = signature_name(document)
        raise invalid(f"Failed to get input map for signature: {name or 'DEFAULT'}")
    if "instances" not in document:
        if "inputs" not in document:
            raise invalid("Missing 'inputs' or 'instances' key")
        return _columns(document["inputs"], infos, effort), False
    instances = document["instances"]
    if "inputs" in document:
        raise _misformed(
            document,
            "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ",
        )
    if not isinstance(instances, list):
        raise _misformed(document, "Excepting 'instances' to be an list/array")
    if not instances:
        raise _misformed(document, "No values in 'instances' array")
    return _rows(instances, infos, effort), True


def _misformed(document: JsonObject, problem: str) -> StatusError:
    return invalid(f"JSON Value: {shown(document)} {problem}")


def _rows(
    instances: list[Any], infos: Mapping[str, TensorInfo], effort: Effort
) -> dict[str, np.ndarray]:
    columns: dict[str, list[Any]] = {}
    if not json_errors.is_named(instances[0]):
        if len(infos) == 1:
            columns = {next(iter(infos)): instances}
    elif all(type(row) is dict and row.keys() == infos.keys() for row in instances):
        columns = {name: [row[name] for row in instances] for name in infos}
    arrays = {}
    for name, values in columns.items():
        array = _stack(values, infos[name].dtype, effort)
        if array is None:
            break
        arrays[name] = array
    if len(arrays) < len(infos):
        raise json_errors.of_instances(instances, infos, effort)
    return arrays


def _columns(
    inputs: Json, infos: Mapping[str, TensorInfo], effort: Effort
) -> dict[str, np.ndarray]:
    if isinstance(inputs, dict) and json_errors.is_named(inputs):
        for name in infos:
            if name not in inputs:
                raise invalid(f"Missing named input: {name} in 'inputs' object.")
        values = inputs
    elif len(infos) > 1:
        raise invalid(
            "inputs is a plain value/list, but expecting an object as multiple input tensors "
            "required as per tensorinfo_map"
        )
    else:
        values = {next(iter(infos)): inputs}
    arrays = {}
    for name, info in infos.items():
        value = values[name]
        array = _stack(value if isinstance(value, list) else [value], info.dtype, effort)
        if array is None:
            raise json_errors.of_value(value, info.dtype, effort)
        arrays[name] = array if isinstance(value, list) else array.reshape(())
    return arrays


def _stack(values: list[Any], dtype: int, effort: Effort) -> np.ndarray | None:
    """Values in a list as one array; None if something is wrong, which `json_errors` words.

    Works through one level of nesting after the other with calls that loop in C: as quick
    as `np.array(values)`, which would take `true` for 1 and `"3"` for 3.
    """
    shape = [len(values)]
    try:
        while values and type(values[0]) is list:
            size = len(values[0])
            # Strings and objects have a length and items too. Among numbers these items
            # come to light below, for they are strings.
            if (dtype == STRING or size == 0) and set(map(type, values)) != {list}:
                return None
            shape.append(size)
            if size == 1:  # A grey image's last axis: the quickest way.
                values = [value for (value,) in values]
            elif set(map(len, values)) == {size}:
                values = list(itertools.chain.from_iterable(values))
            else:
                return None
    except (TypeError, ValueError):  # A number among lists has no length; or a longer list.
        return None
    if not _TYPES.get(dtype, set()).issuperset(map(type, values)):
        return None
    array = _array(values, dtype, effort)
    if array is None:
        return None
    try:
        return array.reshape(shape)
    except ValueError:  # numpy has arrays of up to 64 dimensions.
        raise invalid(f"A tensor of {len(shape)} dimensions is more than there can be") from None


def _array(values: list[Any], dtype: int, effort: Effort) -> np.ndarray | None:
    """The array [N] of values of the right types; None if one is out of range."""
    if dtype in INTEGERS:
        return _integers(values, INTEGERS[dtype])
    if dtype == BOOL:
        return np.array(values, bool)
    return _strings(values, effort) if dtype == STRING else _floats(values, dtype, effort)


def _integers(values: list[int], dtype: np.dtype) -> np.ndarray | None:
    try:
        if dtype == np.uint8:  # Pixels: the quickest way.
            return np.frombuffer(bytearray(values), np.uint8)
        return np.array(values, dtype)
    except (OverflowError, ValueError):
        return None


def _floats(values: list[float], dtype: int, effort: Effort) -> np.ndarray | None:
    array = np.array(values, np.float64)
    if dtype == FLOAT or int in set(map(type, values)):
        # With NaN this is false; then, as with large numbers, each value is checked.
        within = not values or np.abs(array).max() <= LARGEST_EXACT[FLOAT]
        if not within:
            for value in values:
                effort.tick()
                if not json_errors.is_lossless(value, dtype):
                    return None
    return array.astype(_FLOATS[dtype])


def _strings(values: list[Any], effort: Effort) -> np.ndarray | None:
    if dict not in set(map(type, values)):
        with contextlib.suppress(UnicodeEncodeError):  # There are bytes that are not UTF-8.
            return tensors.string_array(list(map(str.encode, values)))
    strings = []
    for value in values:
        effort.tick()
        is_text = isinstance(value, str)
        string = encoded(value) if is_text else json_errors.unpack_base64(value)
        if string is None:
            return None
        strings.append(string)
    return tensors.string_array(strings)


def encoded(text: str) -> bytes:
    """The bytes of a string as they stood in the body."""
    return text.encode("utf-8", "surrogateescape")
