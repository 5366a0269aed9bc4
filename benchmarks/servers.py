"""A server as a process: started, asked until it answers rightly, measured, stopped."""

import contextlib
import dataclasses
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from digitline.base.errors import UserError
from digitline.base.export_layout import DEFAULT_SIGNATURE
from digitline.serving.protocol import messages, tensors

GRPC, REST = "gRPC", "REST"
PREDICT = "/tensorflow.serving.PredictionService/Predict"
_START_S = 120
# Beyond the seconds of load: imports, the warm-up, and answers that do not come.
_LOAD_S = 120
# Past the environment's proxies: the servers are this machine's.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclasses.dataclass(frozen=True)
class Server:
    """One that is measured, over one protocol.

    Attributes:
      name: in the table.
      protocol: GRPC or REST.
      command: from a free port to what starts it.
      path: of the request.
      body: from one image, uint8 [1, H, W, C], to the request.
      read: from an answer to its probabilities; None where there is nothing in it.
      package: of Python that it needs.
    """

    name: str
    protocol: str
    command: Callable[[int], list[str]]
    path: str
    body: Callable[[np.ndarray], bytes]
    read: Callable[[bytes], Any] | None
    package: str = ""


@dataclasses.dataclass(frozen=True)
class Running:
    """A server that answers.

    Attributes:
      address: host and port.
      ready_s: seconds from its start to its first answer.
      process: of the server.
    """

    address: str
    ready_s: float
    process: subprocess.Popen[bytes]

    def rss_mb(self) -> float | None:
        """Memory of the process and its children; None where the system does not tell."""
        try:
            return sum(_rss(each) for each in _family(self.process.pid)) / 2**20
        except OSError:
            return None


def tf_request(image: np.ndarray, model: str) -> bytes:
    """A PredictRequest of one image."""
    request = messages.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = DEFAULT_SIGNATURE
    tensors.encode(image, request.inputs["images"])
    return request.SerializeToString()


def tf_probabilities(answer: bytes) -> Any:
    """Of a PredictResponse."""
    response = messages.PredictResponse.FromString(answer)
    return tensors.decode(response.outputs["probabilities"])


@contextlib.contextmanager
def running(server: Server, image: np.ndarray, expected: np.ndarray) -> Iterator[Running]:
    """Starts a server and stops it again, with all that it has started.

    Raises:
      UserError: it cannot be started, does not answer within two minutes, or wrongly.
    """
    port = _free_port()
    address = f"127.0.0.1:{port}"
    with tempfile.TemporaryFile() as errors:
        start = time.monotonic()
        try:
            process = subprocess.Popen(
                server.command(port),
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
        except OSError as error:
            raise UserError(f"{server.name} does not start: {error}") from None
        try:
            answer = _first_answer(server, address, server.body(image), process, start)
            if answer is None:
                errors.seek(0)
                why = last_line(errors.read().decode(errors="replace")) or "killed"
                raise UserError(f"{server.name} does not start: {why}")
            ready_s = time.monotonic() - start
            if server.read is not None:
                found = np.asarray(server.read(answer), np.float64).reshape(-1)
                if found.shape != expected.shape or np.abs(found - expected).max() > 1e-4:
                    raise UserError(f"{server.name} answers wrongly: {found}")
            yield Running(address, ready_s, process)
        finally:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(10)


def loaded(
    server: Server, address: str, body: bytes, in_flight: int, seconds: float
) -> dict[str, Any]:
    """The figures of the load generator, which runs in a process of its own.

    Raises:
      UserError: it fails, or does not end.
    """
    with tempfile.NamedTemporaryFile(suffix=".body") as file:
        Path(file.name).write_bytes(body)
        arguments = [server.protocol, address, server.path, file.name, in_flight, seconds]
        try:
            done = subprocess.run(
                [sys.executable, "-m", f"{__package__}.load", *map(str, arguments)],
                capture_output=True,
                text=True,
                check=False,
                timeout=seconds + _LOAD_S,
            )
        except subprocess.TimeoutExpired as error:
            raise UserError(
                f"{server.name}: the load generator did not end within {error.timeout:g} s"
            ) from None
    if done.returncode:
        why = last_line(done.stderr) or f"exit status {done.returncode}"
        raise UserError(f"{server.name}: the load generator failed: {why}")
    return json.loads(done.stdout.splitlines()[-1])


def last_line(text: str) -> str:
    """What a program that failed has said last; empty where it said nothing."""
    return text.strip().rpartition("\n")[2]


def _first_answer(
    server: Server, address: str, body: bytes, process: subprocess.Popen[bytes], start: float
) -> bytes | None:
    ask = _ask_grpc if server.protocol == GRPC else _ask_rest
    while time.monotonic() < start + _START_S and process.poll() is None:
        answer = ask(address, server.path, body)
        if answer is not None:
            return answer
        time.sleep(0.02)
    return None


def _ask_grpc(address: str, path: str, body: bytes) -> bytes | None:
    import grpc

    # A channel of its own each time: one that was refused waits longer and longer.
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(address, options) as channel:
        try:
            return channel.unary_unary(path)(body, timeout=30)
        except grpc.RpcError:
            return None


def _ask_rest(address: str, path: str, body: bytes) -> bytes | None:
    request = urllib.request.Request(
        f"http://{address}{path}", body, {"Content-Type": "application/json"}
    )
    try:
        with _OPENER.open(request, timeout=30) as answer:
            return answer.read()
    except (OSError, http.client.HTTPException):
        return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _family(pid: int) -> list[int]:
    children = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [pid, *(each for child in children for each in _family(child))]


def _rss(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
