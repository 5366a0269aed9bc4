"""A client that behaves, and what a server's memory is: what attacks must leave alone."""

import http.client
import json
import threading
import time
from pathlib import Path

import numpy as np

from digitline.serving.protocol import messages, tensors

PREDICT = "/tensorflow.serving.PredictionService/Predict"


def predict_request(shape, model="m", dtype=np.uint8):
    """A Predict message of zeros."""
    request = messages.PredictRequest()
    request.model_spec.name = model
    tensors.encode(np.zeros(shape, dtype), request.inputs["images"])
    return request.SerializeToString()


def filled_request(images, signature=""):
    """A Predict message of some 60 bytes that states this many images."""
    request = messages.PredictRequest.FromString(predict_request((0, 28, 28, 1)))
    request.model_spec.signature_name = signature
    request.inputs["images"].tensor_shape.dim[0].size = images
    return request.SerializeToString()


class Healthy:
    """Sends one image by gRPC and one by REST, again and again, while it is entered.

    Attributes:
      seconds: of each answer, by interface.
      failures: what was not answered.
    """

    def __init__(self, server, model="m", pause=0.01):
        self._server, self._model, self._pause = server, model, pause
        self.seconds = {"grpc": [], "rest": []}
        self.failures = []
        self._stop = threading.Event()

    def __enter__(self):
        self._threads = [
            threading.Thread(target=self._work, args=(name, make))
            for name, make in (("grpc", self._grpc), ("rest", self._rest))
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def p99(self):
        """Milliseconds, by interface."""
        return {
            name: round(1000 * float(np.percentile(seconds, 99)), 1)
            for name, seconds in self.seconds.items()
        }

    def _work(self, name, make):
        send = make()
        while not self._stop.wait(self._pause):
            start = time.perf_counter()
            try:
                send()
            except Exception as error:
                self.failures.append(f"{name}: {error}")
                send = make()
            else:
                self.seconds[name].append(time.perf_counter() - start)

    def _grpc(self):
        call = self._server.channel().unary_unary(PREDICT)
        request = predict_request((1, 28, 28, 1), self._model)
        return lambda: call(request, timeout=20, wait_for_ready=True)

    def _rest(self):
        connection = http.client.HTTPConnection("127.0.0.1", self._server.rest, timeout=20)
        body = json.dumps({"instances": np.zeros((1, 28, 28, 1), int).tolist()})

        def send():
            connection.request("POST", f"/v1/models/{self._model}:predict", body)
            response = connection.getresponse()
            text = response.read()
            if response.status != 200:
                raise OSError(f"{response.status} {text[:200]}")

        return send


def resident(process_id):
    """Bytes of memory that a process and its children hold now."""
    total, todo = 0, [process_id]
    while todo:
        folder = Path("/proc", str(todo.pop()))
        try:
            total += int((folder / "statm").read_text().split()[1]) * 4096
            for task in (folder / "task").iterdir():
                todo += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return total


class Peak:
    """The most memory that a process and its children hold together while it is entered."""

    def __init__(self, process_id):
        self._id = process_id
        self.bytes = 0
        self._stop = threading.Event()

    def __enter__(self):
        self._thread = threading.Thread(target=self._work)
        self._thread.start()
        return self

    def _work(self):
        while not self._stop.wait(0.05):
            self.bytes = max(self.bytes, resident(self._id))

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
