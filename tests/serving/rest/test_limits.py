import asyncio
import concurrent.futures
import contextlib
import gc
import gzip
import http.client
import json
import resource
import socket
import sys
import threading
import time
from types import SimpleNamespace

import grpc
import numpy as np
import pytest
from aiohttp import web

from digitline.serving.core.servable import PREDICT_METHOD, Servable, Signature, TensorInfo
from digitline.serving.metrics import Metrics
from digitline.serving.protocol.status import StatusError
from digitline.serving.rest import api as rest_api
from digitline.serving.rest import server as rest_server

FLOAT, STRING = 1, 7
PATH = "/v1/models/toy:predict"


class Models:
    """One version that gives back what it gets, when it may."""

    def __init__(self):
        def same(dtype):
            return Signature(PREDICT_METHOD, {"x": TensorInfo(dtype, None)}, {"y": dtype})

        signatures = {"serving_default": same(FLOAT), "text": same(STRING)}
        servable = Servable(signatures, {}, lambda *_: [], lambda: None)
        run = lambda *call: self.run(*call)  # noqa: E731 (tests replace it)
        self.version = SimpleNamespace(name="toy", version=1, servable=servable, run=run)
        self.held = threading.Event()
        self.held.set()
        self.running = 0

    async def run(self, _, inputs, __):
        self.running += 1
        while not self.held.is_set():
            await asyncio.sleep(0.005)
        self.running -= 1
        return [inputs["x"]]

    @contextlib.contextmanager
    def lease(self, target):
        if target.name != "toy":
            raise StatusError(grpc.StatusCode.NOT_FOUND, "none")
        yield self.version

    def status(self, target):
        return []

    def names(self):
        return ["toy"]


@contextlib.contextmanager
def serving(limits=None, observe=None, **options):
    """A server in a thread with a loop of its own."""
    models = Models()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def alive(_):
        return web.Response(text="ok")

    async def start():
        routes = [web.get("/healthz", alive)]
        app = rest_api.application(models, limits=limits, routes=routes, observe=observe)
        runner = rest_server.Runner(app, **options)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, runner.addresses[0][1]

    runner, port = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield SimpleNamespace(port=port, models=models, loop=loop)
    finally:
        models.held.set()
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def ask(server, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def predict(server, body, **headers):
    return ask(server, "POST", PATH, body, headers)


def until(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def connected(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=20)


def is_closed(connection):
    """Whether the server has closed it, without an answer."""
    connection.settimeout(20)
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


# --- time


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
def test_bodies_that_are_slow_to_convert_end_in_504_in_time(body, as_the_server):
    with serving(rest_api.Limits(seconds=0.4)) as server:
        start = time.monotonic()
        status, text = predict(server, gzip.compress(body, 1), **{"Content-Encoding": "gzip"})
        assert time.monotonic() - start < 2  # It would take several seconds.
        assert (status, json.loads(text)) == (
            504,
            {"error": "The request took longer than 0.4 seconds."},
        )
        assert predict(server, b'{"inputs":[1]}') == (200, b'{"outputs":[1.0]}')


def test_work_that_begins_on_the_event_loop_ends_elsewhere():
    names = []
    body = b'{"instances":[[NaN]' + b",[1]" * 10_000 + b"]}"
    with serving() as server:
        lease = server.models.lease

        @contextlib.contextmanager
        def noted(target):
            names.append(threading.current_thread().name)
            with lease(target) as found:
                yield found

        server.models.lease = noted
        status, text = predict(server, body)
        assert status == 200
        assert text.startswith(b'{"predictions":[[NaN],[1.0],')
        assert names[-1].startswith("convert")
        predict(server, b'{"inputs":[1]}')
        assert not names[-1].startswith("convert")


# --- memory


def test_bodies_share_a_budget():
    limits = rest_api.Limits(body_bytes=1 << 20, bytes_in_flight=1 << 20)
    body = b'{"inputs":[1]}' + b" " * (700 << 10)
    with serving(limits) as server, concurrent.futures.ThreadPoolExecutor(1) as clients:
        server.models.held.clear()
        first = clients.submit(predict, server, body)
        until(lambda: server.models.running)
        for second in (body, gzip.compress(body)):
            packed = {"Content-Encoding": "gzip"} if second != body else {}
            status, text = predict(server, second, **packed)
            assert (status, b"too much memory" in text) == (503, True)
        server.models.held.set()
        assert first.result()[0] == 200
        for _ in range(3):  # What was held is free again.
            assert predict(server, body)[0] == 200


def test_a_body_alone_may_take_more_than_the_budget():
    limits = rest_api.Limits(bytes_in_flight=1000)
    with serving(limits) as server:
        assert predict(server, b'{"inputs":[1]}' + b" " * 100_000)[0] == 200
        assert predict(server, b'{"inputs":[' + b"0," * 300_000 + b"1]}")[0] == 200


def test_a_body_of_too_many_lists_is_refused_before_it_is_read():
    with serving(rest_api.Limits(brackets=100_000)) as server:
        for piece in (b"[],", b"{},"):
            status, text = predict(server, b'{"inputs":[' + piece * 100_000 + b"1]}")
            assert (status, json.loads(text)) == (
                413,
                {"error": "The request's body holds over 100000 lists and objects."},
            )


# --- connections


def test_idle_connections_give_way_to_new_ones():
    with serving(connections=20) as server, contextlib.ExitStack() as stack:
        idle = [stack.enter_context(connected(server)) for _ in range(60)]
        for _ in range(5):
            assert ask(server, "GET", "/healthz") == (200, b"ok")
        assert all(is_closed(each) for each in idle[:40])


def test_connections_with_a_request_keep_their_place():
    limits = rest_api.Limits(seconds=0.5)
    fields = "Host: a\r\nContent-Length: 20\r\nExpect: 100-continue\r\n\r\n"
    with serving(limits, connections=20) as server, contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connected(server)) for _ in range(20)]
        for each in slow:
            each.sendall(f"POST {PATH} HTTP/1.1\r\n{fields}".encode())
            assert each.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"

        def is_full():
            try:
                return ask(server, "GET", "/healthz")[0] != 200
            except (ConnectionError, http.client.HTTPException):
                return True

        until(is_full)
        assert all(b" 504 " in each.recv(100) for each in slow)  # None was cut off.
        until(lambda: not is_full())


def test_slow_bodies_take_no_place_of_requests_that_run():
    limits = rest_api.Limits(requests=2)
    head = f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n{{".encode()
    with serving(limits) as server, contextlib.ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(connected(server)).sendall(head)
        assert predict(server, b'{"inputs":[1]}')[0] == 200


def test_a_head_that_does_not_come_ends_the_connection():
    with serving(seconds=0.3) as server, contextlib.ExitStack() as stack:
        silent, begun, later = (stack.enter_context(connected(server)) for _ in range(3))
        begun.sendall(b"GET /healthz HTTP/1.1\r\nHo")
        later.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert later.recv(1000).endswith(b"ok")
        assert is_closed(silent)
        assert is_closed(begun)
        time.sleep(0.35)  # A connection that was of use may rest for longer,
        later.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert later.recv(1000).endswith(b"ok")
        later.sendall(b"GET /hea")  # but not begin a request and stop.
        assert is_closed(later)


def test_as_many_files_as_are_allowed():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(300, before[1]), before[1]))
        assert rest_server.allow_files() == min(before[1], 65_536)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(before[1], 65_536)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert [rest_server.most_connections(files) for files in (300, 1024, 65_536)] == [
        32,
        384,
        10_000,
    ]


# --- figures, bytes


def test_made_up_names_do_not_grow_the_figures():
    metrics = Metrics()
    with serving(observe=metrics.request) as server:
        metrics.follow_models(server.models.names)
        predict(server, b'{"inputs":[1]}')
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


def test_strings_of_any_bytes_come_back_as_they_are():
    with serving() as server:
        body = b'{"signature_name":"text","inputs":["\xff\xfe","\xc3\xa9"]}'
        assert predict(server, body) == (200, b'{"outputs":["\xff\xfe","\xc3\xa9"]}')
        status, text = predict(server, b'{"inputs":["\xff"]}')
        assert status == 400
        assert json.loads(text)["error"].startswith('JSON Value: "\ufffd" Type: String')


def test_long_strings_are_written_beside_the_event_loop(monkeypatch):
    names = []
    write = rest_api.answers.predictions

    def noted(*arguments):
        names.append(threading.current_thread().name)
        return write(*arguments)

    monkeypatch.setattr(rest_api.answers, "predictions", noted)
    with serving() as server:
        server.models.run = lambda *_: answer()

        async def answer():
            return [np.array([b"x" * 100_000] * 5, object)]

        status, text = predict(server, b'{"inputs":[1]}')
        assert (status, len(text) > 500_000) == (200, True)
    assert names[0].startswith("convert")
