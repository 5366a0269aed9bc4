import json
import math

import numpy as np
import orjson
import pytest
from rest_json import error

from digitline.serving.rest import answers


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


def test_the_size_of_strings_is_that_of_their_bytes():
    assert answers.size_of({"a": np.array([b"x" * 1000, b""], object)}) >= 1000
    assert answers.size_of({"a": np.zeros((10, 10), "f4")}) == 400


def test_rejects_outputs_that_rows_cannot_hold():
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


@pytest.mark.parametrize("shape", [(300_000,), (3, 100_000), (5000, 4, 20)])
def test_large_answers_are_written_in_pieces(shape):
    array = np.random.default_rng(1).random(shape, np.float32)
    assert json.loads(answers.predictions({"y": array}, True)) == {
        "predictions": json.loads(orjson.dumps(array, option=orjson.OPT_SERIALIZE_NUMPY))
    }
    two = {"y": array, "z": np.zeros(len(array), np.int64)}
    text = json.loads(answers.predictions(two, True))["predictions"]
    assert len(text) == len(array)
    np.testing.assert_array_equal(np.float32([row["y"] for row in text]), array)
