import gzip
import http.client
import json

import pytest
from rest_serving import PREDICT, answer, connected, raw, refusal, serving

from digitline.serving.bounds.limits import Limits

PACKED = {"Content-Encoding": "gzip"}


@pytest.fixture(scope="module")
def server():
    with serving(limits=Limits(body_bytes=1 << 20)) as running:
        yield running


def test_reads_gzip_bodies(server):
    for count in (1, 20_000):  # The second is unpacked beside the event loop.
        body = gzip.compress(json.dumps({"inputs": [1] * count}).encode())
        response = answer(server, "POST", PREDICT, body, headers=PACKED)
        assert response == {"outputs": [1.0] * count}


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"",
        gzip.compress(b'{"inputs": 1}', mtime=0)[:-5],
        gzip.compress(b"{}", mtime=0) + b"more",
    ],
)
def test_rejects_a_damaged_gzip_body(server, body):
    response = refusal(server, "POST", PREDICT, body, headers=PACKED)
    assert response == (400, "Failed to uncompress the gzipped body")


def test_refuses_a_body_that_unpacks_to_too_much(server):
    for size in (2 << 20, 50 << 20):
        body = gzip.compress(b" " * size, mtime=0)
        response = refusal(server, "POST", PREDICT, body, headers=PACKED)
        assert response == (413, "The request's body is larger than 1048576 bytes.")


def test_refuses_bodies_that_are_too_large(server):
    path = PREDICT
    body = b'{"inputs": [1]}' + b" " * (1 << 20)
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


def test_answers_clients_that_ask_before_they_send_a_body(server):
    with connected(server) as connection:
        body = b'{"inputs": [1]}'
        connection.sendall(
            f"POST {PREDICT} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n"
            "Expect: 100-continue\r\n\r\n".encode()
        )
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert json.loads(response.read()) == {"outputs": [1.0]}
