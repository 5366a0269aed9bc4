"""A SavedModel run through TensorFlow's C API, with no Python of TensorFlow's in the process.

This is the loader below TF Serving and below TensorFlow for Java, Go and Rust: what
works here works there. It reads nothing but the SavedModel; names and dtypes come
from the MetaGraphDef that the C API hands back.

    python c_api.py SAVED_MODEL FOLDER SIGNATURE…

runs signatures that have one input, FOLDER/SIGNATURE.npy, and writes their outputs by name
to FOLDER/SIGNATURE.npz. Strings are arrays of `bytes` objects, in and out.
"""

import ctypes
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

# tensorflow/c/tf_datatype.h; they are DataType's numbers in protocol buffers, too.
TF_STRING = 7
DTYPES = {
    1: np.float32,
    2: np.float64,
    3: np.int32,
    4: np.uint8,
    5: np.int16,
    6: np.int8,
    TF_STRING: np.object_,
    9: np.int64,
    10: np.bool_,
}
STRING_BYTES = 24  # sizeof(TF_TString), part of TensorFlow's binary interface.

Pointer = ctypes.c_void_p


class Buffer(ctypes.Structure):
    """TF_Buffer."""

    _fields_ = (
        ("data", ctypes.POINTER(ctypes.c_char)),
        ("length", ctypes.c_size_t),
        ("deallocator", Pointer),
    )


class Output(ctypes.Structure):
    """TF_Output: one output of one operation."""

    _fields_ = (("operation", Pointer), ("index", ctypes.c_int))


# Result and arguments of the functions called, as tensorflow/c/c_api.h has them.
FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "TF_NewStatus": (Pointer,),
    "TF_GetCode": (ctypes.c_int, Pointer),
    "TF_Message": (ctypes.c_char_p, Pointer),
    "TF_NewGraph": (Pointer,),
    "TF_NewSessionOptions": (Pointer,),
    "TF_NewBuffer": (ctypes.POINTER(Buffer),),
    "TF_LoadSessionFromSavedModel": (
        Pointer,
        Pointer,  # The session's options.
        ctypes.POINTER(Buffer),  # A RunOptions, or none.
        ctypes.c_char_p,
        ctypes.POINTER(ctypes.c_char_p),
        ctypes.c_int,
        Pointer,  # The graph to load into.
        ctypes.POINTER(Buffer),  # Gets the MetaGraphDef.
        Pointer,
    ),
    "TF_GraphOperationByName": (Pointer, Pointer, ctypes.c_char_p),
    "TF_AllocateTensor": (
        Pointer,
        ctypes.c_int,
        ctypes.POINTER(ctypes.c_int64),
        ctypes.c_int,
        ctypes.c_size_t,
    ),
    "TF_TensorType": (ctypes.c_int, Pointer),
    "TF_NumDims": (ctypes.c_int, Pointer),
    "TF_Dim": (ctypes.c_int64, Pointer, ctypes.c_int),
    "TF_TensorData": (Pointer, Pointer),
    "TF_TensorByteSize": (ctypes.c_size_t, Pointer),
    "TF_StringInit": (None, Pointer),
    "TF_StringCopy": (None, Pointer, ctypes.c_char_p, ctypes.c_size_t),
    "TF_StringGetDataPointer": (Pointer, Pointer),
    "TF_StringGetSize": (ctypes.c_size_t, Pointer),
    "TF_SessionRun": (
        None,
        Pointer,
        ctypes.POINTER(Buffer),
        ctypes.POINTER(Output),
        ctypes.POINTER(Pointer),
        ctypes.c_int,
        ctypes.POINTER(Output),
        ctypes.POINTER(Pointer),
        ctypes.c_int,
        Pointer,  # Target operations: none.
        ctypes.c_int,
        ctypes.POINTER(Buffer),
        Pointer,
    ),
}


def load_library() -> ctypes.CDLL:
    """The shared library inside TensorFlow's wheel.

    From here on the process cannot import TensorFlow, Keras or digitline.

    Raises:
      FileNotFoundError: the wheel holds none.
    """
    spec = importlib.util.find_spec("tensorflow")  # Looks for it, without importing it.
    assert spec is not None
    assert spec.origin is not None
    for name in ("tensorflow", "keras", "digitline"):
        assert name not in sys.modules, name
        sys.modules[name] = None  # type: ignore[assignment]
    libraries = sorted(Path(spec.origin).parent.glob("libtensorflow_cc.*"))
    if not libraries:
        raise FileNotFoundError(f"no libtensorflow_cc beside {spec.origin}")
    library = ctypes.CDLL(str(libraries[0]))
    for name, (result, *arguments) in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of an encoded protocol buffer, as (number, value).

    A value is an int, or the bytes of a string, of a message or of a fixed-size number.
    """
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = varint()
        number, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            yield number, varint()
            continue
        size = varint() if wire_type == 2 else {1: 8, 5: 4}[wire_type]
        yield number, message[at : at + size]
        at += size


def entries(message: bytes, number: int) -> dict[str, bytes]:
    """A `map<string, Message>` field of an encoded protocol buffer."""
    by_key = {}
    for field, value in fields(message):
        if field == number:
            assert isinstance(value, bytes)
            entry: dict[int, Any] = dict(fields(value))
            by_key[entry[1].decode()] = entry[2]
    return by_key


def tensor_infos(meta_graph: bytes, signature: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A signature's inputs and outputs: by name, (tensor's name, dtype's number).

    Raises:
      KeyError: there is no such signature.
    """
    signature_def = entries(meta_graph, 5)[signature]  # MetaGraphDef.signature_def

    def infos(number: int) -> dict[str, Any]:
        by_name = {}
        for name, message in entries(signature_def, number).items():
            info: dict[int, Any] = dict(fields(message))  # TensorInfo: 1 name, 2 dtype.
            by_name[name] = (info[1].decode(), info[2])
        return by_name

    return infos(1), infos(2)


class SavedModel:
    """A SavedModel in a session of the C API; it lives as long as the process does."""

    def __init__(self, folder: str) -> None:
        self._tf = load_library()
        self._status = self._tf.TF_NewStatus()
        self._graph = self._tf.TF_NewGraph()
        tags = (ctypes.c_char_p * 1)(b"serve")
        meta_graph = self._tf.TF_NewBuffer()
        self._session = self._checked(
            self._tf.TF_LoadSessionFromSavedModel,
            self._tf.TF_NewSessionOptions(),
            None,
            folder.encode(),
            tags,
            len(tags),
            self._graph,
            meta_graph,
        )
        self._meta_graph = meta_graph.contents.data[: meta_graph.contents.length]

    def run(self, signature: str, value: np.ndarray) -> dict[str, np.ndarray]:
        """Runs a signature with one input.

        Args:
          signature: its name.
          value: the input, of the signature's dtype.

        Returns:
          The outputs by name.

        Raises:
          KeyError: there is no such signature.
          TypeError: the value is of another dtype.
          RuntimeError: TensorFlow refuses.
        """
        inputs, outputs = tensor_infos(self._meta_graph, signature)
        ((_, (tensor_name, dtype)),) = inputs.items()
        if value.dtype != DTYPES[dtype]:
            raise TypeError(f"{signature} takes {DTYPES[dtype].__name__}, not {value.dtype}")
        names = sorted(outputs)
        results = (Pointer * len(names))()
        self._checked(
            self._tf.TF_SessionRun,
            self._session,
            None,
            self._outputs([tensor_name]),
            (Pointer * 1)(self._tensor(dtype, value)),
            1,
            self._outputs([outputs[name][0] for name in names]),
            results,
            len(names),
            None,
            0,
            None,
        )
        return {name: self._array(tensor) for name, tensor in zip(names, results, strict=True)}

    def _checked(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Calls a function whose last argument is a status."""
        result = function(*arguments, self._status)
        if self._tf.TF_GetCode(self._status):
            raise RuntimeError(self._tf.TF_Message(self._status).decode())
        return result

    def _outputs(self, tensor_names: Sequence[str]) -> Any:
        """TF_Outputs by names such as `StatefulPartitionedCall:1`."""
        outputs = []
        for name in tensor_names:
            operation_name, _, index = name.partition(":")
            operation = self._tf.TF_GraphOperationByName(self._graph, operation_name.encode())
            assert operation, f"the graph has no operation {operation_name}"
            outputs.append(Output(operation, int(index or 0)))
        return (Output * len(outputs))(*outputs)

    def _tensor(self, dtype: int, value: np.ndarray) -> int:
        """An array as a TF_Tensor."""
        size = value.size * STRING_BYTES if dtype == TF_STRING else value.nbytes
        shape = (ctypes.c_int64 * value.ndim)(*value.shape)
        tensor = self._tf.TF_AllocateTensor(dtype, shape, value.ndim, size)
        data = self._tf.TF_TensorData(tensor)
        if dtype == TF_STRING:
            for index, content in enumerate(value.flat):
                self._tf.TF_StringInit(data + index * STRING_BYTES)
                self._tf.TF_StringCopy(data + index * STRING_BYTES, content, len(content))
        else:
            ctypes.memmove(data, np.ascontiguousarray(value).ctypes.data, size)
        return tensor

    def _array(self, tensor: int) -> np.ndarray:
        """A TF_Tensor as an array."""
        dtype = self._tf.TF_TensorType(tensor)
        shape = [self._tf.TF_Dim(tensor, axis) for axis in range(self._tf.TF_NumDims(tensor))]
        array = np.empty(shape, DTYPES[dtype])
        data = self._tf.TF_TensorData(tensor)
        if dtype == TF_STRING:
            for index in range(array.size):
                string = data + index * STRING_BYTES
                start = self._tf.TF_StringGetDataPointer(string)
                array.flat[index] = ctypes.string_at(start, self._tf.TF_StringGetSize(string))
        else:
            assert array.nbytes == self._tf.TF_TensorByteSize(tensor)
            ctypes.memmove(array.ctypes.data, data, array.nbytes)
        return array


def marked(value: np.ndarray) -> np.ndarray:
    """An array for a file: NumPy's own strings lose zeros at their end, so each gets a full stop.

    As objects they would be pickled, and a pickle can run anything.
    """
    if value.dtype != np.object_:
        return value
    return np.array([content + b"." for content in value.flat], np.bytes_).reshape(value.shape)


def unmarked(value: np.ndarray) -> np.ndarray:
    """What `marked` was given."""
    if value.dtype.kind != "S":
        return value
    contents = np.empty(value.size, np.object_)
    contents[:] = [content[:-1] for content in value.flat]
    return contents.reshape(value.shape)


def main(saved_model: str, folder: str, *signatures: str) -> None:
    """Runs each signature on its array."""
    model = SavedModel(saved_model)
    for signature in signatures:
        outputs = model.run(signature, unmarked(np.load(f"{folder}/{signature}.npy")))
        arrays: dict[str, Any] = {name: marked(outputs[name]) for name in outputs}
        np.savez(f"{folder}/{signature}.npz", **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
