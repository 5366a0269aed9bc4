import json
import math
import tracemalloc

import grpc
import numpy as np
import pytest
import tensorflow as tf

from digitline.serving import flags as serve_flags
from digitline.serving.core.servable import TensorInfo
from digitline.serving.protocol.status import StatusError
from digitline.serving.rest import answers, json_examples, json_tensors, json_text, limits


def infos(**dtypes):
    return {
        name: TensorInfo(tf.dtypes.as_dtype(dtype).as_datatype_enum, None)
        for name, dtype in dtypes.items()
    }


def parse(text, max_depth=64, effort=None):
    return json_text.parse(text.encode() if isinstance(text, str) else text, max_depth, effort)


def read(text, **dtypes):
    document = json_text.as_object(parse(text))
    json_tensors.signature_name(document)
    return json_tensors.read_inputs(document, infos(**dtypes))


def one(text, dtype):
    (array,) = read(text, x=dtype)[0].values()
    return array


def error(call, *arguments, code=grpc.StatusCode.INVALID_ARGUMENT, **options):
    with pytest.raises(StatusError) as caught:
        call(*arguments, **options)
    assert caught.value.code is code
    return caught.value.message


def short(value):
    """A test's name from a text that may be a million characters long."""
    return value[:30] if isinstance(value, str) else None


# --- parsing


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "The document is empty"),
        (" \n\t", "The document is empty. at offset: 3"),
        ("instances = [1, 2]", "Invalid value. at offset: 0"),
        ('{"a": nul}', "Invalid value. at offset: 9"),
        ('{"a": -x}', "Invalid value. at offset: 7"),
        ("[1,]", "Invalid value. at offset: 3"),
        ("[1 2]", "Missing a comma or ] after an array element. at offset: 3"),
        ("[01]", "Missing a comma or ] after an array element. at offset: 2"),
        ("[1", "Missing a comma or ] after an array element. at offset: 2"),
        ('{"a": 1 "b"}', "Missing a comma or } after an object member. at offset: 8"),
        ('{"a": 1,}', "Missing a name for object member. at offset: 8"),
        ("{a: 1}", "Missing a name for object member. at offset: 1"),
        ('{"a" 1}', "Missing a colon after a name of object member. at offset: 5"),
        ('["a]', "Missing a closing quotation mark in string. at offset: 4"),
        ('["\\q"]', "Invalid escape character in string. at offset: 2"),
        ('["\\u12g4"]', "Incorrect hex digit after \\u escape in string. at offset: 2"),
        ('["\\ud800"]', "The surrogate pair in string is invalid. at offset: 2"),
        ('["a\nb"]', "Invalid encoding in string. at offset: 3"),
        ("[NaN,\v1]", "Invalid value. at offset: 5"),
        ("[NaN,1,\f1]", "Invalid value. at offset: 7"),
        ("[[1,\v1]]", "Invalid value. at offset: 4"),
        (b'["\xff\\ud800"]', "The surrogate pair in string is invalid. at offset: 3"),
        ("[1.]", "Miss fraction part in number. at offset: 3"),
        ("[1e+]", "Miss exponent in number. at offset: 4"),
        ("[1, 1e400]", "Number too big to be stored in double. at offset: 4"),
        ("[" + "9" * 5000 + "]", "Number too big to be stored in double. at offset: 1"),
        ("{} x", "The document root must not be followed by other values. at offset: 3"),
        ("[" * 1_000_000, "Nested deeper than 64 levels."),
        ('{"a":' * 100_000, "Nested deeper than 64 levels."),
        ("[" * 65 + "]" * 65, "Nested deeper than 64 levels."),
    ],
    ids=short,
)
def test_what_is_no_json_is_met_in_rapidjsons_words(text, words):
    assert error(parse, text) == f"JSON Parse error: {words}"


def test_json_is_read_with_bare_numbers_that_are_not_finite():
    numbers = parse('{"x": [NaN, Infinity, -Infinity, 1, 2.5]}')["x"]
    assert math.isnan(numbers[0])
    assert numbers[1:] == [math.inf, -math.inf, 1, 2.5]
    assert [type(number) for number in numbers[3:]] == [int, float]


def test_the_slow_reader_reads_as_the_quick_one():
    texts = [
        '{"a": [1, -2, 3.5, 1e3, true, false, null, "x", {}, []], "b": {"c": [[1], [2]]}}',
        '["\\u00e9\\n\\"\\\\ \\ud83d\\ude00 é", "", 18446744073709551615, 18446744073709551616]',
        '[0, -0.0, 123456789012345678901234567890, 1E-5, "]}[{", [[[]]], {"": {"": 0}}]',
    ]
    for text in texts:
        quick, slow = parse(text), parse(f"[NaN, {text}]")[1]
        assert json.dumps(slow) == json.dumps(quick)
    assert parse(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_long_lists_and_strings_are_read_in_pieces():
    numbers = list(range(3000))
    for count in (0, 1, 499, 500, 501, 1000, 3000):
        found = parse(f"[[NaN], {numbers[:count]}, {{}}]")
        assert found[1:] == [numbers[:count], {}]
        text = "a\n\\é" * count
        assert parse(json.dumps([math.nan, text])) == [pytest.approx(math.nan, nan_ok=True), text]
    assert "Invalid value" in error(parse, f"{numbers[:-1]}"[:-1] + ",]")


@pytest.mark.parametrize(
    "body",
    [
        b'{"instances":[NaN' + b",1" * (1 << 18) + b"]}",
        b'["' + b"\\n" * (1 << 18) + b'"]',
        b'[NaN,"' + b"\\n" * (1 << 18) + b'"]',
        b'["' + b"\\n" * (1 << 18) + b'\xff"]',
    ],
    ids=["numbers", "escapes", "escapes after NaN", "bytes"],
)
def test_reading_takes_no_more_memory_than_the_values(body):
    tracemalloc.start()
    try:
        parse(body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20 * len(body)  # orjson asks for 12 times as much, and rarely uses it.


def test_long_work_ends_at_its_time():
    many = b",[1]" * 300_000
    late = {"code": grpc.StatusCode.DEADLINE_EXCEEDED}
    words = "The request took longer than 0.02 seconds."
    assert error(parse, b"[NaN" + many + b"]", 64, limits.Effort(0.02), **late) == words
    effort = limits.Effort(0.02)
    for text in (b'{"instances":[[1]' + many + b',"x"]}', b'{"inputs":[[1]' + many + b',"x"]}'):
        document = parse(text)
        read_inputs = json_tensors.read_inputs
        assert error(read_inputs, document, infos(x="float32"), effort, **late) == words
    document = {"examples": [{"a": 1}] * 300_000}
    assert error(json_examples.read, document, 1 << 20, effort, **late) == words


def test_work_that_is_too_long_for_the_event_loop_is_left_to_others():
    here = limits.Effort(here=True)
    assert parse(b"[NaN" + b",1" * 1000 + b"]", 64, here)
    with pytest.raises(limits.ElsewhereError):
        parse(b"[NaN" + b",[1]" * 10_000 + b"]", 64, here)
    here.go_elsewhere()
    assert len(parse(b"[NaN" + b",[1]" * 10_000 + b"]", 64, here)) == 10_001


def test_depth_counts_brackets_but_not_those_in_strings():
    assert parse('["[[[[", {"]": "\\"{{["}]', max_depth=2)
    assert "deeper than 2" in error(parse, '[{"a": [1]}]', max_depth=2)
    assert "deeper than 2" in error(parse, '["]]]", [[1], "[[["]]', max_depth=2)
    assert parse("[" * 64 + "]" * 64)
    assert parse(r'["\\\\", "\\\"[[", "\"", ["\\"]]', max_depth=2)
    assert "deeper than 2" in error(parse, r'["\\\\", [[1]], "\\\"]]"]', max_depth=2)


# --- requests


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
    (example,) = examples(b'{"examples": [{"a": "\xff"}]}')
    assert example.features.feature["a"].bytes_list.value == [b"\xff"]
    assert "is not UTF-8" in error(examples, b'{"examples": [{"\xff": 1}]}')
    assert "does not have named input" in error(one, b'{"instances": [{"\xff": 1}]}', "string")
    assert "of expected type: float" in error(one, b'{"instances": ["\xff"]}', "float32")


def test_tensors_of_too_many_dimensions():
    deepest = '{"inputs": ' + "[" * 63 + "1" + "]" * 63 + "}"
    assert one(deepest, "float32").ndim == 63
    for key in ("instances", "inputs"):
        document = parse(f'{{"{key}": {"[" * 70}1{"]" * 70}}}', max_depth=100)
        message = error(json_tensors.read_inputs, document, infos(x="float32"))
        assert "70 dimensions" in message
    with pytest.raises(Exception, match="max_json_depth"):
        serve_flags.FLAGS["max_json_depth"].parse("65")


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
def test_a_wrong_value_in_rows_is_named_with_its_element(text, dtype, index, words):
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
def test_a_wrong_form_is_met_in_tf_servings_words(text, words):
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


def test_types_that_json_does_not_carry():
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


# --- answers


def test_answers_in_rows_and_columns():
    outputs = {
        "scores": np.float32([[0.1, 1], [9e6, 3e-5]]),
        "classes": np.int64([7, 2**53 + 1]),
        "sure": np.array([True, False]),
        "names": np.array([b"a", "é".encode()], object),
        "png_bytes": np.array([b"\0\xff", b""], object),
    }
    rows = answers.predictions(outputs, rows=True)
    assert (
        rows
        == (
            '{"predictions":[{"scores":[0.1,1.0],"classes":7,"sure":true,"names":"a",'
            '"png_bytes":{"b64":"AP8="}},{"scores":[9000000.0,0.00003],"classes":9007199254740993,'
            '"sure":false,"names":"é","png_bytes":{"b64":""}}]}'
        ).encode()
    )
    columns = json.loads(answers.predictions(outputs, rows=False))["outputs"]
    assert columns["classes"] == [7, 2**53 + 1]
    assert columns["png_bytes"] == [{"b64": "AP8="}, {"b64": ""}]


def test_a_single_output_loses_its_name():
    answer = answers.predictions
    assert answer({"y": np.float32([2, 0.5])}, rows=True) == b'{"predictions":[2.0,0.5]}'
    assert answer({"y": np.float32([[1]])}, rows=False) == b'{"outputs":[[1.0]]}'
    for scalar, text in [(np.float32(0.1), b"0.1"), (np.uint8(3), b"3"), (np.bool_(1), b"true")]:
        assert answer({"y": np.array(scalar)}, rows=False) == b'{"outputs":' + text + b"}"
    assert answer({"y": np.array(b"x", object)}, rows=False) == b'{"outputs":"x"}'
    assert answer({"y": np.zeros((2, 0), "f4")}, rows=True) == b'{"predictions":[[],[]]}'
    turned = np.float64([[1, 2], [3, 4]]).T
    assert answer({"y": turned}, rows=True) == b'{"predictions":[[1.0,3.0],[2.0,4.0]]}'


def test_numbers_that_are_not_finite_are_written_bare():
    values = np.float32([[np.nan, np.inf], [3, -np.inf], [0.1, 1]])
    assert answers.predictions({"y": values}, rows=True) == (
        b'{"predictions":[[NaN,Infinity],[3.0,-Infinity],[0.1,1.0]]}'
    )
    both = {"y": values[:, 0], "null": np.array(b"null", object).reshape(1).repeat(3)}
    assert answers.predictions(both, rows=True) == (
        b'{"predictions":[{"y":NaN,"null":"null"},{"y":3.0,"null":"null"},{"y":0.1,"null":"null"}]}'
    )
    assert answers.predictions({"y": np.array(np.nan)}, rows=False) == b'{"outputs":NaN}'
    assert answers.regressions([0.1, math.inf]) == b'{"results":[0.1,Infinity]}'
    assert answers.classifications([[("a", float(np.float32(0.2))), ("", math.nan)]]) == (
        b'{"results":[[["a",0.2],["",NaN]]]}'
    )


def test_bytes_that_are_not_utf_8_are_written_as_they_are():
    array = np.array([b'\xff"\n', "é".encode()], object)
    assert answers.predictions({"y": array}, rows=True) == (
        b'{"predictions":["\xff\\"\\n","\xc3\xa9"]}'
    )


def test_answers_of_any_byte_order():
    outputs = {"f": np.array([0.5, np.nan], ">f4"), "i": np.array([1, 2], ">i8")}
    assert answers.predictions(outputs, rows=False) == (b'{"outputs":{"f":[0.5,NaN],"i":[1,2]}}')


def test_the_weight_of_strings_is_that_of_their_bytes():
    assert answers.size_of({"a": np.array([b"x" * 1000, b""], object)}) >= 1000
    assert answers.size_of({"a": np.zeros((10, 10), "f4")}) == 400


def test_outputs_that_rows_cannot_hold():
    answer = answers.predictions
    uneven = {"a": np.zeros(2, "f4"), "b": np.zeros(3, "f4")}
    assert error(answer, uneven, True) == (
        "Tensor name: b has inconsistent batch size: 3 expecting: 2"
    )
    assert json.loads(answer(uneven, False)) == {"outputs": {"a": [0, 0], "b": [0, 0, 0]}}
    assert error(answer, {"a": np.array(1)}, True) == "Tensor name: a has no shape information "
    assert error(answer, {"a": np.zeros((0, 2))}, True) == (
        "Tensor name: a has invalid batch size: 0"
    )
    assert error(answer, {"a": np.zeros(1, "c8")}, True) == (
        "Failed to write JSON value for tensor type: complex64"
    )


# --- examples


def examples(text):
    return [tf.train.Example.FromString(each) for each in json_examples.read(parse(text), 1 << 20)]


def test_examples_have_features_of_three_kinds_and_a_context():
    first, second = examples(
        '{"context": {"query": "pizza", "age": 1}, "examples": [{"names": ["foo", {"b64": '
        '"AP8="}], "ratings": [8.0, NaN, Infinity], "age": 20, "mix": [1, true, false]}, {}]}'
    )
    features = first.features.feature
    assert list(features["names"].bytes_list.value) == [b"foo", b"\0\xff"]
    assert features["ratings"].float_list.value[0] == 8
    assert math.isnan(features["ratings"].float_list.value[1])
    assert list(features["age"].int64_list.value) == [20]
    assert list(features["mix"].int64_list.value) == [1, 1, 0]
    assert list(features["query"].bytes_list.value) == [b"pizza"]
    assert list(second.features.feature["age"].int64_list.value) == [1]
    (bare,) = examples('{"examples": [{"none": []}]}')
    assert bare.features.feature["none"].WhichOneof("kind") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"context": []}', "Example must be JSON object but got JSON Array"),
        ("{}", "key 'examples' is expected and was not found"),
        ('{"examples": {}}', "Expecting 'examples' value to be an list/array"),
        ('{"examples": []}', "'examples' value is an empty array"),
        ('{"examples": [1]}', "Example must be JSON object but got JSON Number"),
        ('{"examples": [{"a": [1, null]}]}', "a has element with unexpected JSON type: Null"),
        ('{"examples": [{"a": [1, [2]]}]}', "a has element with unexpected JSON type: Array"),
        ('{"examples": [{"a": {"t": 1}}]}', "a has element with unexpected JSON type: Object"),
        ('{"examples": [{"a": [1, 1.0]}]}', "in feature: a expecting type: int64"),
        ('{"examples": [{"a": ["x", 1]}]}', "in feature: a expecting type: bytes"),
        ('{"examples": [{"a": [1, 18446744073709551603]}]}', "Only int64 is supported."),
        ('{"examples": [{"a": 1e300}]}', "to float without loss of precision."),
        ('{"examples": [{"a": {"b64": "*"}}]}', "Unable to base64 decode"),
    ],
)
def test_wrong_examples(text, words):
    assert error(examples, text).endswith(words)
