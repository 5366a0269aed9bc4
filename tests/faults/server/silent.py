"""Connections that give nothing, or take nothing: each attack is as those of `attacks`."""

import contextlib
import json
import socket
import threading
import time

import grpc
import numpy as np
from healthy import PREDICT, filled_request

REST = "/v1/models/m"


def post_head(size):
    """The head of a request whose body has so many bytes."""
    text = f"POST {REST}:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
    return text.encode()


def connected(port, count):
    """Connections, as many as the system gives."""
    sockets = []
    for _ in range(count):
        try:
            sockets.append(socket.create_connection(("127.0.0.1", port), timeout=5))
        except OSError:
            break
    return sockets


def held(sockets, seconds):
    """Keeps connections for so long; gives how the attack by them ended."""
    time.sleep(seconds)
    for each in sockets:
        each.close()
    return "closed", ""


def idle(server, scale=1.0):
    """2,000 connections on each port that say nothing."""

    def work():
        sockets = [*connected(server.port, int(2000 * scale)),
                   *connected(server.rest, int(2000 * scale))]  # fmt: skip
        return held(sockets, 3)

    return [work]


def stalled_uploads(server, scale=1.0):
    """Bodies of which the last byte never comes."""
    part = b"1," * (1 << 20)

    def work():
        sockets = connected(server.rest, int(200 * scale))
        for each in sockets:
            with contextlib.suppress(OSError):
                each.sendall(post_head(100_000_000) + part)
        return held(sockets, 3)

    return [work]


def unread_answers(server, scale=1.0):
    """Large answers that nobody takes."""
    body = json.dumps({"instances": np.zeros((2000, 28, 28, 1), int).tolist(),
                       "signature_name": "activations"})  # fmt: skip
    request = post_head(len(body)) + body.encode()

    def work():
        sockets = connected(server.rest, int(50 * scale))
        for each in sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            with contextlib.suppress(OSError):
                each.sendall(request)
        return held(sockets, 10 * scale)

    return [work]


def _frame(kind, flags, stream, content):
    head = len(content).to_bytes(3, "big") + bytes([kind, flags])
    return head + stream.to_bytes(4, "big") + content


def _literal(name, value):
    return b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


_HEAD = b"".join(
    _literal(name, value)
    for name, value in {":method": "POST", ":scheme": "http", ":path": PREDICT,
                        ":authority": "a", "content-type": "application/grpc",
                        "te": "trailers"}.items()
)  # fmt: skip


def unread_streams(server, scale=1.0):
    """Answers of 25 MB on gRPC streams whose client gives no window."""
    data = filled_request(2000, "activations")

    def work():
        (connection,) = connected(server.port, 1)
        # INITIAL_WINDOW_SIZE 0: nothing may be sent on a stream.
        connection.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(4, 0, 0, b"\x00\x04" + bytes(4))
        )
        for stream in range(1, int(60 * scale) * 2, 2):
            body = b"\0" + len(data).to_bytes(4, "big") + data
            connection.sendall(_frame(1, 4, stream, _HEAD) + _frame(0, 1, stream, body))
        return held([connection], 10 * scale)

    return [work]


def unread_on_both(server, scale=1.0):
    """Both at once."""
    return [*unread_answers(server, scale), *unread_streams(server, scale)]


def half_sent_messages(server, scale=1.0):
    """Messages of 8 MB, of which something is missing: 90 calls on each of 6 connections."""
    data = bytes(8 << 20)

    def work():
        with contextlib.ExitStack() as stack:
            for _ in range(6):
                port = stack.enter_context(_cutting(server.port, int(600e6 * scale)))
                channel = stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}"))
                for _ in range(int(90 * scale)):
                    channel.unary_unary(PREDICT).future(data)
            time.sleep(5)
        return "closed", ""

    return [work]


@contextlib.contextmanager
def _cutting(port, size):
    """A port that leads to another, but lets only so many bytes go there."""
    with socket.create_server(("127.0.0.1", 0)) as listening, contextlib.ExitStack() as stack:
        threads = []

        def forward(one, other, left):
            with contextlib.suppress(OSError):
                while left > 0 and (data := one.recv(min(left, 1 << 18))):
                    other.sendall(data)
                    left -= len(data)

        def work():
            here, _ = listening.accept()
            there = socket.create_connection(("127.0.0.1", port))
            stack.callback(here.close)
            stack.callback(there.close)
            for way in ((here, there, size), (there, here, 1 << 60)):
                threads.append(threading.Thread(target=forward, args=way, daemon=True))
                threads[-1].start()

        threading.Thread(target=work, daemon=True).start()
        yield listening.getsockname()[1]
