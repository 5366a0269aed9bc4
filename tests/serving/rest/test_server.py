import contextlib
import http.client
import json
import random
import resource
import socket
import time

import pytest
from rest_serving import NAME, PREDICT, ask, connected, post, raw, serving, until

from digitline.serving.bounds.limits import Limits
from digitline.serving.rest import server as rest_server


@pytest.fixture(scope="module")
def server():
    with serving() as running:
        yield running


def is_closed(connection):
    """Whether the server has closed it, without an answer."""
    connection.settimeout(20)
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def test_new_connections_replace_idle_ones():
    with serving(runner_options={"connections": 20}) as server, contextlib.ExitStack() as stack:
        idle = [stack.enter_context(connected(server)) for _ in range(60)]
        for _ in range(5):
            assert ask(server, "GET", "/healthz").body == b"ok"
        assert all(is_closed(connection) for connection in idle[:40])


def test_connections_with_a_request_stay_open():
    limits = Limits(seconds=0.5)
    fields = "Host: a\r\nContent-Length: 20\r\nExpect: 100-continue\r\n\r\n"
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serving(limits=limits, runner_options={"connections": 20}))
        slow = [stack.enter_context(connected(server)) for _ in range(20)]
        for connection in slow:
            connection.sendall(f"POST {PREDICT} HTTP/1.1\r\n{fields}".encode())
            assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"

        def is_full():
            try:
                return ask(server, "GET", "/healthz").status != 200
            except (ConnectionError, http.client.HTTPException):
                return True

        until(is_full)
        assert all(b" 504 " in connection.recv(100) for connection in slow)  # None was cut off.
        for connection in slow:
            connection.close()
        until(lambda: not is_full())


def test_closes_a_connection_whose_request_head_does_not_arrive():
    with serving(runner_options={"seconds": 0.15}) as server, contextlib.ExitStack() as stack:
        silent, begun, later = (stack.enter_context(connected(server)) for _ in range(3))
        begun.sendall(b"GET /healthz HTTP/1.1\r\nHo")
        later.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert later.recv(1000).endswith(b"ok")
        assert is_closed(silent)
        assert is_closed(begun)
        time.sleep(0.2)  # A connection with a finished request may be idle for longer,
        later.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert later.recv(1000).endswith(b"ok")
        later.sendall(b"GET /hea")  # but not start a request and stop.
        assert is_closed(later)


def test_answers_a_client_that_has_closed_its_side(server):
    body = b'{"inputs": [1]}'
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for sent, answers in (
        (head + body, 1),
        (2 * (head + body) + b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 3),
        (head + b"{", 0),
        (b"GET /healthz HTTP/1.1\r\nHo", 0),
        (b"", 0),
    ):
        server.models.held.clear()
        with connected(server) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            time.sleep(0.05)
            server.models.held.set()
            with connection.makefile("rb") as file:
                text = file.read()  # To its end: the server closes its side too.
        assert text.count(b"HTTP/1.1 200 OK") == answers, sent
        until(lambda: server.models.leases == 0)


def test_opens_as_many_files_as_the_system_allows():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(300, before[1]), before[1]))
        assert rest_server.allow_files() == min(before[1], 65_536)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(before[1], 65_536)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    counts = [rest_server.most_connections(files) for files in (300, 1024, 65_536)]
    assert counts == [32, 384, 10_000]


def test_answers_malformed_paths_and_http_with_json_errors(server):
    rng = random.Random(1)
    good = f"POST {NAME}/versions/3:predict HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{{}}"
    for _ in range(500):
        data = bytearray(good.encode())
        head = len(f"POST {NAME}/versions/3:predict HTTP/1.1")
        for _ in range(rng.randrange(1, 3)):
            start = rng.randrange(4, head - 9)
            data[start : start + rng.randrange(3)] = rng.choice(
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
    assert post(server, {"inputs": [1]}) == {"outputs": [1.0]}
