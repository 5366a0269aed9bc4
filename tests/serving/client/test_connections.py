"""How the blocking and the asynchronous client reach servers: also slow ones, and broken ones."""

import asyncio
import concurrent.futures
import contextlib
import functools
import json
import socket
import ssl
import threading
import time

import grpc
import numpy as np
import pytest
import stub_server
from served import free_port

from digitline.base.errors import UsageError, UserError
from digitline.serving.client import AsyncClient, Client, ServerError
from digitline.serving.client.address import Tls, parse_address
from digitline.serving.client.blocking_http import Transport
from digitline.serving.client.calls import CallError

PIXELS = np.zeros((1, 28, 28, 1), np.uint8)
PREDICT = ("predict", {"images": PIXELS})
STATUS = json.dumps({"model_version_status": [{"version": "1", "state": "AVAILABLE"}]}).encode()

both_kinds = pytest.mark.parametrize("kind", ["blocking", "async"])


def ask(kind, address, *steps, **options):
    """What one client answers to each of the steps, (method, its arguments …)."""
    if kind == "blocking":
        with Client(address, **options) as client:
            return [getattr(client, name)(*more) for name, *more in steps]

    async def work():
        async with AsyncClient(address, **options) as client:
            return [await getattr(client, name)(*more) for name, *more in steps]

    return asyncio.run(work())


@contextlib.contextmanager
def at_most(seconds):
    start = time.monotonic()
    yield
    assert time.monotonic() - start < seconds


def make_stub(protocol, port=0):
    if protocol == "grpc":
        return stub_server.grpc_stub(f"127.0.0.1:{port}")
    return stub_server.rest_stub(port)


@both_kinds
def test_answers(stub, kind):
    outputs, status, classified = ask(
        kind, stub.address, PREDICT, ("status",), ("classify_images", PIXELS)
    )
    expected = stub_server.probabilities(PIXELS)
    np.testing.assert_allclose(outputs["probabilities"], expected)
    np.testing.assert_allclose(classified.probabilities, expected)
    assert len(status) == 3


def test_many_at_once(stub):
    rng = np.random.default_rng(0)
    pixels = [rng.integers(0, 256, (2, 28, 28, 1), np.uint8) for _ in range(24)]
    expected = [stub_server.probabilities(images) for images in pixels]
    with Client(stub.address) as client, concurrent.futures.ThreadPoolExecutor(8) as threads:
        in_threads = list(threads.map(client.predict, pixels))

    async def all_at_once():
        async with AsyncClient(stub.address) as client:
            return await asyncio.gather(*[client.predict(images) for images in pixels])

    for answers in (in_threads, asyncio.run(all_at_once())):
        for answer, probabilities in zip(answers, expected, strict=True):
            np.testing.assert_allclose(answer["probabilities"], probabilities)


def test_a_busy_server_is_asked_again(stub):
    stub.refusals = [503, 429]
    assert len(ask("blocking", stub.address, ("status",))[0]) == 3
    assert len(stub.requests) == 3
    stub.refusals = [503] * 5
    with pytest.raises(ServerError, match="not available now: no place in the queue") as caught:
        ask("async", stub.address, ("status",), retries=1)
    assert caught.value.code == "UNAVAILABLE"
    assert len(stub.requests) == 5
    stub.refusals = [400]
    with pytest.raises(ServerError, match="INVALID_ARGUMENT"):
        ask("blocking", stub.address, ("status",))
    assert len(stub.requests) == 6
    with pytest.raises(UsageError, match="expected 0 or more retries, got -1"):
        Client(stub.address, retries=-1)


@both_kinds
def test_deadline(stub, kind):
    stub.free.clear()
    with at_most(2), pytest.raises(ServerError, match=r"no answer within 0\.2 s") as caught:
        ask(kind, stub.address, ("status", "default", None, None, 0.2))
    assert caught.value.code == "DEADLINE_EXCEEDED"
    stub.free.set()


def test_retries_do_not_go_beyond_the_deadline(stub):
    stub.refusals = [503] * 50
    with at_most(2), pytest.raises(ServerError, match="no place in the queue"):
        ask("blocking", stub.address, ("status",), retries=50, timeout=0.3)


@both_kinds
@pytest.mark.parametrize("protocol", ["grpc", "http"])
@pytest.mark.parametrize("timeout", [0, -1])
def test_no_time_at_all(protocol, kind, timeout):
    with at_most(2), pytest.raises(ServerError, match="no answer within") as caught:
        ask(kind, f"{protocol}://127.0.0.1:1", ("status",), timeout=timeout)
    assert caught.value.code == "DEADLINE_EXCEEDED"


@both_kinds
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_says_that_nothing_listens(protocol, kind):
    address = f"{protocol}://127.0.0.1:{free_port()}"
    with pytest.raises(ServerError, match="nothing listens") as caught:
        ask(kind, address, ("status",), retries=1)
    assert str(caught.value) == (
        f"nothing listens at {address}; "
        "is `digitline serve` or tensorflow_model_server running there?"
    )


@both_kinds
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_finds_a_server_that_comes_up(protocol, kind):
    port, started = free_port(), []
    timer = threading.Timer(0.2, lambda: started.append(make_stub(protocol, port)))
    timer.start()
    try:
        (status,) = ask(kind, f"{protocol}://127.0.0.1:{port}", ("status",), retries=20)
        assert len(status) == 3
    finally:
        timer.join()
        started[0].stop()


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_finds_a_restarted_server_again(protocol):
    port = free_port()
    stub = make_stub(protocol, port)
    with Client(f"{protocol}://127.0.0.1:{port}") as client:
        assert len(client.status()) == 3
        stub.stop()
        stub = make_stub(protocol, port)
        assert len(client.status()) == 3  # The old connection is gone.
    stub.stop()


@both_kinds
def test_unix_socket(tmp_path, kind):
    stub = stub_server.grpc_stub(f"unix:{tmp_path}/serving.sock")
    (status,) = ask(kind, f"unix://{tmp_path}/serving.sock", ("status",))
    assert len(status) == 3
    stub.stop()
    with pytest.raises(ServerError, match="nothing listens at unix:///"):
        ask(kind, f"unix://{tmp_path}/none.sock", ("status",), retries=0)


@pytest.fixture(scope="module", params=["grpc", "http"])
def secure_stub(certificates, request):
    """A server that wants certificates of its clients."""
    ca, cert, key = (certificates / name for name in ("ca.pem", "server.pem", "server.key"))
    if request.param == "grpc":
        pair = (key.read_bytes(), cert.read_bytes())
        credentials = grpc.ssl_server_credentials([pair], ca.read_bytes(), require_client_auth=True)
        stub = stub_server.grpc_stub("127.0.0.1:0", credentials)
    else:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca)
        context.load_cert_chain(cert, key)
        context.verify_mode = ssl.CERT_REQUIRED
        stub = stub_server.rest_stub(context=context)
    yield stub
    stub.stop()


@both_kinds
def test_tls_both_ways(certificates, secure_stub, kind):
    ca, cert, key = (certificates / name for name in ("ca.pem", "client.pem", "client.key"))
    asked = functools.partial(ask, kind, secure_stub.address, ("status",), retries=0)
    (status,) = asked(ca=ca, cert=cert, key=key)
    assert len(status) == 3
    with pytest.raises(ServerError, match=r"not available now|broke before the answer|handshake"):
        asked(ca=ca)  # No certificate of the client.
    with pytest.raises(ServerError, match=r"TLS handshake failed|not available now") as caught:
        asked(ca=certificates / "other.pem", cert=cert, key=key)  # Another authority.
    assert caught.value.code in ("UNAUTHENTICATED", "UNAVAILABLE")
    with pytest.raises(UsageError, match="needs its key"):
        asked(cert=cert)
    with pytest.raises(UserError, match=r"none\.pem: No such file"):
        asked(ca=certificates / "none.pem")


@both_kinds
@pytest.mark.parametrize(("protocol", "other"), [("grpc", "http"), ("http", "grpc")])
def test_recognizes_the_other_protocol(stubs, kind, protocol, other):
    address = f"{other}://{stubs[protocol].address.partition('://')[2]}"
    with pytest.raises(ServerError, match=rf"{protocol}://…\?"):
        ask(kind, address, ("status",), retries=0, timeout=5)


@both_kinds
def test_a_closed_client_says_so(stub, kind):
    with pytest.raises(UserError, match="this client is closed"):
        ask(kind, stub.address, ("status",), ("close",), ("close",), ("status",))
    assert len(stub.requests) == 1


# Servers that are slow, or break off.


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


@both_kinds
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
    def trickle(connection):
        connection.recv(1 << 16)
        connection.sendall(start)
        for _ in range(60):
            connection.sendall(b"1")
            time.sleep(0.05)

    # A wrong status line may be called that at once.
    error = pytest.raises(ServerError, match=r"no answer within|does not speak HTTP")
    with listening(trickle) as port, at_most(2), error as caught:
        ask(kind, f"http://127.0.0.1:{port}", ("status",), timeout=0.3)
    assert caught.value.code in ("DEADLINE_EXCEEDED", *["INTERNAL"] * (start == b"HTT"))


@both_kinds
def test_a_tls_handshake_that_does_not_come_to_an_end(kind):
    silent = threading.Event()
    with listening(lambda connection: silent.wait(5)) as port, at_most(2):
        with pytest.raises(ServerError, match=r"no answer within 0\.2 s"):
            ask(kind, f"https://127.0.0.1:{port}", ("status",), timeout=0.2)
        silent.set()


def test_a_server_that_reads_slowly():
    def sip(connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        while connection.recv(4096):
            time.sleep(0.05)

    with listening(sip) as port, at_most(2):
        transport = Transport(parse_address(f"http://127.0.0.1:{port}"), Tls())
        with pytest.raises(CallError, match="DEADLINE_EXCEEDED"):
            transport.send("/", bytes(16 << 20), 0.3).send(None)


def test_an_answer_up_to_the_end_of_the_connection():
    def serve(connection):
        connection.recv(1 << 16)
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + STATUS)

    with listening(serve) as port:
        for kind in ("blocking", "async"):
            answers = ask(kind, f"http://127.0.0.1:{port}", ("status",), ("status",))
            assert [versions[0].state for versions in answers] == ["AVAILABLE"] * 2


def relay(stub, passes=lambda number: True, breaks=None):
    """Passes on what comes to a stub, and its answers back.

    Args:
      stub: the server.
      passes: from the number of an HTTP request on its connection to whether it is passed on;
        the connection is closed where it is not.
      breaks: returns when connections break, if given.
    """
    port = int(stub.address.rpartition(":")[2])

    def serve(connection):
        with socket.create_connection(("localhost", port)) as upstream:

            def back():
                with contextlib.suppress(OSError):
                    while data := upstream.recv(1 << 16):
                        connection.sendall(data)
                cut(connection)

            def cut_later():
                breaks()
                cut(connection)

            for work in (back, *([cut_later] if breaks else [])):
                threading.Thread(target=work, daemon=True).start()
            number = 0
            while data := connection.recv(1 << 16):
                number += data.startswith((b"GET ", b"POST "))
                if not passes(number):
                    break
                upstream.sendall(data)
            cut(upstream)

    return listening(serve)


def predictions(stub):
    return sum(method == "predict" for method, *_ in stub.requests)


@both_kinds
def test_does_not_repeat_what_the_server_may_have_done(stub, monkeypatch, kind):
    arrived, broken, check = threading.Event(), threading.Event(), stub.check

    def check_and_hold(method, *model):
        check(method, *model)
        if method == "predict":
            arrived.set()
            broken.wait(10)

    monkeypatch.setattr(stub, "check", check_and_hold)
    # A new connection for each request: a kept one that breaks may have been closed before.
    with relay(stub, lambda number: number < 2, arrived.wait) as port:
        address = f"{stub.address.partition(':')[0]}://127.0.0.1:{port}"
        with pytest.raises(ServerError, match="the connection broke before the answer") as caught:
            ask(kind, address, PREDICT, timeout=5)
        broken.set()
    assert caught.value.code == "UNAVAILABLE"
    assert "it is not repeated" in str(caught.value)
    assert predictions(stub) == 1


@both_kinds
def test_a_kept_connection_that_the_server_closes_is_made_again(stubs, kind):
    stub = stubs["http"]
    stub.reset()
    numbers = []

    def passes(number):
        numbers.append(number)
        return number < 3

    with relay(stub, passes) as port:  # A call for the signature comes first.
        answers = ask(kind, f"http://127.0.0.1:{port}", PREDICT, PREDICT, PREDICT, retries=1)
    assert len(answers) == predictions(stub) == 3
    assert 3 in numbers  # It was on the same connection, and came to nothing there.
    stub.reset()
