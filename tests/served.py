"""`digitline serve` in a process of its own, for tests that ask it."""

import contextlib
import fcntl
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import grpc
import pytest


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """`digitline serve`, ready."""

    def __init__(self, folder, *flags):
        self.port, self.rest = free_port(), free_port()
        self.errors = folder / "stderr"
        arguments = [
            *(sys.executable, "-m", "digitline.cli", "serve"),
            *(f"--port={self.port}", f"--rest_api_port={self.rest}", *flags),
        ]
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(
                arguments, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        wait(lambda: "model " in self.said() or self.process.poll() is not None)
        assert self.process.poll() is None, self.said()

    def said(self):
        return self.errors.read_text()

    def channel(self):
        return grpc.insecure_channel(f"127.0.0.1:{self.port}")

    def fetch(self, path, body=None, headers=None):
        """Status, headers and bytes of an answer of the REST port."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.rest}{path}", body, headers or {})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def get(self, path, body=None):
        """Status and text of a REST answer."""
        status, _, content = self.fetch(path, body)
        return status, content.decode()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=60)
        return self.process.returncode, out


@contextlib.contextmanager
def serving(folder, *flags):
    found = Process(folder, *flags)
    try:
        yield found
    finally:
        if found.process.poll() is None:
            found.process.kill()
            found.process.communicate()


def wait(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


@contextlib.contextmanager
def as_documented(line, environment, cwd=None):
    """A server that a command line of the documentation starts, on the ports 8500 and 8501.

    One test at a time has them; where another program has, the test is skipped.
    """
    with open(Path(tempfile.gettempdir(), "digitline-documented-ports"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for port in (8500, 8501):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    pytest.skip(f"port {port} is taken")
        server = subprocess.Popen(["bash", "-ec", f"exec {line}"], env=environment, cwd=cwd)
        try:
            wait(lambda: server.poll() is not None or _is_ready(8501), 60)
            assert server.poll() is None, line
            yield
        finally:
            server.send_signal(signal.SIGTERM)
            assert server.wait(30) == 0


def _is_ready(rest_port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{rest_port}/readyz", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False
