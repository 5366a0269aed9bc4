"""Requests of a few bytes that ask for much work; `silent` has connections that give nothing.

Each attack is a function of a server that takes how often; it returns when all is answered or
broken off, and gives the outcomes.
"""

import contextlib
import gzip
import http.client
import json
import time

import grpc
import numpy as np
from healthy import PREDICT, filled_request, predict_request
from silent import (
    half_sent_messages,
    idle,
    stalled_uploads,
    unread_answers,
    unread_on_both,
    unread_streams,
)

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


def nothing(server, scale=1.0):
    """What is seen without an attack."""

    def work():
        time.sleep(5 * scale)
        return "OK", ""

    return [work]


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
    data = filled_request(int(150_000 * scale))
    assert len(data) < 80
    return [lambda: call(server, PREDICT, data)]


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


ALL = (
    packed_examples, packed_brackets, packed_nonsense, filled_tensor, empty_examples, honest_rest,
    honest_grpc, slow_model, idle, stalled_uploads, half_sent_messages, unread_answers,
    unread_streams, unread_on_both,
)  # fmt: skip
