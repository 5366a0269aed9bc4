import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2

from digitline.serving.protocol import messages, tensors


def arrays():
    rng = np.random.default_rng(0)
    whole = rng.integers(0, 100, (2, 3))
    real = rng.normal(size=(2, 3))
    floats = ("float32", "float64", "float16", "complex64", "complex128", ml_dtypes.bfloat16)
    ints = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")
    kinds = [
        (real * (1 + 1j) if str(dtype)[:7] == "complex" else real).astype(dtype) for dtype in floats
    ]
    kinds += [whole.astype(dtype) for dtype in ints]
    kinds.append(np.array([-(2**63), 2**63 - 1], np.int64))
    kinds.append(np.array([0, 2**64 - 1], np.uint64))
    kinds.append(np.array([np.nan, np.inf, -np.inf, -0.0], np.float32))
    kinds.append(np.array([[b"a", b"\xff\0"], [b"", "é".encode()]], object))
    kinds += [np.float32(3), np.array(b"one", object), np.zeros((0, 4), np.float32)]
    kinds.append(np.arange(300, dtype=np.float32).reshape(3, 100)[:, ::2])
    return [np.asarray(array) for array in kinds]


@pytest.mark.parametrize("typed", [False, True])
def test_tensorflow_and_we_read_what_we_write(typed):
    for array in arrays():
        message = messages.TensorProto()
        tensors.encode(array, message, typed=typed)
        if typed or array.dtype == object:
            assert not message.tensor_content
        read = tensor_pb2.TensorProto.FromString(message.SerializeToString())
        # The way of TensorFlow's C++, and of TF Serving.
        parsed = tf.io.parse_tensor(read.SerializeToString(), read.dtype).numpy()
        for decoded in (tf.make_ndarray(read), parsed, tensors.decode(message)):
            assert np.asarray(decoded).shape == array.shape
            np.testing.assert_array_equal(np.asarray(decoded).astype(array.dtype), array)
        assert tensors.decode(message).dtype == array.dtype


def test_reads_what_tensorflow_writes():
    for array in arrays():
        theirs = tf.make_tensor_proto(array)
        decoded = tensors.decode(theirs)
        np.testing.assert_array_equal(decoded, array)
        assert decoded.dtype == array.dtype


def test_the_numbers_of_types_are_tensorflows():
    for number in range(1, 31):
        name = types_pb2.DataType.Name(number)
        if name in ("DT_RESOURCE", "DT_VARIANT"):
            with pytest.raises(ValueError, match=f"data type {number} is not supported"):
                tensors.dtype_of(number)
            continue
        theirs = tf.dtypes.as_dtype(number)
        ours = tensors.dtype_of(number)
        if theirs.is_quantized:
            assert f"q{ours.name}" == theirs.name
        else:
            assert ours == theirs.as_numpy_dtype


def test_eight_bit_floats():
    for dtype in (ml_dtypes.float8_e5m2, ml_dtypes.float8_e4m3fn):
        array = np.array([0.5, 1, -2], dtype)
        for typed in (False, True):
            message = messages.TensorProto()
            tensors.encode(array, message, typed=typed)
            theirs = tensor_pb2.TensorProto.FromString(message.SerializeToString())
            parsed = tf.io.parse_tensor(theirs.SerializeToString(), theirs.dtype)
            np.testing.assert_array_equal(tf.cast(parsed, tf.float32).numpy(), [0.5, 1, -2])
            np.testing.assert_array_equal(tensors.decode(message), array)


@pytest.mark.parametrize(
    ("dtype", "field", "values"),
    [
        ("DT_FLOAT", "float_val", [1.5, 2.5, 3.5]),
        ("DT_INT64", "int64_val", [4, 5, 6]),
        ("DT_UINT8", "int_val", [7, 300, -1]),
        ("DT_INT8", "int_val", [7, 200, 9]),
        ("DT_HALF", "half_val", [0x3C00, 0x4000, 0x4200]),
        ("DT_BOOL", "bool_val", [True, False, True]),
        ("DT_STRING", "string_val", [b"a", b"b", b"c"]),
        ("DT_COMPLEX64", "scomplex_val", [1, 2, 3, 4, 5, 6]),
    ],
)
@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_reads_too_few_and_too_many_values_as_tensorflow_does(dtype, field, values, count):
    width = 2 if dtype == "DT_COMPLEX64" else 1
    message = tensor_pb2.TensorProto(dtype=dtype)
    message.tensor_shape.dim.add(size=5)
    getattr(message, field).extend((values * 3)[: count * width])
    expected = tf.io.parse_tensor(message.SerializeToString(), message.dtype).numpy()
    np.testing.assert_array_equal(tensors.decode(message), expected)


def test_strings_and_bools_in_tensor_content():
    message = tensor_pb2.TensorProto(dtype="DT_STRING")
    message.tensor_shape.dim.add(size=2)
    long = b"x" * 300
    message.tensor_content = bytes([1, 0xAC, 0x02]) + b"a" + long
    expected = tf.io.parse_tensor(message.SerializeToString(), tf.string).numpy()
    assert tensors.decode(message).tolist() == expected.tolist() == [b"a", long]
    for content in (b"\x01", b"\x01\x05abc", b"\x01\x01abc", b"\xff" * 9):
        message.tensor_content = content
        with pytest.raises(ValueError, match="Input size was"):
            tensors.decode(message)
    message = tensor_pb2.TensorProto(dtype="DT_BOOL", tensor_content=b"\x00\x02")
    message.tensor_shape.dim.add(size=2)
    assert tensors.decode(message).tolist() == [False, True]


def test_rejects_invalid_tensors():
    def made(shape, **values):
        message = messages.TensorProto(**values)
        for size in shape:
            message.tensor_shape.dim.add(size=size)
        return message

    short = made([2, 3], dtype="DT_FLOAT", tensor_content=b"12345678")
    with pytest.raises(ValueError, match="Input size was 8 and expected 24"):
        tensors.decode(short)
    for message in (
        made([-1], dtype="DT_FLOAT", float_val=[1]),
        made([2], dtype=99, float_val=[1]),
        made([2]),
        made([2], dtype="DT_VARIANT"),
        # A few bytes that would become terabytes.
        made([1 << 40], dtype="DT_FLOAT", float_val=[1]),
        made([1 << 31, 1 << 31, 1 << 31], dtype="DT_STRING"),
    ):
        with pytest.raises(ValueError, match="Invalid TensorProto"):
            tensors.decode(message)
    unknown = messages.TensorProto(dtype="DT_FLOAT")
    unknown.tensor_shape.unknown_rank = True
    with pytest.raises(ValueError, match="shape is unknown"):
        tensors.decode(unknown)


def test_rejects_arrays_that_a_message_cannot_hold():
    for array, message in (
        (np.array(["2024"], "datetime64[Y]"), "no dtype datetime64"),
        (np.array([1, None], object), "must hold strings; got int"),
    ):
        with pytest.raises(ValueError, match=message):
            tensors.encode(array, messages.TensorProto())


def test_writes_texts_and_other_byte_orders():
    for array, expected in (
        (np.array(["é", "b"]), ["é".encode(), b"b"]),
        (np.array([b"x", b"yz"]), [b"x", b"yz"]),
        (np.array([1, 2], ">f4"), [1, 2]),
    ):
        for typed in (False, True):
            message = messages.TensorProto()
            tensors.encode(array, message, typed=typed)
            assert tensors.decode(message).tolist() == expected


def test_a_shape_without_values_is_filled_up_to_a_limit():
    message = tf.make_tensor_proto(1, tf.uint8, [1000, 1000])
    assert tensors.decode(message, most_filled=10**6).sum() == 10**6
    with pytest.raises(ValueError, match=r"1000000 values of uint8 are stated and 1 sent"):
        tensors.decode(message, most_filled=10**6 - 1)
