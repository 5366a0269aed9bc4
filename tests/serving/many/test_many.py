"""Several server processes at the same ports, as their users meet them."""

import collections
import concurrent.futures
import contextlib
import http.client
import json
import os
import shutil
import time

import grpc
import numpy as np
import psutil
import pytest
from served import serving_process, wait
from tensorflow_serving.apis import model_management_pb2, model_service_pb2_grpc

from digitline.serving.prediction.model import BOXED
from digitline.serving.protocol import messages, tensors

PREDICT = "/tensorflow.serving.PredictionService/Predict"
_PAUSE_S = 0.02  # Between two requests of a connection: a process that starts needs the cores.
COUNT = ":tensorflow:serving:request_count"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Two processes, a model of one version, metrics, an access log, a Unix socket."""
    folder = tmp_path_factory.mktemp("many")
    shutil.copytree(BOXED, folder / "m" / "1")
    (folder / "monitoring.config").write_text("prometheus_config { enable: true }")
    with serving_process(
        folder,
        *(f"--model_base_path={folder / 'm'}", "--model_name=m", "--num_servers=2"),
        f"--monitoring_config_file={folder}/monitoring.config",
        f"--access_log={folder}/access.jsonl",
        f"--grpc_socket_path={folder}/socket",
        "--file_system_poll_wait_seconds=0.1",
    ) as server:
        server.folder = folder
        yield server


def processes(server):
    """The server processes that listen."""
    children = psutil.Process(server.process.pid).children()
    return [each for each in children if each.net_connections("tcp")]


def connections(process):
    """Those of clients that it has."""
    return [each for each in process.net_connections("tcp") if each.status == "ESTABLISHED"]


def predict_request(version=None):
    request = messages.PredictRequest()
    request.model_spec.name = "m"
    if version is not None:
        request.model_spec.version.value = version
    tensors.encode(np.zeros([1, 28, 28, 1], np.uint8), request.inputs["images"])
    return request.SerializeToString()


@contextlib.contextmanager
def channel(address):
    """One with a connection of its own."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(address, options) as made:
        yield made.unary_unary(PREDICT)


def statuses(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.rest, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", "/v1/models/m")
        listed = json.loads(connection.getresponse().read())["model_version_status"]
        return {int(each["version"]): each["state"] for each in listed}


def counted(server):
    _, text = server.get("/monitoring/prometheus/metrics")
    lines = [line for line in text.splitlines() if line.startswith(f'{COUNT}{{model_name="m"')]
    return sum(float(line.split()[-1]) for line in lines)


class Load:
    """Requests over many connections while it is entered.

    Attributes:
      versions: how often which answered.
      failures: what was not answered, by connection.
    """

    def __init__(self, server, connections=8):
        self._server, self._connections = server, connections
        self.versions, self.failures = collections.Counter(), collections.Counter()
        self._running = True

    def __enter__(self):
        self._pool = concurrent.futures.ThreadPoolExecutor(self._connections)
        self._jobs = [
            self._pool.submit(self._grpc if number % 2 else self._rest)
            for number in range(self._connections)
        ]
        return self

    def __exit__(self, *_):
        self._running = False
        for job in self._jobs:
            job.result()
        self._pool.shutdown()

    def _grpc(self):
        with channel(f"127.0.0.1:{self._server.port}") as predict:
            request = predict_request()
            while self._running:
                time.sleep(_PAUSE_S)
                try:
                    data = predict(request, timeout=20, wait_for_ready=True)
                except grpc.RpcError as error:
                    self.failures[error.code().name] += 1
                else:
                    answer = messages.PredictResponse.FromString(data)
                    self.versions[answer.model_spec.version.value] += 1

    def _rest(self):
        body = json.dumps({"instances": np.zeros([1, 28, 28, 1], int).tolist()})
        connection = http.client.HTTPConnection("127.0.0.1", self._server.rest, timeout=20)
        while self._running:
            time.sleep(_PAUSE_S)
            try:
                connection.request("POST", "/v1/models/m:predict", body)
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 200
                self.versions[int(answer.headers["Model-Version"])] += 1
            except (OSError, http.client.HTTPException) as error:
                self.failures[type(error).__name__] += 1
                connection.close()
        connection.close()


def test_connections_reach_all_and_metrics_are_those_of_all(server):
    before, request = counted(server), predict_request()
    with contextlib.ExitStack() as stack:
        for _ in range(24):
            stack.enter_context(channel(f"127.0.0.1:{server.port}"))(request, timeout=30)
            assert server.get("/v1/models/m")[0] == 200
        stack.enter_context(channel(f"unix:{server.folder}/socket"))(request, timeout=30)
        held = [len(connections(process)) for process in processes(server)]
        assert len(held) == 2
        assert min(held) > 0
    assert {counted(server) - before for _ in range(6)} == {49}  # Whoever is asked.
    _, text = server.get("/monitoring/prometheus/metrics")
    assert ':tensorflow:serving:model_load_count{model_name="m",status="OK"} 1.0' in text
    assert ':model_version_state{model_name="m",version="1"} 30.0' in text


def test_a_version_that_is_announced_answers_everywhere_and_no_request_fails(server):
    with Load(server) as load:
        for version in (2, 3):
            shutil.copytree(BOXED, server.folder / ".new")
            os.rename(server.folder / ".new", server.folder / "m" / str(version))
            wait(lambda: statuses(server).get(version) == "AVAILABLE")  # noqa: B023
            request = predict_request(version)
            for _ in range(12):
                with channel(f"127.0.0.1:{server.port}") as predict:
                    predict(request, timeout=30)
        wait(lambda: statuses(server).get(1) == "END")
        time.sleep(0.5)
    assert load.failures == {}
    assert set(load.versions) == {1, 2, 3}


def test_a_broken_version_is_refused_by_all_and_named(server):
    broken = server.folder / "m" / "9"
    broken.mkdir()
    (broken / "model.tflite").write_bytes(b"no model")
    wait(lambda: "version: 9} failed" in server.said())
    assert server.get("/v1/models/m")[0] == 200
    shutil.rmtree(broken)
    with channel(f"127.0.0.1:{server.port}") as predict:
        predict(predict_request(3), timeout=30)


def test_a_reload_reaches_all(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as made:
        reload = model_service_pb2_grpc.ModelServiceStub(made).HandleReloadConfigRequest
        for names, status in ((("m", "also"), 200), (("m",), 404)):
            reload(reload_request(server, names), timeout=60)
            assert {server.get("/v1/models/also/metadata")[0] for _ in range(12)} == {status}
        with pytest.raises(grpc.RpcError, match="Illegal to list model m multiple times"):
            reload(reload_request(server, ("m", "m")), timeout=60)


def reload_request(server, names):
    request = model_management_pb2.ReloadConfigRequest()
    for name in names:
        request.config.model_config_list.config.add(
            name=name, base_path=str(server.folder / "m"), model_platform="tensorflow"
        )
    return request


def test_a_killed_process_is_replaced_and_only_its_requests_fail(server):
    before = counted(server)
    # The first has the Unix socket.
    victim, other = sorted(processes(server), key=lambda process: process.pid)
    with Load(server, connections=12) as load:
        time.sleep(0.5)
        scraped = counted(server)
        assert scraped > before
        victim.kill()
        wait(lambda: f"(process ID {victim.pid}) ended by SIGKILL" in server.said())
        assert counted(server) >= scraped  # What a dead process counted is kept.
        wait(lambda: len({each.pid for each in processes(server)} - {victim.pid}) == 2)
        time.sleep(0.5)
    # Each connection had at most one request on the process that was killed.
    assert sum(load.failures.values()) <= 12
    broken = {"RemoteDisconnected", "ConnectionResetError", "BrokenPipeError"}
    assert set(load.failures) <= {"UNAVAILABLE", *broken}
    assert other.is_running()
    assert server.said().count("another takes its place") == 1
    for address in [f"unix:{server.folder}/socket"] + 12 * [f"127.0.0.1:{server.port}"]:
        with channel(address) as predict:
            predict(predict_request(3), timeout=30)


def test_a_signal_ends_all(server):
    found = processes(server)
    began = time.monotonic()
    status, out = server.stop()
    assert status == 0
    assert time.monotonic() - began < 15
    assert "answered" in out
    assert not any(each.is_running() for each in found)
    assert len((server.folder / "access.jsonl").read_text().splitlines()) > 100
