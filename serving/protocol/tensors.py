"""Tensors in messages: numpy arrays to `tensorflow.TensorProto` and back, without TensorFlow.

Works on any class with TensorProto's fields: TensorFlow's own, or that of `messages`.
What is read follows TensorFlow's `Tensor::FromProto`.
"""

import functools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from . import messages

UINT8, STRING = 4, 7  # DT_UINT8, DT_STRING
# Names of numpy (and ml_dtypes) by number of `tensorflow.DataType`, from 1 on. Quantized types
# are read as the integers that they are; arrays have no resources and variants.
_DATA_TYPES = (
    "float32 float64 int32 uint8 int16 int8 object complex64 int64 bool qint8 quint8 qint32 "
    "bfloat16 qint16 quint16 uint16 complex128 float16 resource variant uint32 uint64 float8_e5m2 "
    "float8_e4m3fn float8_e4m3fnuz float8_e4m3b11fnuz float8_e5m2fnuz int4 uint4"
)
_NAMES = dict(enumerate(_DATA_TYPES.split(), start=1))
_NUMBERS = {name: number for number, name in _NAMES.items() if not name.startswith("q")}

# The field of each type, where the values do not lie in `tensor_content`.
_FIELDS = {
    "float32": "float_val",
    "float64": "double_val",
    "int64": "int64_val",
    "bool": "bool_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
    "complex64": "scomplex_val",
    "complex128": "dcomplex_val",
    "float16": "half_val",
    "bfloat16": "half_val",
}
# Fields whose packed values are an array's bytes as they lie in memory, with their tags:
# number * 8 + 2. Written as bytes they take a fiftieth of the time.
_TAGS = {
    "float_val": 5 << 3 | 2,
    "double_val": 6 << 3 | 2,
    "scomplex_val": 9 << 3 | 2,
    "bool_val": 11 << 3 | 2,
    "dcomplex_val": 12 << 3 | 2,
}
# A message holds at most 2 GiB; a tensor that says it is larger, of a few values
# repeated, is not made.
_MAX_BYTES = 2**31
_MAX_RANK = 64  # Of numpy's arrays.
_PIECE = 1 << 15  # Values that are converted at a time.


@functools.cache
def dtype_of(number: int) -> np.dtype:
    """The numpy type of a `tensorflow.DataType`.

    Raises:
      ValueError: arrays have no such type.
    """
    name = _NAMES.get(number, "variant").removeprefix("q")
    if name in ("resource", "variant"):
        raise ValueError(f"Invalid TensorProto: data type {number} is not supported")
    try:
        return np.dtype(name)
    except TypeError:
        import ml_dtypes  # noqa: F401 (registers bfloat16 and the like with numpy)

        return np.dtype(name)


def encode(values: npt.ArrayLike, message: messages.TensorProto, typed: bool = False) -> None:
    """Fills a TensorProto.

    Args:
      values: an array; of strings: `bytes` or `str` with dtype object, S or U.
      message: an empty TensorProto.
      typed: values go to the fields of their types (`float_val` …), as TF Serving answers
        by default; else to `tensor_content`, which is quicker. Strings have only `string_val`.

    Raises:
      ValueError: TensorProto has no such type, or an object in the array is not a string.
    """
    array = np.asarray(values)
    name, number = _described(array.dtype)
    message.dtype = number
    dim = message.tensor_shape.dim
    for size in array.shape:
        dim.add().size = size
    if number == STRING:
        message.string_val.extend([_bytes(value) for value in array.ravel().tolist()])
        return
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    if not typed:
        message.tensor_content = array.tobytes()
    elif name.startswith("float8"):
        message.float8_val = array.tobytes()
    else:
        field = _FIELDS.get(name, "int_val")
        if field in _TAGS:
            _merge_packed(message, _TAGS[field], array.tobytes())
        else:
            flat = array.ravel()
            numbers = flat.view(np.uint16) if field == "half_val" else flat
            for start in range(0, len(numbers), _PIECE):
                getattr(message, field).extend(numbers[start : start + _PIECE].tolist())


def number_of(dtype: npt.DTypeLike) -> int:
    """The number of a numpy type in `tensorflow.DataType`; strings are objects.

    Raises:
      ValueError: there is no such type.
    """
    return _described(np.dtype(dtype))[1]


def cpp_name(number: int) -> str:
    """What TensorFlow's C++ calls a `tensorflow.DataType`."""
    name = _NAMES.get(number, f"DataType {number}")
    cpp_names = {"float32": "float", "float64": "double", "float16": "half", "object": "string"}
    return cpp_names.get(name, name)


@functools.cache  # A type's name takes numpy 3 microseconds.
def _described(dtype: np.dtype) -> tuple[str, int]:
    """The name of a numpy type and its number of `tensorflow.DataType`."""
    name = "object" if dtype.kind in "OSU" else dtype.name
    number = _NUMBERS.get(name)
    if number is None:
        raise ValueError(f"a TensorProto has no dtype {dtype}")
    return name, number


def string_array(values: Sequence[bytes]) -> np.ndarray:
    """An array of dtype object [N]; numpy's own strings would lose zero bytes at their end."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


def decode(
    message: messages.TensorProto, limit: int = _MAX_BYTES, most_filled: int = _MAX_BYTES
) -> np.ndarray:
    """The array in a TensorProto.

    Where there are fewer values than the shape has places, the last one fills the rest
    (with no values at all, zeros do); values beyond the last place are ignored.

    Args:
      message: a TensorProto.
      limit: bytes that the array may take. A message of a few bytes can state any number.
      most_filled: the same of an array that has more places than the message has values.

    Returns:
      An array, perhaps one that cannot be written to; strings are `bytes` with dtype object.

    Raises:
      ValueError: the shape or the type is not valid, or the content does not fit the shape.
    """
    dtype = dtype_of(message.dtype)
    shape = _shape(message)
    count = math.prod(shape)
    if count * dtype.itemsize > limit:
        raise ValueError(
            f"Invalid TensorProto: shape {list(shape)} of {dtype.name} takes more than "
            f"{limit} bytes"
        )
    content = message.tensor_content
    if message.dtype == STRING:
        values = string_array(_split(content, count) if content else list(message.string_val))
        return _filled(values, count, dtype, most_filled).reshape(shape)
    if content:
        if len(content) != count * dtype.itemsize:
            raise ValueError(
                f"Input size was {len(content)} and expected {count * dtype.itemsize} "
                f"for shape {list(shape)} of {dtype.name}"
            )
        if dtype == np.bool_:  # Bytes other than 0 and 1 would make no bool.
            return np.not_equal(np.frombuffer(content, np.uint8), 0).reshape(shape)
        return np.frombuffer(content, dtype).reshape(shape)
    return _filled(_typed(message, dtype), count, dtype, most_filled).reshape(shape)


def _shape(message: messages.TensorProto) -> tuple[int, ...]:
    if message.tensor_shape.unknown_rank:
        raise ValueError("Invalid TensorProto: its shape is unknown")
    dims = message.tensor_shape.dim
    if len(dims) > _MAX_RANK:
        raise ValueError(f"Invalid TensorProto: it has {len(dims)} dimensions")
    shape = tuple(dim.size for dim in dims)
    if any(size < 0 for size in shape):
        raise ValueError(f"Invalid TensorProto: shape {list(shape)} is not fully defined")
    return shape


def _typed(message: messages.TensorProto, dtype: np.dtype) -> np.ndarray:
    """The values in the field of their type, however many they are."""
    name = dtype.name
    if name.startswith("float8"):
        return np.frombuffer(message.float8_val, dtype)
    values = getattr(message, _FIELDS.get(name, "int_val"))
    if dtype.kind == "c":
        count = len(values)
        part = np.float32 if name == "complex64" else np.float64
        return _array(values, part)[: count // 2 * 2].view(dtype)
    if name in ("float16", "bfloat16"):
        return _array(values, np.int32).astype(np.uint16).view(dtype)
    if name in _FIELDS or name == "int32":
        return _array(values, dtype)
    # Small integers travel as int32; those that do not fit are cut off, as a cast in C++ does.
    return _array(values, np.int32).astype(dtype)


def _array(values: Sequence[float], dtype: npt.DTypeLike) -> np.ndarray:
    """A repeated field in pieces: other threads wait for one, which takes a millisecond."""
    array = np.empty(len(values), dtype)
    for start in range(0, len(array), _PIECE):
        array[start : start + _PIECE] = values[start : start + _PIECE]
    return array


def _filled(values: np.ndarray, count: int, dtype: np.dtype, most: int) -> np.ndarray:
    """`count` values: the rest is filled with the last, or with zeros if there is none."""
    if len(values) >= count:
        return values[:count]
    if count * dtype.itemsize > most:
        raise ValueError(
            f"Invalid TensorProto: {count} values of {dtype.name} are stated and {len(values)} "
            f"sent: at most {most} bytes are filled (--max_filled_bytes)"
        )
    empty = b"" if dtype == np.object_ else 0
    filled = np.full(count, values[-1] if len(values) else empty, dtype)
    filled[: len(values)] = values
    return filled


def _split(content: bytes, count: int) -> list[bytes]:
    """Strings in `tensor_content`: all their lengths as varints, then all their bytes."""
    lengths, position = [], 0
    for _ in range(count):
        length, shift = 0, 0
        while True:
            if position >= len(content) or shift > 28:
                raise ValueError(f"Input size was {len(content)}: too few for {count} strings")
            byte = content[position]
            position += 1
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        lengths.append(length)
    if position + sum(lengths) != len(content):
        raise ValueError(
            f"Input size was {len(content)} and expected {position + sum(lengths)} "
            f"for {count} strings"
        )
    strings = []
    for length in lengths:
        strings.append(content[position : position + length])
        position += length
    return strings


def _merge_packed(message: messages.TensorProto, tag: int, content: bytes) -> None:
    """Writes a repeated field's values from their bytes."""
    if not content:
        return
    head = bytearray([tag])
    length = len(content)
    while length > 127:
        head.append(length & 127 | 128)
        length >>= 7
    head.append(length)
    message.MergeFromString(bytes(head) + content)


def _bytes(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes):
        return value
    raise ValueError(f"an array of objects must hold strings; got {type(value).__name__}")
