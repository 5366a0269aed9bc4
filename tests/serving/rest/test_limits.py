import concurrent.futures
import contextlib
import gc
import gzip
import json
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

from digitline.serving.rest import answers
from digitline.serving.rest.limits import Limits


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


def test_long_conversions_move_from_the_event_loop_to_a_thread():
    names = []
    body = b'{"instances":[[NaN]' + b",[1]" * 10_000 + b"]}"
    with serving() as server:
        lease = server.models.lease

        @contextlib.contextmanager
        def noted(target):
            names.append(threading.current_thread().name)
            with lease(target) as version:
                yield version

        server.models.lease = noted
        status, text = predict(server, body)
        assert status == 200
        assert text.startswith(b'{"predictions":[[NaN],[1.0],')
        assert names[-1].startswith("convert")
        predict(server, b'{"inputs":[1]}')
        assert not names[-1].startswith("convert")


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


def test_refuses_bodies_that_take_too_much_memory_together():
    limits = Limits(body_bytes=1 << 20, bytes_in_flight=1 << 20)
    body = b'{"inputs":[1]}' + b" " * (700 << 10)
    with serving(limits=limits) as server, concurrent.futures.ThreadPoolExecutor(1) as clients:
        server.models.held.clear()
        first = clients.submit(predict, server, body)
        until(lambda: server.models.leases)
        for second in (body, gzip.compress(body)):
            packed = {"Content-Encoding": "gzip"} if second != body else {}
            status, text = predict(server, second, **packed)
            assert (status, b"too much memory" in text) == (503, True)
        server.models.held.set()
        assert first.result()[0] == 200
        for _ in range(3):  # The memory is free again.
            assert predict(server, body)[0] == 200


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
            assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
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
                if sent.endswith(body):
                    until(lambda: server.models.leases == 1)
            until(lambda: server.observed)
            left = server.observed.pop()
            assert (left.model, left.api, left.code) == ("toy", "predict", "CANCELLED")
            assert left.details()["status"] == 499
            assert server.models.leases == sent.endswith(body)  # As long as its call runs.
            server.models.held.set()
            until(lambda: server.models.leases == 0)
        assert post(server, body.decode()) == {"outputs": [1.0]}
