import json
import math
import tracemalloc

import grpc
import pytest
from rest_json import error, infos, parse

from digitline.serving.bounds import limits
from digitline.serving.rest import json_examples, json_tensors


def short(value):
    """A test's name from a text that may be a million characters long."""
    return value[:30] if isinstance(value, str) else None


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
def test_rejects_malformed_json_in_rapidjsons_words(text, words):
    assert error(parse, text) == f"JSON Parse error: {words}"


def test_reads_bare_numbers_that_are_not_finite():
    numbers = parse('{"x": [NaN, Infinity, -Infinity, 1, 2.5]}')["x"]
    assert math.isnan(numbers[0])
    assert numbers[1:] == [math.inf, -math.inf, 1, 2.5]
    assert [type(number) for number in numbers[3:]] == [int, float]


def test_both_parsers_read_the_same():
    texts = [
        '{"a": [1, -2, 3.5, 1e3, true, false, null, "x", {}, []], "b": {"c": [[1], [2]]}}',
        '["\\u00e9\\n\\"\\\\ \\ud83d\\ude00 é", "", 18446744073709551615, 18446744073709551616]',
        '[0, -0.0, 123456789012345678901234567890, 1E-5, "]}[{", [[[]]], {"": {"": 0}}]',
    ]
    for text in texts:
        value, value_beside_nan = parse(text), parse(f"[NaN, {text}]")[1]
        assert json.dumps(value_beside_nan) == json.dumps(value)
    assert parse(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


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


def test_ends_long_work_at_its_deadline():
    many = b",[1]" * 100_000
    late = {"code": grpc.StatusCode.DEADLINE_EXCEEDED}
    words = "The request took longer than 0.005 seconds."
    assert error(parse, b"[NaN" + many + b"]", 64, limits.Effort(0.005), **late) == words
    effort = limits.Effort(0.005)
    for text in (b'{"instances":[[1]' + many + b',"x"]}', b'{"inputs":[[1]' + many + b',"x"]}'):
        document = parse(text)
        read_inputs = json_tensors.read_inputs
        assert error(read_inputs, document, infos(x="float32"), effort, **late) == words
    document = {"examples": [{"a": 1}] * 100_000}
    assert error(json_examples.read, document, 1 << 20, effort, **late) == words


def test_leaves_long_work_to_another_thread():
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
