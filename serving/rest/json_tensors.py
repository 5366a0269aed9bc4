"""JSON to tensors, by the rules of TF Serving's REST interface; `json_answers` is the way back.

A request names its inputs in rows (`instances`, one value or object for each example) or
in columns (`inputs`, one value for each tensor). A single named input loses its name.
`{"b64": …}` is a string of any bytes.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..core.servable import TensorInfo
from ..protocol.status import invalid
from . import json_errors
from .json_errors import BOOL, DOUBLE, FLOAT, INTEGERS, LARGEST_EXACT, STRING
from .json_shown import shown
from .limits import Effort

_KINDS: dict[int, set[type]] = {
    FLOAT: {int, float},
    DOUBLE: {int, float},
    STRING: {str, dict},
    BOOL: {bool},
    **{dtype: {int} for dtype in INTEGERS},
}
_FLOATS = {FLOAT: np.float32, DOUBLE: np.float64}


def signature_name(document: Any) -> str:
    """The signature that a request names; `""` where it names none.

    Raises:
      StatusError: the document is no object, or the name is no string.
    """
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {shown(document)} Is not object")
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(
            f"JSON Value: {shown(document)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    return name


def read_inputs(
    document: dict[str, Any], infos: Mapping[str, TensorInfo], effort: Effort | None = None
) -> tuple[dict[str, np.ndarray], bool]:
    """The tensors of a predict request.

    Args:
      document: the parsed body.
      infos: the signature's inputs by name.
      effort: what it may take; None for no limit.

    Returns:
      Arrays by name, with the dtypes of `infos` and the shapes of the document; strings
      are `bytes` with dtype object. And whether the request is in rows.

    Raises:
      StatusError: INVALID_ARGUMENT in TF Serving's words; UNIMPLEMENTED for a dtype that
        JSON does not carry; or as of `effort`.
      ElsewhereError: of `effort`.
    """
    effort = effort or Effort()
    if not infos:
        name = signature_name(document)
        raise invalid(f"Failed to get input map for signature: {name or 'DEFAULT'}")
    if "instances" in document:
        instances = document["instances"]
        if "inputs" in document:
            raise invalid(
                f"JSON Value: {shown(document)} Not formatted correctly expecting only one of "
                "'inputs' or 'instances' keys to exist "
            )
        if not isinstance(instances, list):
            raise invalid(
                f"JSON Value: {shown(document)} Excepting 'instances' to be an list/array"
            )
        if not instances:
            raise invalid(f"JSON Value: {shown(document)} No values in 'instances' array")
        return _rows(instances, infos, effort), True
    if "inputs" in document:
        return _columns(document["inputs"], infos, effort), False
    raise invalid("Missing 'inputs' or 'instances' key")


def _rows(
    instances: list[Any], infos: Mapping[str, TensorInfo], effort: Effort
) -> dict[str, np.ndarray]:
    columns: dict[str, list[Any]] | None
    if not json_errors.is_named(instances[0]):
        columns = {next(iter(infos)): instances} if len(infos) == 1 else None
    elif all(type(each) is dict and each.keys() == infos.keys() for each in instances):
        columns = {name: [each[name] for each in instances] for name in infos}
    else:
        columns = None
    if columns is None:
        raise json_errors.of_instances(instances, infos, effort)
    arrays = {}
    for name, values in columns.items():
        array = _stack(values, infos[name].dtype, effort)
        if array is None:
            raise json_errors.of_instances(instances, infos, effort)
        arrays[name] = array
    return arrays


def _columns(inputs: Any, infos: Mapping[str, TensorInfo], effort: Effort) -> dict[str, np.ndarray]:
    if json_errors.is_named(inputs):
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
        is_list = isinstance(value, list)
        array = _stack(value if is_list else [value], info.dtype, effort)
        if array is None:
            raise json_errors.of_value(value, info.dtype, effort)
        arrays[name] = array if is_list else array.reshape(())
    return arrays


def _stack(values: list[Any], dtype: int, effort: Effort) -> np.ndarray | None:
    """Values in a list as one array; None if something is wrong, which `json_errors` words.

    Works through one level of nesting after the other with calls that loop in C: as quick
    as `np.array(values)`, which would take `true` for 1 and `"3"` for 3.
    """
    kinds = _KINDS.get(dtype)
    if kinds is None:
        return None
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
    if not kinds.issuperset(map(type, values)):
        return None
    array = _READERS[dtype](values, effort)
    if array is None:
        return None
    try:
        return array.reshape(shape)
    except ValueError:  # numpy has arrays of up to 64 dimensions.
        raise invalid(f"A tensor of {len(shape)} dimensions is more than there can be") from None


def _read_integers(dtype: np.dtype, values: list[int]) -> np.ndarray | None:
    wide = np.uint64 if dtype == np.uint64 else np.int64
    bounds = np.iinfo(dtype)
    try:
        if dtype == np.uint8:  # Pixels: the quickest way.
            return np.frombuffer(bytearray(values), np.uint8)
        array = np.array(values, wide)
    except (OverflowError, ValueError):
        return None
    if dtype == wide or not values:
        # An older numpy lets a negative number through as its complement.
        return None if dtype == np.uint64 and min(values, default=0) < 0 else array.astype(dtype)
    if array.min() < bounds.min or array.max() > bounds.max:
        return None
    return array.astype(dtype)


def _read_floats(dtype: int, values: list[float], effort: Effort) -> np.ndarray | None:
    array = np.array(values, np.float64)
    if dtype == FLOAT or int in set(map(type, values)):
        size = np.abs(array)
        # NaN is not within: then, as with large numbers, each is looked at.
        within = not values or size.max() <= LARGEST_EXACT[FLOAT]
        if not within:
            for each in values:
                effort.tick()
                if not json_errors.is_lossless(each, dtype):
                    return None
    return array.astype(_FLOATS[dtype])


def _read_strings(values: list[Any], effort: Effort) -> np.ndarray | None:
    array = np.empty(len(values), object)  # numpy would cut trailing zero bytes otherwise.
    if dict not in set(map(type, values)):
        try:
            array[:] = list(map(str.encode, values))
        except UnicodeEncodeError:  # There are bytes that are not UTF-8.
            array[:] = [encoded(value) for value in values]
        return array
    for index, value in enumerate(values):
        effort.tick()
        array[index] = _string(value)
        if array[index] is None:
            return None
    return array


def encoded(text: str) -> bytes:
    """The bytes of a string as they stood in the body."""
    return text.encode("utf-8", "surrogateescape")


def _string(value: Any) -> bytes | None:
    if isinstance(value, str):
        return encoded(value)
    return json_errors.unpack_base64(value["b64"]) if json_errors.is_base64(value) else None


def _reader(dtype: int) -> Callable[[list[Any], Effort], np.ndarray | None]:
    if dtype in _FLOATS:
        return lambda values, effort: _read_floats(dtype, values, effort)
    if dtype in INTEGERS:
        return lambda values, _: _read_integers(INTEGERS[dtype], values)
    if dtype == BOOL:
        return lambda values, _: np.array(values, bool)
    return _read_strings


_READERS = {dtype: _reader(dtype) for dtype in _KINDS}
