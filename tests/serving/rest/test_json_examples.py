import math

import pytest
import tensorflow as tf
from rest_json import error, parse

from digitline.serving.bounds.limits import Effort
from digitline.serving.rest import json_examples


def examples(text):
    return [
        tf.train.Example.FromString(data)
        for data in json_examples.read(parse(text), 1 << 20, Effort())
    ]


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
def test_rejects_wrong_examples(text, words):
    assert error(examples, text).endswith(words)


def test_strings_need_not_be_utf_8_but_names_must():
    (example,) = examples(b'{"examples": [{"a": "\xff"}]}')
    assert example.features.feature["a"].bytes_list.value == [b"\xff"]
    assert "is not UTF-8" in error(examples, b'{"examples": [{"\xff": 1}]}')
