import json

import grpc
import numpy as np
import pytest
from rest_json import error, infos, one, parse, read

from digitline.serving.bounds.limits import Effort
from digitline.serving.rest import json_tensors


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("float32", [1, -2.5, 1e-3, 16777215]),
        ("float64", [1, 0.1, 2**53 - 1, 1e300]),
        ("uint8", [0, 255]),
        ("int8", [-128, 127]),
        ("int16", [-32768, 32767]),
        ("int32", [-(2**31), 2**31 - 1]),
        ("int64", [-(2**63), 2**63 - 1]),
        ("uint32", [0, 2**32 - 1]),
        ("uint64", [0, 2**64 - 1]),
        ("bool", [True, False]),
    ],
)
def test_values_of_each_type_in_rows_and_columns(dtype, values):
    for key in ("instances", "inputs"):
        array = one(json.dumps({key: values}), dtype)
        assert array.dtype == dtype
        np.testing.assert_array_equal(array, np.array(values, dtype))
    nested = one(json.dumps({"instances": [[values, values]]}), dtype)
    assert nested.shape == (1, 2, len(values))


def test_strings_keep_their_bytes():
    text = '{"instances": ["é", {"b64": "AAEA"}, {"b64": "AP8"}, {"b64": " AP 8=\\n"}, ""]}'
    array = one(text, "string")
    assert array.dtype == object
    assert array.tolist() == ["é".encode(), b"\0\1\0", b"\0\xff", b"\0\xff", b""]
    assert one('{"inputs": {"b64": "aGk="}}', "string").shape == ()
    assert one('{"inputs": [["a"], ["b"]]}', "string").shape == (2, 1)


def test_strings_need_not_be_utf_8():
    body = (
        b'{"instances": ["\xff\xfe","a\\n\xe9\\u00e9\\\\","\xed\xa0\x80",{"b64":"AP8"},"\xc3\xa9"]}'
    )
    array = one(body, "string")
    raw = [b"\xff\xfe", b"a\n\xe9\xc3\xa9\\", b"\xed\xa0\x80", b"\0\xff", b"\xc3\xa9"]
    assert array.tolist() == raw
    assert one(b'{"instances": ["\xff"]}', "string").tolist() == [b"\xff"]
    assert "does not have named input" in error(one, b'{"instances": [{"\xff": 1}]}', "string")
    assert "of expected type: float" in error(one, b'{"instances": ["\xff"]}', "float32")


def test_rejects_tensors_of_too_many_dimensions():
    deepest = '{"inputs": ' + "[" * 63 + "1" + "]" * 63 + "}"
    assert one(deepest, "float32").ndim == 63
    for key in ("instances", "inputs"):
        document = parse(f'{{"{key}": {"[" * 70}1{"]" * 70}}}', max_depth=100)
        message = error(json_tensors.read_inputs, document, infos(x="float32"), Effort())
        assert "70 dimensions" in message


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ('{"inputs": 5}', ()),
        ('{"inputs": []}', (0,)),
        ('{"inputs": [[], []]}', (2, 0)),
        ('{"instances": [[], []]}', (2, 0)),
        ('{"instances": [[[], []]]}', (1, 2, 0)),
        ('{"instances": [{"x": 5}, {"x": 6}]}', (2,)),
        ('{"inputs": {"x": [[1, 2]], "more": 1}}', (1, 2)),
        ('{"instances": [5], "more": {"b": [1, "x"]}}', (1,)),
    ],
)
def test_shapes_are_those_of_the_document(text, shape):
    assert one(text, "float32").shape == shape


def test_several_inputs_are_named():
    text = '{"instances": [{"a": [1, 2], "b": "x"}, {"b": {"b64": "eQ=="}, "a": [3, 4]}]}'
    arrays, rows = read(text, a="int32", b="string")
    assert rows
    assert arrays["a"].tolist() == [[1, 2], [3, 4]]
    assert arrays["b"].tolist() == [b"x", b"y"]
    arrays, rows = read('{"inputs": {"a": [1, 2, 3], "b": [["x"]]}}', a="int32", b="string")
    assert not rows
    assert (arrays["a"].shape, arrays["b"].shape) == ((3,), (1, 1))


def test_numbers_that_are_not_finite_are_read():
    array = one('{"instances": [NaN, -Infinity, 1, 2.5]}', "float32")
    np.testing.assert_array_equal(array, np.float32([np.nan, -np.inf, 1, 2.5]))
    assert "precision" in error(one, '{"instances": [NaN, 16777217]}', "float32")


FAILED = "Failed to process element: {} of 'instances' list. Error: INVALID_ARGUMENT: "


WRONG = "JSON Value: {} Type: {} is not of expected type: {}"


@pytest.mark.parametrize(
    ("text", "dtype", "index", "words"),
    [
        ('["x"]', "float32", 0, WRONG.format('"x"', "String", "float")),
        ("[1, true]", "float32", 1, WRONG.format("true", "True", "float")),
        ("[1, null]", "float64", 1, WRONG.format("null", "Null", "double")),
        ('[[1], [{"b64": "eA=="}]]', "float32", 1, None),
        ("[1, 2.0]", "int32", 1, WRONG.format("2.0", "Number", "int32")),
        ("[0.25]", "uint8", 0, WRONG.format("0.25", "Number", "uint8")),
        ("[true]", "int64", 0, WRONG.format("true", "True", "int64")),
        ('["3"]', "int32", 0, WRONG.format('"3"', "String", "int32")),
        ("[256]", "uint8", 0, WRONG.format("256", "Number", "uint8")),
        ("[0, -1]", "uint8", 1, WRONG.format("-1", "Number", "uint8")),
        ("[-1]", "uint64", 0, WRONG.format("-1", "Number", "uint64")),
        ("[9223372036854775808]", "int64", 0, None),
        ("[2147483648]", "int32", 0, None),
        ("[1]", "bool", 0, WRONG.format("1", "Number", "bool")),
        ("[1]", "string", 0, WRONG.format("1", "Number", "string")),
        ("[[1, 2], [1]]", "float32", 1, "Expecting tensor size: 2 but got: 1"),
        ("[[[1], [2]], [[1, 2]]]", "float32", 1, "Expecting shape [2,1] but got: [1,2]"),
        ("[[1, 2], 3]", "float32", 1, "Expecting tensor size: 2 but got: 1"),
        ("[3, [1]]", "float32", 1, "Expecting shape [] but got: [1]"),
        (
            "[[[1, 2], [3]]]",
            "float32",
            0,
            "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
        ),
        ("[[1, [2]]]", "float32", 0, "Encountered list at unexpected level: 1 expected < 1"),
        (
            "[[[1], 2]]",
            "float32",
            0,
            "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
        ),
        ('[["a"], "b"]', "string", 1, "Expecting shape [1] but got: []"),
        ('[[[], ""]]', "float32", 0, None),
        ('[{"b64": "*"}]', "string", 0, "Unable to base64 decode"),
        ('[{"b64": "aGk==="}]', "string", 0, "Unable to base64 decode"),
        ('[{"b64": "a"}]', "string", 0, "Unable to base64 decode"),
        (
            "[1e39]",
            "float32",
            0,
            "Cannot convert JSON value: 1e+39 to float without loss of precision.",
        ),
        (
            "[16777217]",
            "float32",
            0,
            "Cannot convert JSON value: 16777217 to float without loss of precision.",
        ),
        ("[9007199254740993]", "float64", 0, None),
        ("[1]", "float16", 0, None),
    ],
)
def test_names_the_element_with_a_wrong_value(text, dtype, index, words):
    message = error(one, f'{{"instances": {text}}}', dtype)
    if words is None:
        assert message.startswith(FAILED.format(index).split("INVALID")[0])
    else:
        assert message == FAILED.format(index) + words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1]", "JSON Value: [\n    1\n] Is not object"),
        ("{}", "Missing 'inputs' or 'instances' key"),
        (
            '{"inputs": 1, "instances": [1]}',
            'JSON Value: {\n    "inputs": 1,\n    "instances": [\n        1\n    ]\n} '
            "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ",
        ),
        (
            '{"instances": []}',
            "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array",
        ),
        (
            '{"instances": 1}',
            "JSON Value: {\n    \"instances\": 1\n} Excepting 'instances' to be an list/array",
        ),
        (
            '{"signature_name": 100}',
            'JSON Value: {\n    "signature_name": 100\n} not formatted correctly. '
            "'signature_name' key must be a string value.",
        ),
        ('{"inputs": {"y": 1}}', "Missing named input: x in 'inputs' object."),
        ('{"inputs": ["a"]}', WRONG.format('"a"', "String", "float")),
        (
            '{"inputs": [[1], [2, 3]]}',
            "Encountered list at unexpected size: 2 at level: 1 expected size: 1",
        ),
        (
            '{"inputs": {"b64": "eA=="}}',
            WRONG.format('{\n    "b64": "eA=="\n}', "Object", "float"),
        ),
        (
            '{"instances": [{"x": 1}, 2]}',
            "Expecting object but got list at item 1 of input list",
        ),
        (
            '{"instances": [2, {"x": 1}]}',
            "Expecting value/list but got object at item 1 of input list",
        ),
        (
            '{"instances": [{"y": 1}]}',
            "Failed to process element: 0 key: y of 'instances' list. Error: INVALID_ARGUMENT: "
            "JSON object: does not have named input: y",
        ),
        (
            '{"instances": [{"x": 1}, {}]}',
            "Failed to process element: 1 of 'instances' list. JSON object: {} keys must be equal "
            "to: x",
        ),
    ],
)
def test_rejects_a_wrong_form_in_tf_servings_words(text, words):
    message = error(read, text, x="float32")
    assert message == words


def test_several_inputs_without_names_are_an_error():
    assert error(read, '{"instances": [1]}', a="int32", b="int32").startswith(
        "instances is a plain list, but expecting list of objects as multiple input tensors"
    )
    assert error(read, '{"inputs": [1]}', a="int32", b="int32").startswith(
        "inputs is a plain value/list, but expecting an object as multiple input tensors"
    )
    assert error(read, '{"inputs": [1]}') == "Failed to get input map for signature: DEFAULT"


def test_rejects_types_that_json_does_not_carry():
    message = error(one, '{"inputs": [1]}', "float16", code=grpc.StatusCode.UNIMPLEMENTED)
    assert message == "Conversion of JSON Value: 1 to type: half"


def test_an_error_shows_a_large_value_only_in_part():
    message = error(one, json.dumps({"instances": [], "more": [1] * 1_000_000}), "float32")
    assert len(message) < 1200
    assert message.endswith("… No values in 'instances' array")


def test_an_image_is_read_as_numpy_would():
    image = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 1), np.uint8)
    array = one(json.dumps({"instances": image.tolist()}), "uint8")
    np.testing.assert_array_equal(array, image)
    array = one(json.dumps({"instances": (image / 255).tolist()}), "float32")
    np.testing.assert_array_equal(array, (image / 255).astype(np.float32))
