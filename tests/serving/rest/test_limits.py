import concurrent.futures
import contextlib
import gc
import gzip
import json
import socket
import struct
import sys
import threading
import time

import numpy as np
import pytest
from rest_serving import (
    NAME,
    PREDICT,
    answer,
    ask,
    connected,
    echo,
    post,
    raw,
    refusal,
    serving,
    until,
)  # fmt: skip

from digitline.serving.bounds.limits import Limits
from digitline.serving.bounds.worker import Worker
from digitline.serving.rest import answers


def predict(server, body, **headers):
    response = ask(server, "POST", PREDICT, body, headers)
    return response.status, response.body


@pytest.fixture
def as_the_server():
    """The interpreter's settings of `digitline serve`."""
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(0.0005)
    gc.set_threshold(100_000)
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*threshold)


@pytest.mark.parametrize(
    "body",
    [
        b'{"instances":[NaN' + b",[1]" * 750_000 + b"]}",
        b'{"instances":[[1]' + b",[1]" * 750_000 + b',"x"]}',
    ],
    ids=["slow to read", "slow to word its error"],
)
def test_answers_504_in_time_to_bodies_that_are_slow_to_convert(body, as_the_server):
    with serving(limits=Limits(seconds=0.2)) as server:
        start = time.monotonic()
        status, text = predict(server, gzip.compress(body, 1), **{"Content-Encoding": "gzip"})
        assert time.monotonic() - start < 2  # It would take several seconds.
        assert (status, json.loads(text)) == (
            504,
            {"error": "The request took longer than 0.2 seconds."},
        )
        until(lambda: predict(server, b'{"inputs":[1]}') == (200, b'{"outputs":[1.0]}'))


def test_bodies_that_are_slow_to_read_go_to_the_worker(monkeypatch):
    sizes = []
    call = Worker.call

    async def noted(self, effort, read, body, *arguments):
        sizes.append(len(body))
        return await call(self, effort, read, body, *arguments)

    monkeypatch.setattr(Worker, "call", noted)
    few = b'{"instances":[[NaN]' + b",[1]" * 10_000 + b"]}"
    many = b'{"instances":[[1]' + b",[1]" * 90_000 + b"]}"
    packed = gzip.compress(many)
    with serving() as server:
        status, text = predict(server, few)
        assert (status, text[:30]) == (200, b'{"predictions":[[NaN],[1.0],[1')
        assert predict(server, many)[0] == 200
        assert predict(server, packed, **{"Content-Encoding": "gzip"})[0] == 200
        # What is wrong is said in the same words, and before that there is no such model.
        text = b'{"instances":[[1]' + b",[1]" * 90_000 + b',"x"]}'
        assert refusal(server, "POST", PREDICT, text)[1].startswith("Failed to process element: 90")
        assert "JSON Parse error" in refusal(server, "POST", f"{NAME}x:predict", text[:-1])[1]
        assert "Servable not found" in refusal(server, "POST", f"{NAME}x:predict", text)[1]
        bodies = (few, many, packed, text, text[:-1], text)
        assert sizes == [len(body) for body in bodies]
        predict(server, b'{"inputs":[1]}')
        assert len(sizes) == 6


def test_the_next_request_gets_another_worker():
    with serving() as server:
        body = b'{"instances":[[1]' + b",[1]" * 90_000 + b"]}"
        assert predict(server, body)[0] == 200
        server.shared.worker._process.kill()
        assert predict(server, body)[0] in (200, 413)
        assert predict(server, body)[0] == 200


def test_what_takes_too_much_memory_to_read_is_refused():
    with serving(limits=Limits(body_bytes=4 << 20, brackets=10**9)) as server:
        body = b'{"instances":[' + b"{}," * 1_300_000 + b"1]}"
        status, text = predict(server, gzip.compress(body), **{"Content-Encoding": "gzip"})
        assert status == 413
        assert b"takes more than 83886080 bytes of memory" in text


def test_writes_long_strings_in_a_thread(monkeypatch):
    names = []
    write = answers.predictions

    def noted(*arguments):
        names.append(threading.current_thread().name)
        return write(*arguments)

    monkeypatch.setattr(answers, "predictions", noted)
    long = np.array([b"x" * 100_000] * 5, object)
    with serving(echo(lambda *_: [long])) as server:
        status, text = predict(server, b'{"inputs":[1]}')
        assert (status, len(text) > 500_000) == (200, True)
    assert names[0].startswith("convert")


def test_bodies_that_take_too_much_memory_together_wait():
    limits = Limits(body_bytes=1 << 20, bytes_in_flight=1 << 20, seconds=5)
    body = b'{"inputs":[1]}' + b" " * (700 << 10)
    with serving(limits=limits) as server, concurrent.futures.ThreadPoolExecutor(2) as clients:
        stalled = connected(server)  # Holds what it has sent.
        head = f"POST {PREDICT} HTTP/1.1\r\nHost: a\r\nContent-Length: 800000\r\n\r\n".encode()
        stalled.sendall(head + body)
        until(lambda: server.shared.budget.used >= len(body))
        second = clients.submit(predict, server, body)
        for _ in range(3):  # Small ones do not wait.
            assert predict(server, b'{"inputs":[1]}')[0] == 200
        assert not second.done()
        stalled.close()
        assert second.result()[0] == 200
        until(lambda: not server.shared.budget.used)


def test_a_single_body_may_take_more_than_the_shared_memory():
    limits = Limits(bytes_in_flight=1000)
    with serving(limits=limits) as server:
        assert predict(server, b'{"inputs":[1]}' + b" " * 100_000)[0] == 200
        assert predict(server, b'{"inputs":[' + b"0," * 300_000 + b"1]}")[0] == 200


def test_refuses_a_body_of_too_many_lists_and_objects():
    with serving(limits=Limits(brackets=100_000)) as server:
        for piece in (b"[],", b"{},"):
            status, text = predict(server, b'{"inputs":[' + piece * 100_000 + b"1]}")
            assert (status, json.loads(text)) == (
                413,
                {"error": "The request's body holds over 100000 lists and objects."},
            )


def test_slow_bodies_do_not_count_as_running_requests():
    limits = Limits(requests=2)
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n{{".encode()
    with serving(limits=limits) as server, contextlib.ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(connected(server)).sendall(head)
        assert predict(server, b'{"inputs":[1]}')[0] == 200


def test_returns_strings_of_any_bytes_as_they_came():
    with serving() as server:
        body = b'{"signature_name":"text","inputs":["\xff\xfe","\xc3\xa9"]}'
        assert predict(server, body) == (200, b'{"outputs":["\xff\xfe","\xc3\xa9"]}')
        status, text = predict(server, b'{"inputs":["\xff"]}')
        assert status == 400
        assert json.loads(text)["error"].startswith('JSON Value: "\ufffd" Type: String')


@pytest.fixture
def strict():
    with serving(limits=Limits(seconds=0.3, requests=2)) as running:
        yield running


def test_answers_504_to_a_slow_call_which_keeps_its_version(strict):
    strict.models.held.clear()
    status, text = refusal(strict, "POST", PREDICT, {"inputs": [1]})
    assert (status, text) == (504, "The request took longer than 0.3 seconds.")
    assert strict.models.leases == 1  # Its call still runs.
    strict.models.held.set()
    until(lambda: strict.models.leases == 0)
    assert post(strict, {"inputs": [1]}) == {"outputs": [1.0]}
    assert [request.code for request in strict.observed] == ["DEADLINE_EXCEEDED", "OK"]


def test_answers_504_to_a_body_that_does_not_arrive(strict):
    start = f"POST {PREDICT} HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n{{".encode()
    status, headers, body = raw(strict, start)
    assert (status, headers["Content-Type"]) == (504, "application/json")
    assert json.loads(body) == {"error": "The request took longer than 0.3 seconds."}
    assert post(strict, {"inputs": [1]})


def test_refuses_too_many_requests_at_once():
    with serving(limits=Limits(requests=2)) as server:
        server.models.held.clear()
        with concurrent.futures.ThreadPoolExecutor(2) as clients:
            waiting = [clients.submit(post, server, {"inputs": [1]}) for _ in range(2)]
            until(lambda: server.models.leases == 2)
            refused = ask(server, "POST", PREDICT, "{}")
            assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
            assert "error" in json.loads(refused.body)
            assert answer(server, "GET", NAME)  # Status requests are not counted.
            server.models.held.set()
            assert [call.result() for call in waiting] == [{"outputs": [1.0]}] * 2
        assert post(server, {"inputs": [1]})


def test_a_client_that_disconnects_frees_its_place():
    with serving(limits=Limits(requests=1)) as server:
        server.models.held.clear()
        body = b'{"inputs": [1]}'
        head = f"POST {PREDICT} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
        for sent in (head.encode() + body, head.encode() + b"{"):
            with connected(server) as connection:
                connection.sendall(sent)
                if sent.endswith(body):  # One that closes may still read.
                    until(lambda: server.models.leases == 1)
                    reset = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            until(lambda: server.observed)
            left = server.observed.pop()
            assert (left.model, left.api, left.code) == ("toy", "predict", "CANCELLED")
            assert left.details()["status"] == 499
            assert server.models.leases == sent.endswith(body)  # As long as its call runs.
            server.models.held.set()
            until(lambda: server.models.leases == 0)
        assert post(server, body.decode()) == {"outputs": [1.0]}


def test_no_error_keeps_what_was_large_in_memory():
    """Collecting garbage holds all requests up, and comes seldom."""
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n".encode()
    body = b'{"inputs":[1]}'.ljust(3_000_000)

    def large():
        held = [found for item in gc.get_objects() for found in gc.get_referents(item)]
        sizes = [len(found) for found in held if type(found) in (bytes, bytearray)]
        return [size for size in sizes if size > 400_000 and size != len(body)]

    answer = np.zeros(1_000_000)
    limits = Limits(seconds=1, bytes_in_flight=6 << 20)
    with serving(echo(lambda *_: [answer]), limits=limits, observe=lambda _: None) as server:
        gc.collect()
        gc.disable()
        before = large()  # Other tests' garbage.
        try:
            for sent in (head + body[:-1], head + body[:-1], head + body, head + body):
                server.models.held.clear()
                with connected(server) as connection:
                    connection.sendall(sent)
                    if sent.endswith(body):
                        until(lambda: server.models.leases == 1)
                    else:
                        until(lambda: server.shared.budget.used > 2_000_000)
                        time.sleep(1.2)  # It is answered that it took too long.
                server.models.held.set()
                until(lambda: not server.shared.budget.used)
            until(lambda: len(large()) <= len(before))
        finally:
            gc.enable()
