import asyncio
import contextlib
import json
import socket
import sys
import threading
import time
from concurrent import futures

import grpc
import numpy as np
import pytest

import serving
from digitline.base.errors import UserError

import contenders
import servers
import serving_load
from servers import GRPC, REST, Server

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"


@contextlib.contextmanager
def listening(answer, closes=False):
    """A server that says the same to all; gives its address and the connections it had."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connections = []

        def serve(connection):
            with contextlib.suppress(OSError), connection:
                while connection.recv(1 << 16):
                    connection.sendall(answer)
                    if closes:
                        return

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    connection = listener.accept()[0]
                    thread = threading.Thread(target=serve, args=(connection,), daemon=True)
                    connections.append(thread)
                    thread.start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", connections
        listener.shutdown(socket.SHUT_RDWR)


def drive(address, in_flight=2, seconds=0.05):
    return asyncio.run(serving_load.over_http(address, "/predict", b"{}", in_flight, seconds))


@pytest.fixture
def a_dead_proxy(monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "grpc_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


@pytest.mark.parametrize("answer", [LENGTH, CHUNKS], ids=["length", "chunks"])
def test_connections_are_kept(answer):
    with listening(answer) as (address, connections):
        load = drive(address)
    assert load["errors"] == 0
    assert load["requests_per_s"] > 10
    assert 0 < load["p50_ms"] <= load["p99_ms"]
    assert len(connections) == 2


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 200 OK\r\n\r\n{}", LENGTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")],
    ids=["to the end", "said"],
)
def test_servers_that_close_each_connection(answer):
    with listening(answer, closes=True) as (address, connections):
        load = drive(address)
    assert load["errors"] == 0
    assert load["requests_per_s"] > 10
    assert len(connections) > 2


@pytest.mark.parametrize(
    "answer",
    [
        LENGTH.replace(b"200 OK", b"503 Busy"),
        LENGTH.replace(b" 2\r\n", b" two\r\n"),
        CHUNKS.replace(b"2\r\n", b"x\r\n"),
        b"220 ready\r\n\r\n",
        b"x" * 200_000,
    ],
    ids=["busy", "length", "chunk", "no HTTP", "no end"],
)
def test_bad_answers_are_counted_and_do_not_stop_the_load(answer):
    with listening(answer, closes=b"Length" not in answer) as (address, connections):
        load = drive(address)
        assert load["errors"] > 2
        assert (load["requests_per_s"], load["p50_ms"], load["p99_ms"]) == (0, None, None)
        json.dumps(load, allow_nan=False)
        # Those that failed are not left open.
        until = time.monotonic() + 5
        while any(thread.is_alive() for thread in connections) and time.monotonic() < until:
            time.sleep(0.01)
        assert not any(thread.is_alive() for thread in connections)


@pytest.mark.parametrize("answer", [b"", LENGTH[:20], b"HTTP/1.1 200 OK\r\n\r\n{}"])
def test_an_answer_that_does_not_end_is_given_up(monkeypatch, answer):
    monkeypatch.setattr(serving_load, "_ANSWER_S", 0.1)
    monkeypatch.setattr(serving_load, "_WARM_UP_S", 0.1)
    began = time.monotonic()
    with listening(answer) as (address, _):
        load = drive(address)
    assert load["errors"] > 0
    assert load["p50_ms"] is None
    assert time.monotonic() - began < 2


def test_proxies_are_passed_by(a_dead_proxy):
    with listening(LENGTH) as (address, _):
        assert servers.ask_rest(address, "/", b"{}") == b"{}"

    class Anything(grpc.GenericRpcHandler):
        def service(self, handler_call_details):
            return grpc.unary_unary_rpc_method_handler(lambda request, context: b"done")

    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Anything(),))
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    assert servers.ask_grpc(address, contenders.PREDICT, b"") == b"done"
    load = asyncio.run(serving_load.over_grpc(address, contenders.PREDICT, b"", 1, 0.05))
    assert load["errors"] == 0
    assert load["requests_per_s"] > 10
    server.stop(0)


def test_a_load_that_does_not_end_is_an_error(monkeypatch):
    monkeypatch.setattr(servers, "_LOAD_S", 0.1)
    with listening(b"") as (address, _):
        server = Server("slow", REST, lambda port: [], "/", lambda image: b"{}", None)
        with pytest.raises(UserError, match="slow: the load generator did not end within"):
            servers.loaded(server, address, b"{}", 1, 0.1)


def test_a_server_whose_program_is_not_there():
    server = Server("peer", GRPC, lambda port: ["/none/python"], "/", lambda image: b"", None)
    image = np.zeros((1, 2, 2, 1), np.uint8)
    with (
        pytest.raises(UserError, match=r"peer does not start: .*No such file"),
        servers.running(server, image, image),
    ):
        pass


def test_rows_without_good_answers_are_json():
    code = (
        "import http.server, sys\n"
        "class Once(http.server.BaseHTTPRequestHandler):\n"
        "    protocol_version, good = 'HTTP/1.1', 1\n"
        "    def do_POST(self):\n"
        "        self.rfile.read(int(self.headers['Content-Length']))\n"
        "        self.send_response(200 if Once.good else 500)\n"
        "        Once.good = 0\n"
        "        self.send_header('Content-Length', '2')\n"
        "        self.end_headers()\n"
        "        self.wfile.write(b'{}')\n"
        "    def log_message(self, *more): pass\n"
        "http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Once).serve_forever()\n"
    )
    start = [sys.executable, "-c", code]
    server = Server("once", REST, lambda port: [*start, str(port)], "/", lambda image: b"{}", None)
    image = np.zeros((1, 2, 2, 1), np.uint8)
    options = serving.Options(rounds=2, seconds=0.1)
    rows, ready_s = serving.measure(server, image, None, [1], options)
    (row,) = json.loads(json.dumps(rows, allow_nan=False))
    assert row["errors"] > 0
    assert (row["requests_per_s"], row["p50_ms"], row["p99_ms"]) == (0, None, None)
    result = {
        "rows": rows,
        "ready_s": {"once": ready_s},
        "missing": {},
        "import_tensorflow_s": 1.0,
        "in_process_p50_ms": 1.0,
        "empty_grpc_p50_ms": None,
    }
    (line,) = [line for line in serving.text(result).splitlines() if line.startswith("once ")]
    assert line.split()[3:6] == ["0", "-", "-"]
