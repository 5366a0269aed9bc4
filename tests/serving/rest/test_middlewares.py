import gzip
import json

import pytest
from rest_serving import NAME, PREDICT, answer, ask, post, refusal, serving, until

from digitline.serving.process.metrics import Metrics


@pytest.fixture(scope="module")
def server():
    with serving() as running:
        yield running


def test_reports_each_request_once(server):
    server.observed.clear()
    post(server, {"instances": [[1, 2]]})
    refusal(server, "POST", "/v1/models/x:classify", {"examples": [{}]})
    answer(server, "GET", NAME)
    refusal(server, "GET", "/v1/none")
    until(lambda: len(server.observed) == 4)
    assert [
        (request.model, request.api, request.code, request.details()["status"])
        for request in server.observed
    ] == [
        ("toy", "predict", "OK", 200),
        ("x", "classify", "NOT_FOUND", 404),
        ("toy", "status", "OK", 200),
        (None, "", "INVALID_ARGUMENT", 400),
    ]
    assert all(0 < request.seconds < 10 for request in server.observed)
    line = json.loads(server.observed[0].to_line())
    assert line.pop("time") > 1e9
    assert line.pop("milliseconds") > 0
    assert line == {
        "remote": "127.0.0.1",
        "method": "POST",
        "path": PREDICT,
        "model": "toy",
        "status": 200,
        "code": "OK",
        "request_bytes": 23,
        "response_bytes": 27,
    }


def test_cors_headers_only_where_they_are_wanted(server):
    assert "Access-Control-Allow-Origin" not in ask(server, "GET", NAME).headers
    with serving(cors=True) as open_server:
        for response in (
            ask(open_server, "OPTIONS", PREDICT, headers={"Origin": "http://a.example"}),
            ask(open_server, "GET", NAME),
            ask(open_server, "GET", "/v1/none"),
        ):
            assert response.headers["Access-Control-Allow-Origin"] == "*"
            assert response.headers["Access-Control-Allow-Methods"] == "POST, GET"
            assert response.headers["Access-Control-Allow-Headers"] == (
                "Content-Type, Authorization"
            )
            assert response.headers["Access-Control-Expose-Headers"] == "Model-Version"
        assert ask(open_server, "OPTIONS", PREDICT).status == 200


def test_packs_large_answers_for_clients_that_can_unpack(server):
    body = json.dumps({"instances": [[0.1] * 20_000]})
    for accepted in ("gzip, deflate", "br;q=1.0, gzip;q=0.5"):
        response = ask(server, "POST", PREDICT, body, {"Accept-Encoding": accepted})
        assert response.headers["Content-Encoding"] == "gzip"
        assert json.loads(gzip.decompress(response.body))["predictions"][0][:2] == [0.1, 0.1]
    for refused in ("", "gzip;q=0", "br"):
        response = ask(server, "POST", PREDICT, body, {"Accept-Encoding": refused})
        assert "Content-Encoding" not in response.headers
        assert len(json.loads(response.body)["predictions"][0]) == 20000
    small = ask(server, "POST", PREDICT, '{"inputs": [1]}', {"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in small.headers


def test_names_of_unknown_models_do_not_grow_the_metrics():
    metrics = Metrics()
    with serving(observe=metrics.request) as server:
        metrics.follow_models(server.models.names)
        post(server, {"inputs": [1]})
        ask(server, "POST", "/v1/models/made0:predict", b"x")
        ask(server, "POST", "/v1/models/made0:predict", b"{}")
        until(lambda: metrics.requests == 3)
        size = len(metrics.text().splitlines())
        for number in range(30):
            ask(server, "POST", f"/v1/models/made{number}:predict", b"x")
            ask(server, "POST", f"/v1/models/made{number}:predict", b"{}")
        until(lambda: metrics.requests == 63)
    text = metrics.text().decode()
    assert len(text.splitlines()) == size
    assert "made" not in text
    assert 'request_count{model_name="",status="INVALID_ARGUMENT"} 31.0' in text
    assert 'request_count{model_name="toy",status="OK"} 1.0' in text
