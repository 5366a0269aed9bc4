import asyncio
import base64
import concurrent.futures
import contextlib
import enum
import gzip
import http.client
import json
import random
import socket
import threading
import time
from types import SimpleNamespace

import grpc
import numpy as np
import pytest
import tensorflow as tf
from aiohttp import web

from digitline.serving.core import saved_model
from digitline.serving.core.executor import direct
from digitline.serving.protocol.status import HTTP_STATUS, StatusError, invalid
from digitline.serving.rest import api as rest_api
from digitline.serving.rest import server as rest_server

NAME = "/v1/models/toy"
NAN = float("nan")
State = enum.IntEnum("State", {"LOADING": 20, "AVAILABLE": 30})


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
    return saved_model.load(folder, saved_model.SessionOptions())


class Models:
    """Leases one version, and can hold its calls up."""

    def __init__(self, servable):
        self.leases = 0
        self.held = threading.Event()
        self.held.set()
        self.pool = concurrent.futures.ThreadPoolExecutor(4)
        run = self._run(direct(servable, self.pool))
        self.version = SimpleNamespace(name="toy", version=3, servable=servable, run=run)

    def _run(self, run):
        async def held(*arguments):
            if not self.held.is_set():
                await asyncio.get_running_loop().run_in_executor(self.pool, self.held.wait, 20)
            return await run(*arguments)

        return held

    @contextlib.contextmanager
    def lease(self, target):
        if target.label not in (None, "stable"):
            raise invalid(f"Unrecognized servable version label: {target.label}")
        if target.name != "toy" or target.version not in (None, 3):
            which = (
                "Latest({0.name})" if target.version is None else "Specific({0.name}, {0.version})"
            )
            raise StatusError(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {which.format(target)}"
            )
        self.leases += 1
        try:
            yield self.version
        finally:
            self.leases -= 1

    def status(self, target):
        if target.name != "toy":
            raise StatusError(
                grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {target.name}"
            )
        return [
            SimpleNamespace(version=4, state=State.LOADING, error_code=0, error_message=""),
            SimpleNamespace(version=3, state=State.AVAILABLE, error_code=0, error_message=""),
        ]


@contextlib.contextmanager
def serving(servable, **options):
    """A server in a thread with a loop of its own."""
    models = Models(servable)
    observed = []
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start():
        app = rest_api.application(
            models,
            observe=observed.append,
            **options,
        )
        runner = rest_server.Runner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return runner, runner.addresses[0][1]

    runner, port = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield SimpleNamespace(port=port, models=models, observed=observed)
    finally:
        models.held.set()
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        models.pool.shutdown()


@pytest.fixture(scope="module")
def server(servable):
    async def healthz(request):
        return web.Response(text="ok")

    routes = [web.get("/healthz", healthz)]
    limits = rest_api.Limits(body_bytes=1 << 20)
    with serving(servable, routes=routes, limits=limits) as found:
        yield found


def ask(server, method, path, body=None, headers=None):
    """An HTTP answer: status, headers, body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        if isinstance(body, dict | list):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return SimpleNamespace(
            status=response.status, headers=response.headers, body=response.read()
        )
    finally:
        connection.close()


def answer(server, method, path, body=None, **options):
    """The JSON of an answer that is no error."""
    found = ask(server, method, path, body, **options)
    assert found.status == 200, found.body
    assert found.headers["Content-Type"] == "application/json"
    return json.loads(found.body)


def refusal(server, method, path, body=None, **options):
    """Status and text of an error."""
    found = ask(server, method, path, body, **options)
    assert found.headers["Content-Type"] == "application/json"
    (item,) = json.loads(found.body).items()
    assert item[0] == "error"
    return found.status, item[1]


def post(server, body, method="predict", model=NAME):
    return answer(server, "POST", f"{model}:{method}", body)


def until(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def raw(server, data, timeout=20):
    """What the server sends back to these bytes until it closes or pauses."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=timeout) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(data)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response.status, response.headers, response.read()


# --- predict


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
    text = [{"b64": base64.b64encode(each.encode()).decode()} for each in ("a", "é")]
    assert post(server, columns) == {"outputs": {"text_bytes": text, "next": [2, 3], "total": [3]}}
    body["instances"] *= 2
    status, text = refusal(server, "POST", f"{NAME}:predict", body)
    assert (status, "has inconsistent batch size: " in text) == (400, True)


def test_predict_of_images(server):
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1))
    found = post(server, {"signature_name": "images", "instances": images.tolist()})
    means = [each["mean"] for each in found["predictions"]]
    np.testing.assert_allclose(means, images.mean((1, 2, 3)), rtol=1e-5)
    assert {each["size"] for each in found["predictions"]} == {784}


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
def test_paths_have_no_case_but_names_do(server, path):
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


# --- errors


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
            f"{NAME}:predict",
            '{"signature_name": "S"}',
            400,
            'Serving signature name: "S" not found in signature def',
        ),
        ("POST", f"{NAME}:predict", "", 400, "JSON Parse error: The document is empty"),
        ("POST", "/v1/models/x:predict", "x", 400, "JSON Parse error: Invalid value. at offset: 0"),
        ("POST", "/v1/models/x:regress", "x", 400, "JSON Parse error: Invalid value. at offset: 0"),
        ("POST", "/v1/models/x:predict", "5", 400, "JSON Value: 5 Is not object"),
        ("POST", f"{NAME}:predict", "{}", 400, "Missing 'inputs' or 'instances' key"),
        (
            "POST",
            f"{NAME}:predict",
            '{"instances": ["x", "y"]}',
            400,
            "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: JSON "
            'Value: "x" Type: String is not of expected type: float',
        ),
        ("GET", "/v1/models/x", None, 404, "Could not find any versions of model x"),
        ("GET", "/v1/models/x/metadata", None, 404, "Servable not found for request: Latest(x)"),
        ("GET", "/v1/models", None, 400, "Missing model name in request."),
        ("GET", "/v1/models/versions/1", None, 400, "Missing model name in request."),
        ("GET", "/v1/foo", None, 400, "Malformed request: GET /v1/foo"),
        ("GET", f"{NAME}:predict", None, 400, f"Malformed request: GET {NAME}:predict"),
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
def test_errors(server, method, path, body, status, text):
    found = refusal(server, method, path, body)
    assert found == (status, text or found[1])


def test_a_wrong_shape_is_the_models_to_refuse(server):
    status, text = refusal(server, "POST", f"{NAME}:predict", {"instances": [[1, 2, 3]]})
    assert (status, text) == (
        400,
        "Expects input 'x' to have shape [?,2] but [1,3] is provided",
    )


def test_an_error_of_the_model_has_its_status(server):
    body = {"signature_name": "regress", "examples": [{"years": 1}]}
    assert refusal(server, "POST", f"{NAME}:regress", body)[0] == 400


def test_head_has_the_status_without_a_body(server):
    found = ask(server, "HEAD", NAME)
    assert (found.status, found.body) == (400, b"")


def test_codes_map_to_statuses():
    assert set(HTTP_STATUS) == set(grpc.StatusCode)
    assert HTTP_STATUS[grpc.StatusCode.RESOURCE_EXHAUSTED] == 429
    assert HTTP_STATUS[grpc.StatusCode.UNIMPLEMENTED] == 501


# --- status, metadata, routes, hooks


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
    found = answer(server, "GET", path)
    assert found["model_spec"] == {"name": "toy", "signature_name": "", "version": "3"}
    signature = found["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    tensor = signature["inputs"]["x"]
    assert tensor["dtype"] == "DT_FLOAT"
    assert tensor["name"].endswith(":0")
    assert tensor["tensor_shape"] == {
        "dim": [{"size": "-1", "name": ""}, {"size": "2", "name": ""}],
        "unknown_rank": False,
    }


def test_other_routes(server):
    found = ask(server, "GET", "/healthz")
    assert (found.status, found.body) == (200, b"ok")


def test_each_request_to_a_model_is_observed_once_and_logged(server):
    server.observed.clear()
    post(server, {"instances": [[1, 2]]})
    refusal(server, "POST", "/v1/models/x:classify", {"examples": [{}]})
    answer(server, "GET", NAME)
    refusal(server, "GET", "/v1/none")
    until(lambda: len(server.observed) == 4)
    assert [(each.model, each.api, each.code, each.http.status) for each in server.observed] == [
        ("toy", "predict", "OK", 200),
        ("x", "classify", "NOT_FOUND", 404),
        ("toy", "status", "OK", 200),
        (None, "", "INVALID_ARGUMENT", 400),
    ]
    assert all(0 < each.seconds < 10 for each in server.observed)
    line = json.loads(server.observed[0].to_line())
    assert line.pop("time") > 1e9
    assert line.pop("milliseconds") > 0
    assert line == {
        "remote": "127.0.0.1",
        "method": "POST",
        "path": f"{NAME}:predict",
        "model": "toy",
        "status": 200,
        "code": "OK",
        "request_bytes": 23,
        "response_bytes": 27,
    }


# --- HTTP


def test_cors_only_where_it_is_wanted(server, servable):
    assert "Access-Control-Allow-Origin" not in ask(server, "GET", NAME).headers
    with serving(servable, cors=True) as open_server:
        for found in (
            ask(open_server, "OPTIONS", f"{NAME}:predict", headers={"Origin": "http://a.example"}),
            ask(open_server, "GET", NAME),
            ask(open_server, "GET", "/v1/none"),
        ):
            assert found.headers["Access-Control-Allow-Origin"] == "*"
            assert found.headers["Access-Control-Allow-Methods"] == "POST, GET"
            assert found.headers["Access-Control-Allow-Headers"] == "Content-Type"
        assert ask(open_server, "OPTIONS", f"{NAME}:predict").status == 200


PACKED = {"Content-Encoding": "gzip"}


def test_gzip_bodies(server):
    for count in (1, 20_000):  # The second is unpacked beside the event loop.
        body = gzip.compress(json.dumps({"inputs": [[1, 2]] * count}).encode())
        found = answer(server, "POST", f"{NAME}:predict", body, headers=PACKED)
        assert found == {"outputs": [[2.0, 4.0]] * count}


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"",
        gzip.compress(b'{"inputs": 1}', mtime=0)[:-5],
        gzip.compress(b"{}", mtime=0) + b"more",
    ],
)
def test_damaged_gzip(server, body):
    found = refusal(server, "POST", f"{NAME}:predict", body, headers=PACKED)
    assert found == (400, "Failed to uncompress the gzipped body")


def test_a_body_that_unpacks_to_too_much_is_refused(server):
    for size in (2 << 20, 50 << 20):
        body = gzip.compress(b" " * size, mtime=0)
        found = refusal(server, "POST", f"{NAME}:predict", body, headers=PACKED)
        assert found == (413, "The request's body is larger than 1048576 bytes.")


def test_large_answers_are_packed_for_clients_that_can_unpack(server):
    body = json.dumps({"signature_name": "spread", "instances": [0.1]})
    path = f"{NAME}:predict"
    for accepted in ("gzip, deflate", "br;q=1.0, gzip;q=0.5"):
        found = ask(server, "POST", path, body, {"Accept-Encoding": accepted})
        assert found.headers["Content-Encoding"] == "gzip"
        assert json.loads(gzip.decompress(found.body))["predictions"][0][:2] == [0.1, 0.1]
    for refused in ("", "gzip;q=0", "br"):
        found = ask(server, "POST", path, body, {"Accept-Encoding": refused})
        assert "Content-Encoding" not in found.headers
        assert len(json.loads(found.body)["predictions"][0]) == 20000
    small = ask(server, "POST", path, '{"inputs": [[1, 2]]}', {"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in small.headers


def test_bodies_that_are_too_large(server):
    path = f"{NAME}:predict"
    body = b'{"inputs": [[1, 2]]}' + b" " * (1 << 20)
    too_large = (413, "The request's body is larger than 1048576 bytes.")
    assert refusal(server, "POST", path, body) == too_large
    # In pieces, without a stated length.
    assert refusal(server, "POST", path, iter([body])) == too_large
    # A client that asks before it sends is told at once.
    status, _, _ = raw(
        server,
        f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n"
        "Expect: 100-continue\r\n\r\n".encode(),
    )
    assert status == 413


def test_clients_that_ask_before_they_send(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        body = b'{"inputs": [[1, 2]]}'
        connection.sendall(
            f"POST {NAME}:predict HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n"
            "Expect: 100-continue\r\n\r\n".encode()
        )
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert json.loads(response.read()) == {"outputs": [[2.0, 4.0]]}


# --- limits, timeouts, clients that go


@pytest.fixture
def strict(servable):
    with serving(servable, limits=rest_api.Limits(seconds=0.3, requests=2)) as found:
        yield found


def test_a_call_that_takes_too_long_ends_in_504_and_keeps_its_version(strict):
    strict.models.held.clear()
    status, text = refusal(strict, "POST", f"{NAME}:predict", {"inputs": [[1, 2]]})
    assert (status, text) == (504, "The request took longer than 0.3 seconds.")
    assert strict.models.leases == 1  # Its call still runs.
    strict.models.held.set()
    until(lambda: strict.models.leases == 0)
    assert post(strict, {"inputs": [[1, 2]]}) == {"outputs": [[2.0, 4.0]]}
    assert [each.code for each in strict.observed] == ["DEADLINE_EXCEEDED", "OK"]


def test_a_body_that_does_not_come_ends_in_504(strict):
    start = f"POST {NAME}:predict HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n{{".encode()
    status, headers, body = raw(strict, start)
    assert (status, headers["Content-Type"]) == (504, "application/json")
    assert json.loads(body) == {"error": "The request took longer than 0.3 seconds."}
    assert post(strict, {"inputs": [[1, 2]]})


def test_too_many_requests_at_once_are_refused(servable):
    with serving(servable, limits=rest_api.Limits(requests=2)) as server:
        server.models.held.clear()
        with concurrent.futures.ThreadPoolExecutor(2) as clients:
            waiting = [clients.submit(post, server, {"inputs": [[1, 2]]}) for _ in range(2)]
            until(lambda: server.models.leases == 2)
            found = ask(server, "POST", f"{NAME}:predict", "{}")
            assert (found.status, found.headers["Retry-After"]) == (503, "1")
            assert "error" in json.loads(found.body)
            assert answer(server, "GET", NAME)  # Nobody has to wait to look.
            server.models.held.set()
            assert [each.result() for each in waiting] == [{"outputs": [[2.0, 4.0]]}] * 2
        assert post(server, {"inputs": [[1, 2]]})


def test_a_client_that_goes_leaves_nothing_behind(servable):
    with serving(servable, limits=rest_api.Limits(requests=1)) as server:
        server.models.held.clear()
        body = b'{"inputs": [[1, 2]]}'
        head = f"POST {NAME}:predict HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
        for sent in (head.encode() + body, head.encode() + b"{"):
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                connection.sendall(sent)
                if sent.endswith(body):
                    until(lambda: server.models.leases == 1)
            until(lambda: server.observed)
            left = server.observed.pop()
            assert (left.model, left.api, left.code) == ("toy", "predict", "CANCELLED")
            assert left.http.status == 499
            assert server.models.leases == sent.endswith(body)  # As long as its call runs.
            server.models.held.set()
            until(lambda: server.models.leases == 0)
        assert post(server, body.decode()) == {"outputs": [[2.0, 4.0]]}


# --- hostile input


def test_malformed_requests_by_the_thousand(server):
    rng = random.Random(0)
    good = json.dumps(
        {"signature_name": "repeat", "instances": [{"count": 1, "text": {"b64": "AP8="}}] * 2}
    ).encode()
    pieces = [b"[", b"]", b"{", b"}", b'"', b",", b":", b"-", b"1e999", b"\\u", b"\xff", b"\0"]
    pieces += [b"NaN", b"null", b"true", b"9" * 400, b"[" * 2000, b'{"a":' * 2000, b"0.5", b"\\"]

    def spoil(data):
        data = bytearray(data)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(data) + 1)
            kind = rng.randrange(3)
            if kind == 0:
                data[at:at] = rng.choice(pieces)
            elif kind == 1:
                del data[at : at + rng.randrange(1, 20)]
            else:
                data[at : at + 1] = bytes([rng.randrange(256)])
        return bytes(data)

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    counts = dict.fromkeys(("answers", "errors"), 0)
    for _ in range(2500):
        connection.request("POST", f"{NAME}:predict", spoil(good))
        response = connection.getresponse()
        body = response.read()
        if response.status == 200:  # Some changes leave a request that is right.
            counts["answers"] += 1
            continue
        counts["errors"] += 1
        assert 400 <= response.status < 500, body
        assert list(json.loads(body)) == ["error"]
    connection.close()
    assert counts["errors"] > 2000
    assert post(server, {"inputs": [[1, 2]]}) == {"outputs": [[2.0, 4.0]]}


def test_malformed_paths_and_http(server):
    rng = random.Random(1)
    good = f"POST {NAME}/versions/3:predict HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{{}}"
    for _ in range(500):
        data = bytearray(good.encode())
        head = len(f"POST {NAME}/versions/3:predict HTTP/1.1")
        for _ in range(rng.randrange(1, 3)):
            at = rng.randrange(4, head - 9)
            data[at : at + rng.randrange(3)] = rng.choice(
                [b"%", b"%zz", b"/", b":", b"\0", b"\xff", b"%00", b"..", b"?", b"#", b"*", b" "]
            )
        status, headers, body = raw(server, bytes(data))
        assert 400 <= status < 500, data
        assert headers["Content-Type"] == "application/json", data
        assert list(json.loads(body)) == ["error"]
    for data in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
        b"GET / HTTP/9\r\n\r\n",
        b"BREW /v1/models/toy HTTP/1.1\r\nHost: a\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /v1 HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"POST /v1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ):
        status, headers, body = raw(server, data)
        assert 400 <= status < 500, data
        assert headers["Content-Type"] == "application/json", data
        assert list(json.loads(body)) == ["error"]
    assert post(server, {"inputs": [[1, 2]]}) == {"outputs": [[2.0, 4.0]]}


def test_deep_bodies_cost_one_error(server):
    for body in (b"[" * 1_000_000, b'{"instances":' + b"[" * 1_000_000, b'{"a":' * 200_000):
        status, text = refusal(server, "POST", f"{NAME}:predict", body)
        assert status == 400
        assert "Nested deeper than 64 levels" in text
    deep = "[" * 60 + "1" + "]" * 60
    for text in (f'{{"instances": {deep}}}', f'{{"inputs": [[1, {deep}]]}}', f'{{"a": {deep}}}'):
        assert refusal(server, "POST", f"{NAME}:predict", text)[0] == 400
    assert post(server, {"inputs": [[1, 2]]})
