"""How a server ends: what hangs does not keep it, and each request gets an answer."""

import asyncio
import collections
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import grpc
import numpy as np
import pytest
from served import serving, wait
from tensorflow_serving.apis import (
    get_model_status_pb2,
    predict_pb2,
)

from digitline.base.tf import tf
from digitline.serving.core import inference
from digitline.serving.prediction.model import BOXED

_STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
_PREDICT = "/tensorflow.serving.PredictionService/Predict"
_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
# What does not end, after a signal or before it.
_HANGS = {
    "a library that holds the lock": "threading.Thread(target=ctypes.PyDLL(None).sleep, "
    "args=[60]).start(); await stopping",
    "the event loop": "time.sleep(60)",
    "a read by the event loop": "open(sys.argv[1])",
    "a thread": "await stopping; threading.Thread(target=time.sleep, args=[60]).start()",
    "a thread of asyncio's": "asyncio.get_running_loop().run_in_executor(None, time.sleep, 60); "
    "await stopping",
    "nothing": "await stopping",
}
_SCRIPT = """
import asyncio, ctypes, sys, threading, time
from digitline.serving.process import ending

async def main():
    with ending.stop_signal(0.5) as stopping:
        print("ready", flush=True)
        {}

asyncio.run(main())
"""


def test_a_signal_ends_the_process_whatever_hangs(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    servers = {}
    for what, code in _HANGS.items():
        words = [sys.executable, "-c", _SCRIPT.format(code), str(tmp_path / "fifo")]
        servers[what] = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        for server in servers.values():
            assert server.stdout.readline() == b"ready\n"
        time.sleep(0.2)
        for server in servers.values():
            server.send_signal(signal.SIGTERM)
        for what, server in servers.items():
            _, said = server.communicate(timeout=20)
            killed = what != "nothing"
            assert server.returncode == (-signal.SIGKILL if killed else 0), (what, said)
            assert (b"not everything ended in time" in said) == killed
    finally:
        for server in servers.values():
            server.kill()
            server.communicate()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("models")
    shutil.copytree(BOXED, path / "boxed/1")
    return path / "boxed"


async def _burst(port, connections, calls, then):
    """How the calls ended, by their codes; `then` is called when all have been sent."""
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "default"
    data = request.SerializeToString()
    codes = collections.Counter()

    async def ask(method):
        try:
            await method(data, timeout=30)
            codes["OK"] += 1
        except grpc.aio.AioRpcError as error:
            codes[error.code().name] += 1

    async with contextlib.AsyncExitStack() as stack:
        methods = []
        for _ in range(connections):
            # Else channels to one address would share a connection.
            options = [("grpc.use_local_subchannel_pool", 1)]
            channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options)
            methods.append((await stack.enter_async_context(channel)).unary_unary(_STATUS))
            await channel.channel_ready()
        asking = [asyncio.ensure_future(ask(method)) for method in methods for _ in range(calls)]
        await asyncio.sleep(0.2)
        then()
        await asyncio.gather(*asking)
    return codes


def test_requests_sent_before_the_end_are_answered_or_refused(folder):
    with serving(f"--model_base_path={folder}") as server:
        waiting = [socket.create_connection(("127.0.0.1", server.rest)) for _ in range(40)]
        server.loop.call_soon_threadsafe(time.sleep, 0.5)  # It is busy when the signal comes.
        for connection in waiting:
            connection.sendall(b"GET /v1/models/default HTTP/1.1\r\nHost: localhost\r\n\r\n")

        def stop():
            server.loop.call_soon_threadsafe(server.stopping.set_result, "the test")

        codes = asyncio.run(_burst(server.port, 3, 200, stop))
        assert sum(codes.values()) == 600
        assert set(codes) <= {"OK", "UNAVAILABLE"}, codes
        for connection in waiting:
            with connection, connection.makefile("rb") as answer:
                assert answer.readline().split()[1] in (b"200", b"503")
    assert server.failure is None


def test_a_burst_over_the_limit_is_refused_as_that(folder):
    flags = (f"--model_base_path={folder}", "--max_concurrent_requests=100")
    with serving(*flags) as server:
        server.loop.call_soon_threadsafe(time.sleep, 1)
        codes = asyncio.run(_burst(server.port, 15, 100, lambda: None))
        assert sum(codes.values()) == 1500
        assert set(codes) <= {"OK", "RESOURCE_EXHAUSTED"}, codes


def test_one_connection_leaves_calls_for_others(folder, monkeypatch):
    async def predict(*_):
        await asyncio.sleep(60)

    monkeypatch.setattr(inference, "predict", predict)
    flags = (f"--model_base_path={folder}", "--max_concurrent_requests=4")
    flags += ("--shutdown_grace_seconds=0.1",)
    own = [("grpc.use_local_subchannel_pool", 1)]
    with serving(*flags) as server, contextlib.ExitStack() as stack:
        address = f"127.0.0.1:{server.port}"
        crowd, other = [stack.enter_context(grpc.insecure_channel(address, own)) for _ in range(2)]
        call = crowd.unary_unary(_PREDICT)
        running = [call.future(_request(), timeout=30) for _ in range(4)]
        wait(lambda: any(each.done() for each in running))
        assert [each.code() for each in running if each.done()] == [_EXHAUSTED]
        with pytest.raises(grpc.RpcError, match="More than 3 calls of one connection at once"):
            call(_request(), timeout=30)
        status = other.unary_unary(_STATUS)
        assert status(b"\x0a\x09\x0a\x07default", timeout=30)


def test_calls_that_run_past_the_grace_are_told_so(folder, monkeypatch):
    async def predict(*_):
        await asyncio.sleep(60)

    monkeypatch.setattr(inference, "predict", predict)
    flags = (f"--model_base_path={folder}", "--shutdown_grace_seconds=0.3")
    with serving(*flags) as server, server.channel() as channel:
        running = channel.unary_unary(_PREDICT).future(_request(), timeout=30)
        with socket.create_connection(("127.0.0.1", server.rest)) as connection:
            body = json.dumps({"instances": [[[[0]] * 28] * 28]}).encode()
            head = f"POST /v1/models/default:predict HTTP/1.1\r\nContent-Length: {len(body)}"
            connection.sendall(head.encode() + b"\r\nHost: localhost\r\n\r\n" + body)
            time.sleep(0.3)
            server.close()
            assert b" 503 " in connection.makefile("rb").readline()
        assert running.code() is grpc.StatusCode.UNAVAILABLE


def _request():
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "default"
    request.inputs["images"].CopyFrom(tf.make_tensor_proto(np.zeros([1, 28, 28, 1], np.uint8)))
    return request.SerializeToString()
