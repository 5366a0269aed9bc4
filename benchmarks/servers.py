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
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from digitline.base.command_flags import flag
from digitline.base.errors import UsageError, UserError
from digitline.base.files import JsonObject

import serving_load
from figures import WHAT, CommonOptions

GRPC, REST = "gRPC", "REST"
_START_S = 120
# Makes the command line that starts a server on a port.
Command = Callable[[int], list[str]]
# Beyond the seconds of load: imports, the warm-up, and answers that do not come.
_LOAD_S = 120


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServedOptions(CommonOptions):
    """What benchmarks of servers are told: what is served, and under which load."""

    saved_model: Path = flag(
        Path("exports/saved_model/lenet5"),
        "Folder of a SavedModel of ours, or of its versions: the newest counts.",
        group=WHAT,
    )
    in_flight: tuple[str, ...] = flag(
        ("1", "8", "32", "128"), "Numbers of requests in flight.", group=WHAT
    )

    @property
    def levels(self) -> list[int]:
        """The numbers of requests in flight."""
        for word in self.in_flight:
            if not word.isdecimal() or int(word) < 1:
                raise UsageError(f"--in_flight: '{word}' is not a positive number")
        return [int(word) for word in self.in_flight]


@dataclasses.dataclass(frozen=True)
class Server:
    """One that is measured, over one protocol.

    Attributes:
      name: in the table.
      protocol: GRPC or REST.
      command: makes the command line that starts it on a port.
      path: of the request.
      body: makes the request's bytes from one image, uint8 [1, H, W, C].
      read: reads the probabilities, float [K], from an answer; None where there are none.
      package: of Python that it needs; empty if none.
    """

    name: str
    protocol: str
    command: Command
    path: str
    body: Callable[[np.ndarray], bytes]
    read: Callable[[bytes], object] | None
    package: str = ""


@dataclasses.dataclass(frozen=True)
class Running:
    """A server that answers.

    Attributes:
      address: host and port.
      ready_s: seconds from its start to its first answer.
      process_id: of the server.
    """

    address: str
    ready_s: float
    process_id: int


@contextlib.contextmanager
def running(server: Server, image: np.ndarray, expected: np.ndarray | None) -> Iterator[Running]:
    """Starts a server and stops it again, with all that it has started.

    Args:
      server: what is started.
      image: of its first request, uint8 [1, H, W, C].
      expected: the probabilities that it must answer with, float [K]; None if it has none.

    Raises:
      UserError: it cannot be started, does not answer within two minutes, or wrongly.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    address = f"127.0.0.1:{port}"
    with tempfile.TemporaryFile() as errors:
        start = time.monotonic()
        try:
            words = server.command(port)
            process = subprocess.Popen(
                words, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True
            )
        except OSError as error:
            raise UserError(f"{server.name} does not start: {error}") from None
        try:
            body, ask = server.body(image), ask_grpc if server.protocol == GRPC else ask_rest
            while (answer := ask(address, server.path, body)) is None:
                if process.poll() is not None or time.monotonic() > start + _START_S:
                    break
                time.sleep(0.02)
            ready_s = time.monotonic() - start
            if answer is None:
                errors.seek(0)
                why = last_line(errors.read().decode(errors="replace")) or "killed"
                raise UserError(f"{server.name} does not start: {why}")
            if server.read is not None and expected is not None:
                answered = np.asarray(server.read(answer), np.float64).reshape(-1)
                if answered.shape != expected.shape or np.abs(answered - expected).max() > 1e-4:
                    raise UserError(f"{server.name} answers wrongly: {answered}")
            yield Running(address, ready_s, process.pid)
        finally:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(10)


def loaded(server: Server, address: str, body: bytes, in_flight: int, seconds: float) -> JsonObject:
    """What the load generator measures, in a process of its own; raises UserError if it fails."""
    with tempfile.NamedTemporaryFile(suffix=".body") as file:
        Path(file.name).write_bytes(body)
        arguments = [server.protocol, address, server.path, file.name, in_flight, seconds]
        try:
            done = subprocess.run(
                [sys.executable, serving_load.__file__, *map(str, arguments)],
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
    """What a program that failed has said last; may be empty."""
    return text.strip().rpartition("\n")[2]


def ask_grpc(address: str, path: str, body: bytes) -> bytes | None:
    """The answer to one request; None if it is refused or lost."""
    import grpc

    # A channel of its own each time: one that was refused waits longer and longer.
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(address, options) as channel:
        try:
            return channel.unary_unary(path)(body, timeout=30)
        except grpc.RpcError:
            return None


def ask_rest(address: str, path: str, body: bytes) -> bytes | None:
    """The answer to one request; None if it is refused or lost."""
    with contextlib.closing(http.client.HTTPConnection(address, timeout=30)) as connection:
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.read() if answer.status == 200 else None
        except (OSError, http.client.HTTPException):
            return None
