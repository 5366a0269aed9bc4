"""Servers that are slow, or that break off."""

import asyncio
import contextlib
import functools
import json
import socket
import threading
import time

import numpy as np
import pytest
import stub_server

from digitline.base.errors import UserError
from digitline.serving.client import AsyncClient, Client, ServerError
from digitline.serving.client.address import Tls, parse_address
from digitline.serving.client.blocking_http import connect
from digitline.serving.client.calls import CallError

WAYS = [(protocol, kind) for protocol in ("grpc", "http") for kind in ("sync", "async")]
PIXELS = np.zeros((1, 28, 28, 1), np.uint8)
STATUS = json.dumps({"model_version_status": [{"version": "1", "state": "AVAILABLE"}]}).encode()


def ask(kind, address, steps, **options):
    """What one client answers to each of the steps, (method, its arguments …)."""
    if kind == "sync":
        with Client(address, **options) as client:
            return [getattr(client, name)(*more) for name, *more in steps]

    async def work():
        async with AsyncClient(address, **options) as client:
            return [await getattr(client, name)(*more) for name, *more in steps]

    return asyncio.run(work())


@contextlib.contextmanager
def listening(serve):
    """The port of a server that calls `serve(connection)` in a thread for each connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connections = []

        def guarded(connection):
            with contextlib.suppress(OSError), connection:
                serve(connection)

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    connection = listener.accept()[0]
                    connections.append(connection)
                    threading.Thread(target=guarded, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for connection in connections:
                cut(connection)


def cut(connection):
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def trickle(start, connection):
    """Begins an answer, and then sends a byte ten times a second for three seconds."""
    connection.recv(1 << 16)
    connection.sendall(start)
    for _ in range(30):
        connection.sendall(b"1")
        time.sleep(0.1)


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize(
    "start",
    [
        b"HTT",
        b"HTTP/1.1 200 OK\r\nX-Slow: ",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n",
    ],
    ids=["status", "header", "to the end", "length", "chunks"],
)
def test_a_byte_now_and_then_does_not_move_the_deadline(kind, start):
    with listening(functools.partial(trickle, start)) as port:
        began = time.monotonic()
        # Over HTTP, a wrong status line may be called that at once.
        with pytest.raises(ServerError) as caught:
            ask(kind, f"http://127.0.0.1:{port}", [("status",)], timeout=0.4)
        assert time.monotonic() - began < 2
        assert caught.value.code in ("DEADLINE_EXCEEDED", *["INTERNAL"] * (start == b"HTT"))


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_tls_handshake_that_does_not_come_to_an_end(kind):
    with listening(lambda connection: time.sleep(3)) as port:
        began = time.monotonic()
        with pytest.raises(ServerError, match=r"no answer within 0\.3 s"):
            ask(kind, f"https://127.0.0.1:{port}", [("status",)], timeout=0.3)
        assert time.monotonic() - began < 2


def test_a_server_that_reads_slowly():
    def sip(connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        while connection.recv(4096):
            time.sleep(0.05)

    with listening(sip) as port:
        transport = connect(parse_address(f"http://127.0.0.1:{port}"), Tls())
        began = time.monotonic()
        with pytest.raises(CallError, match="DEADLINE_EXCEEDED"):
            transport.send("/", bytes(16 << 20), 0.4).send(None)
        assert 0.3 < time.monotonic() - began < 2


@pytest.mark.parametrize(("protocol", "kind"), WAYS)
@pytest.mark.parametrize("timeout", [0, -1])
def test_no_time_at_all(protocol, kind, timeout):
    began = time.monotonic()
    with pytest.raises(ServerError, match="no answer within") as caught:
        ask(kind, f"{protocol}://127.0.0.1:1", [("status",)], timeout=timeout)
    assert caught.value.code == "DEADLINE_EXCEEDED"
    assert time.monotonic() - began < 2


def relay(stub, passes=lambda number: True, breaks=lambda: False):
    """Passes on what comes to a stub, and its answers back.

    Args:
      stub: the server.
      passes: from the number of an HTTP request on its connection to whether it is passed on;
        the connection is closed where it is not.
      breaks: whether connections break now.
    """
    port = int(stub.address.rpartition(":")[2])

    def serve(connection):
        with socket.create_connection(("localhost", port)) as upstream:

            def back():
                with contextlib.suppress(OSError):
                    while data := upstream.recv(1 << 16):
                        connection.sendall(data)
                cut(connection)

            def watch():
                while connection.fileno() >= 0 and not breaks():
                    time.sleep(0.01)
                cut(connection)

            for work in (back, watch):
                threading.Thread(target=work, daemon=True).start()
            number = 0
            while data := connection.recv(1 << 16):
                number += data.startswith((b"GET ", b"POST "))
                if not passes(number):
                    break
                upstream.sendall(data)
            cut(upstream)

    return listening(serve)


@pytest.fixture
def make_stub():
    stubs = []

    def make(protocol):
        stubs.append(stub_server.grpc_stub() if protocol == "grpc" else stub_server.rest_stub())
        return stubs[-1]

    yield make
    for stub in stubs:
        stub.stop()


def predicted(stub):
    return sum(what == "predict" for what, *_ in stub.requests)


@pytest.mark.parametrize(("protocol", "kind"), WAYS)
def test_what_may_have_been_done_is_not_asked_again(make_stub, protocol, kind):
    stub = make_stub(protocol)
    stub.delay_s = 0.2
    # A new connection for each request: a kept one that breaks may have been closed before.
    with relay(stub, lambda number: number < 2, lambda: predicted(stub)) as port:
        address = f"{protocol}://127.0.0.1:{port}"
        with pytest.raises(ServerError) as caught:
            ask(kind, address, [("predict", {"images": PIXELS})], timeout=5)
    assert caught.value.code == "UNAVAILABLE"
    assert "the connection broke before the answer" in str(caught.value)
    assert "it is not repeated" in str(caught.value)
    assert predicted(stub) == 1


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_kept_connection_that_the_server_closes_is_made_again(make_stub, kind):
    stub = make_stub("http")
    numbers = []

    def passes(number):
        numbers.append(number)
        return number < 3

    with relay(stub, passes) as port:
        steps = [("predict", {"images": PIXELS})] * 3  # After a call for the signature.
        found = ask(kind, f"http://127.0.0.1:{port}", steps, retries=1)
    assert len(found) == predicted(stub) == 3
    assert 3 in numbers  # It was on the same connection, and came to nothing there.


def test_an_answer_up_to_the_end_of_the_connection():
    def serve(connection):
        connection.recv(1 << 16)
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + STATUS)

    with listening(serve) as port:
        for kind in ("sync", "async"):
            found = ask(kind, f"http://127.0.0.1:{port}", [("status",)] * 2)
            assert [versions[0].state for versions in found] == ["AVAILABLE"] * 2


@pytest.mark.parametrize(("protocol", "kind"), WAYS)
def test_a_closed_client_says_so(make_stub, protocol, kind):
    stub = make_stub(protocol)
    with pytest.raises(UserError, match="this client is closed"):
        ask(kind, stub.address, [("status",), ("close",), ("close",), ("status",)])
    assert len(stub.requests) == 1
