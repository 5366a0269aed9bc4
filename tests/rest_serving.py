"""The REST interface in a thread of this process, for its tests."""

import asyncio
import concurrent.futures
import contextlib
import http.client
import json
import socket
import threading
import time
from types import SimpleNamespace

import grpc
from aiohttp import web

from digitline.serving.bounds.limits import Limits
from digitline.serving.bounds.shared import Shared
from digitline.serving.core.executor import direct
from digitline.serving.core.servable import PREDICT_METHOD, Servable, Signature, TensorInfo
from digitline.serving.protocol.models import State, VersionStatus
from digitline.serving.protocol.status import StatusError, invalid
from digitline.serving.rest import api as rest_api
from digitline.serving.rest import server as rest_server

NAME = "/v1/models/toy"
PREDICT = f"{NAME}:predict"
_FLOAT, _STRING = 1, 7


def echo(run=lambda _, inputs, __: [inputs["x"]]):
    """A servable that gives back what it gets: floats, or with the signature `text` strings."""

    def same(dtype):
        return Signature(PREDICT_METHOD, {"x": TensorInfo(dtype, None)}, {"y": dtype})

    signatures = {"serving_default": same(_FLOAT), "text": same(_STRING)}
    return Servable(signatures, {}, run, lambda: None)


class Models:
    """Version 3 of the model `toy`, whose calls wait while `held` is not set."""

    def __init__(self, servable):
        self.leases = 0
        self.held = threading.Event()
        self.held.set()
        self.pool = concurrent.futures.ThreadPoolExecutor(4)
        answer = direct(servable, self.pool)

        async def run(_, *arguments):
            if not self.held.is_set():
                await asyncio.get_running_loop().run_in_executor(self.pool, self.held.wait, 20)
            return await answer(*arguments)

        self.version = SimpleNamespace(
            name="toy", version=3, folder=None, servable=servable, run=run
        )

    @contextlib.contextmanager
    def lease(self, target):
        if target.label not in (None, "stable"):
            raise invalid(f"Unrecognized servable version label: {target.label}")
        if target.name != "toy" or target.version not in (None, 3):
            which = f"Specific({target.name}, {target.version})"
            if target.version is None:
                which = f"Latest({target.name})"
            raise StatusError(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {which}")
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
            VersionStatus(4, State.LOADING),
            VersionStatus(3, State.AVAILABLE),
        ]

    def names(self):
        return ["toy"]


async def _alive(_):
    return web.Response(text="ok")


@contextlib.contextmanager
def serving(servable=None, runner_options=None, observe=None, limits=None, **options):
    """A server with an event loop of its own: port, models, and what was observed."""
    models = Models(servable or echo())
    observed = []
    shared = Shared(limits or Limits())
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start():
        routes = [web.get("/healthz", _alive)]
        app = rest_api.application(
            models, shared=shared, routes=routes, observe=observe or observed.append, **options
        )
        runner = rest_server.Runner(app, **(runner_options or {}))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, runner.addresses[0][1]

    runner, port = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield SimpleNamespace(port=port, models=models, observed=observed, shared=shared)
    finally:
        models.held.set()
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        models.pool.shutdown()
        shared.close()


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
    """The JSON of an answer that is not an error."""
    response = ask(server, method, path, body, **options)
    assert response.status == 200, response.body
    assert response.headers["Content-Type"] == "application/json"
    return json.loads(response.body)


def refusal(server, method, path, body=None, **options):
    """Status and text of an error."""
    response = ask(server, method, path, body, **options)
    assert response.headers["Content-Type"] == "application/json"
    ((key, text),) = json.loads(response.body).items()
    assert key == "error"
    return response.status, text


def post(server, body, method="predict", model=NAME):
    return answer(server, "POST", f"{model}:{method}", body)


def until(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def connected(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=20)


def raw(server, data):
    """Status, headers and body that the server answers to these bytes."""
    with connected(server) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(data)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response.status, response.headers, response.read()
