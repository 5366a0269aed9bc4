import base64
import http.client
import json
import random

import numpy as np
import pytest
import tensorflow as tf
from rest_serving import NAME, PREDICT, answer, ask, post, refusal, serving

from digitline.serving.bounds.limits import Limits
from digitline.serving.core import saved_model
from digitline.serving.flags import ServeOptions

NAN = float("nan")


class Toy(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, "x")])
    def double(self, x):
        return {"y": x * 2}

    @tf.function(input_signature=[tf.TensorSpec([None, 28, 28, 1], tf.uint8, "images")])
    def mean(self, images):
        values = tf.reduce_mean(tf.cast(images, tf.float32), [1, 2, 3])
        return {"mean": values, "size": tf.fill(tf.shape(values), tf.constant(784, tf.int64))}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.int32, "count"),
            tf.TensorSpec([None], tf.string, "text"),
        ]
    )
    def repeat(self, count, text):
        return {"text_bytes": text, "next": count + 1, "total": tf.reduce_sum(count)[None]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "inputs")])
    def classify(self, inputs):
        age = self.ages(inputs)
        return {
            "classes": tf.fill([tf.size(age), 2], "old"),
            "scores": tf.stack([age / 10, -age], axis=1),
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "inputs")])
    def regress(self, inputs):
        return {"outputs": self.ages(inputs)[:, None]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "seconds")])
    def spread(self, seconds):
        return {"y": tf.repeat(seconds, 20000)[None]}

    def ages(self, inputs):
        parsed = tf.io.parse_example(inputs, {"age": tf.io.FixedLenFeature([], tf.int64)})
        return tf.cast(parsed["age"], tf.float32)


@pytest.fixture(scope="module")
def servable(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "toy" / "3"
    toy = Toy()
    tf.saved_model.save(
        toy,
        str(folder),
        signatures={
            "serving_default": toy.double,
            "images": toy.mean,
            "repeat": toy.repeat,
            "classify": toy.classify,
            "regress": toy.regress,
            "spread": toy.spread,
        },
    )
    return saved_model.load(folder, ServeOptions())


@pytest.fixture(scope="module")
def server(servable):
    with serving(servable, limits=Limits(body_bytes=1 << 20)) as running:
        yield running


def test_predict_in_rows_and_columns(server):
    rows = {"instances": [[1, 2.5], [NAN, 4]]}
    text = json.dumps(rows)
    assert "NaN" in text
    assert repr(post(server, text)) == "{'predictions': [[2.0, 5.0], [nan, 8.0]]}"
    assert post(server, {"instances": [{"x": [1, 2]}]}) == {"predictions": [[2.0, 4.0]]}
    assert post(server, {"inputs": [[1, 2]]}) == {"outputs": [[2.0, 4.0]]}
    assert post(server, {"inputs": {"x": [[1, 2]]}, "signature_name": ""}) == {
        "outputs": [[2.0, 4.0]]
    }


def test_predict_with_several_inputs_and_outputs(server):
    body = {
        "signature_name": "repeat",
        "instances": [{"count": 1, "text": {"b64": "AP8="}}],
    }
    assert post(server, body) == {
        "predictions": [{"text_bytes": {"b64": "AP8="}, "next": 2, "total": 1}]
    }
    columns = {"signature_name": "repeat", "inputs": {"count": [1, 2], "text": ["a", "é"]}}
    text = [{"b64": base64.b64encode(word.encode()).decode()} for word in ("a", "é")]
    assert post(server, columns) == {"outputs": {"text_bytes": text, "next": [2, 3], "total": [3]}}
    body["instances"] *= 2
    status, text = refusal(server, "POST", PREDICT, body)
    assert (status, "has inconsistent batch size: " in text) == (400, True)


def test_predict_of_images(server):
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1))
    answers = post(server, {"signature_name": "images", "instances": images.tolist()})
    means = [row["mean"] for row in answers["predictions"]]
    np.testing.assert_allclose(means, images.mean((1, 2, 3)), rtol=1e-5)
    assert {row["size"] for row in answers["predictions"]} == {784}


@pytest.mark.parametrize(
    "model",
    [f"{NAME}/versions/3", f"{NAME}/versions/{'0' * 5000}3", f"{NAME}/labels/stable"],
    ids=["version", "zeros", "label"],
)
def test_versions_and_labels(server, model):
    assert post(server, {"instances": [[1, 2]]}, model=model) == {"predictions": [[2.0, 4.0]]}


@pytest.mark.parametrize(
    "path",
    ["/V1/Models/toy:predict", "/v1/MODELS/toy/Versions/3:Predict", "/v1/models/t%6fy:predict"],
)
def test_paths_are_case_insensitive_but_names_are_not(server, path):
    assert answer(server, "POST", path, {"inputs": [[1, 2]]}) == {"outputs": [[2.0, 4.0]]}
    assert refusal(server, "POST", "/v1/models/Toy:predict", {"inputs": 1})[0] == 404


def test_classify_and_regress(server):
    body = {"signature_name": "classify", "examples": [{"age": 2}, {"age": [3]}]}
    assert post(server, body, "classify") == {
        "results": [[["old", 0.2], ["old", -2.0]], [["old", 0.3], ["old", -3.0]]]
    }
    body = {"signature_name": "regress", "context": {"age": 7}, "examples": [{}, {"age": 3}]}
    assert post(server, body, "regress") == {"results": [7.0, 3.0]}
    status, text = refusal(server, "POST", f"{NAME}:classify", {"examples": [{"a": 1}]})
    assert (status, "No classification inputs found in SignatureDef" in text) == (400, True)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("POST", "/v1/models/x:predict", "{}", 404, "Servable not found for request: Latest(x)"),
        (
            "POST",
            f"{NAME}/versions/9:predict",
            "{}",
            404,
            "Servable not found for request: Specific(toy, 9)",
        ),
        (
            "POST",
            f"{NAME}/labels/no:predict",
            "{}",
            400,
            "Unrecognized servable version label: no",
        ),
        (
            "POST",
            PREDICT,
            '{"signature_name": "S"}',
            400,
            'Serving signature name: "S" not found in signature def',
        ),
        ("POST", PREDICT, "", 400, "JSON Parse error: The document is empty"),
        ("POST", "/v1/models/x:predict", "x", 400, "JSON Parse error: Invalid value. at offset: 0"),
        ("POST", "/v1/models/x:regress", "x", 400, "JSON Parse error: Invalid value. at offset: 0"),
        ("POST", "/v1/models/x:predict", "5", 400, "JSON Value: 5 Is not object"),
        ("POST", PREDICT, "{}", 400, "Missing 'inputs' or 'instances' key"),
        (
            "POST",
            PREDICT,
            '{"instances": ["x", "y"]}',
            400,
            "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: JSON "
            'Value: "x" Type: String is not of expected type: float',
        ),
        ("GET", "/v1/models/x", None, 404, "Could not find any versions of model x"),
        ("GET", "/v1/models/x/metadata", None, 404, "Servable not found for request: Latest(x)"),
        ("GET", "/v1/models/labels/stable", None, 400, "Missing model name in request."),
        ("GET", "/v1/models/versions/1", None, 400, "Missing model name in request."),
        ("GET", "/v1/foo", None, 400, "Malformed request: GET /v1/foo"),
        ("GET", PREDICT, None, 400, f"Malformed request: GET {NAME}:predict"),
        ("POST", NAME, "{}", 400, f"Malformed request: POST {NAME}"),
        ("POST", f"{NAME}/metadata", "{}", 400, f"Malformed request: POST {NAME}/metadata"),
        ("POST", f"{NAME}:predict?a=1", "{}", 400, f"Malformed request: POST {NAME}:predict?a=1"),
        ("GET", f"{NAME}?", None, 400, f"Malformed request: GET {NAME}?"),
        ("PUT", NAME, "{}", 400, f"Malformed request: PUT {NAME}"),
        ("OPTIONS", NAME, None, 400, f"Malformed request: OPTIONS {NAME}"),
        ("PATCH", NAME, None, 400, f"Malformed request: PATCH {NAME}"),
        (
            "POST",
            f"{NAME}/versions/1/labels/a:predict",
            "{}",
            400,
            f"Malformed request: POST {NAME}/versions/1/labels/a:predict",
        ),
        (
            "GET",
            f"{NAME}/versions/18446744073709551615",
            None,
            400,
            "Failed to convert version: 18446744073709551615 to numeric.",
        ),
        ("GET", f"{NAME}/versions/{'9' * 25}", None, 400, None),
        ("GET", "/nothing", None, 404, "Not found: GET /nothing"),
        ("POST", "/healthz", "{}", 404, "Not found: POST /healthz"),
    ],
)
def test_answers_errors_in_tf_servings_words(server, method, path, body, status, text):
    refused = refusal(server, method, path, body)
    assert refused == (status, text or refused[1])


def test_an_error_of_the_model_keeps_its_status(server):
    body = {"signature_name": "regress", "examples": [{"years": 1}]}
    assert refusal(server, "POST", f"{NAME}:regress", body)[0] == 400


def test_lists_the_models_and_names_the_version_that_answers(server):
    status = answer(server, "GET", NAME)
    assert answer(server, "GET", "/v1/models") == {"models": [{"name": "toy", **status}]}
    for method, path, body in (
        ("POST", PREDICT, '{"inputs": [[1, 2]]}'),
        ("POST", f"{NAME}:regress", '{"signature_name": "regress", "examples": [{"age": 1}]}'),
        ("GET", f"{NAME}/metadata", None),
    ):
        assert ask(server, method, path, body).headers["Model-Version"] == "3"
    assert "Model-Version" not in ask(server, "POST", PREDICT, "{}").headers


def test_head_has_the_status_without_a_body(server):
    response = ask(server, "HEAD", NAME)
    assert (response.status, response.body) == (400, b"")


def test_status(server):
    version = {"state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    assert answer(server, "GET", f"{NAME}/versions/3") == {
        "model_version_status": [
            {"version": "4", **version, "state": "LOADING"},
            {"version": "3", **version},
        ]
    }


@pytest.mark.parametrize("path", [f"{NAME}/metadata", f"{NAME}/labels/stable/metadata"])
def test_metadata(server, path):
    metadata = answer(server, "GET", path)
    assert metadata["model_spec"] == {"name": "toy", "signature_name": "", "version": "3"}
    signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    tensor = signature["inputs"]["x"]
    assert tensor["dtype"] == "DT_FLOAT"
    assert tensor["name"].endswith(":0")
    assert tensor["tensor_shape"] == {
        "dim": [{"size": "-1", "name": ""}, {"size": "2", "name": ""}],
        "unknown_rank": False,
    }


def test_other_routes(server):
    response = ask(server, "GET", "/healthz")
    assert (response.status, response.body) == (200, b"ok")


@pytest.mark.parametrize("count", [600, pytest.param(2500, marks=pytest.mark.long)])
def test_rejects_malformed_requests_by_the_thousand(server, count):
    rng = random.Random(0)
    good = json.dumps(
        {"signature_name": "repeat", "instances": [{"count": 1, "text": {"b64": "AP8="}}] * 2}
    ).encode()
    pieces = [b"[", b"]", b"{", b"}", b'"', b",", b":", b"-", b"1e999", b"\\u", b"\xff", b"\0"]
    pieces += [b"NaN", b"null", b"true", b"9" * 400, b"[" * 2000, b'{"a":' * 2000, b"0.5", b"\\"]

    def spoil(data):
        data = bytearray(data)
        for _ in range(rng.randrange(1, 4)):
            start = rng.randrange(len(data) + 1)
            kind = rng.randrange(3)
            if kind == 0:
                data[start:start] = rng.choice(pieces)
            elif kind == 1:
                del data[start : start + rng.randrange(1, 20)]
            else:
                data[start : start + 1] = bytes([rng.randrange(256)])
        return bytes(data)

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    counts = dict.fromkeys(("answers", "errors"), 0)
    for _ in range(count):
        connection.request("POST", PREDICT, spoil(good))
        response = connection.getresponse()
        body = response.read()
        if response.status == 200:  # Some changes leave a request that is right.
            counts["answers"] += 1
            continue
        counts["errors"] += 1
        assert 400 <= response.status < 500, body
        assert list(json.loads(body)) == ["error"]
    connection.close()
    assert counts["errors"] > 0.8 * count
    assert post(server, {"inputs": [[1, 2]]}) == {"outputs": [[2.0, 4.0]]}


def test_rejects_bodies_that_are_nested_too_deep(server):
    for body in (b"[" * 1_000_000, b'{"instances":' + b"[" * 1_000_000, b'{"a":' * 200_000):
        status, text = refusal(server, "POST", PREDICT, body)
        assert status == 400
        assert "Nested deeper than 64 levels" in text
    deep = "[" * 60 + "1" + "]" * 60
    assert json.dumps(post(server, f'{{"instances": {deep}}}')["predictions"]).count("[") == 60
    for text in (f'{{"inputs": [[1, {deep}]]}}', f'{{"a": {deep}}}'):
        assert refusal(server, "POST", PREDICT, text)[0] == 400
    assert post(server, {"inputs": [[1, 2]]})
