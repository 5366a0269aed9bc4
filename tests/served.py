"""`digitline serve`, for tests that send it requests: in this process, or in one of its own."""

import asyncio
import contextlib
import fcntl
import logging
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import grpc
import pytest

from digitline.base import command_flags
from digitline.serving.flags import FLAGS, ServeOptions

from support import free_port


class Server:
    """A server that listens, or will."""

    def __init__(self):
        self.port, self.rest = free_port(), free_port()
        # Trials take their time, and are tested by themselves.
        self.ports = (f"--port={self.port}", f"--rest_api_port={self.rest}", "--trial=never")

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


class Process(Server):
    """In a process of its own."""

    def __init__(self, folder, *flags, prefix=()):
        super().__init__()
        self.errors = folder / "stderr"
        arguments = [*prefix, sys.executable, "-m", "digitline.cli", "serve", *self.ports, *flags]
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(
                arguments, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        wait(lambda: "model " in self.said() or self.process.poll() is not None)
        assert self.process.poll() is None, self.said()

    def said(self):
        return self.errors.read_text()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=60)
        return self.process.returncode, out

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


class Thread(Server, logging.Handler):
    """On a thread of this process."""

    def __init__(self, *flags):
        Server.__init__(self)
        logging.Handler.__init__(self, logging.INFO)
        FLAGS.unparse_flags()
        command_flags.parse("serve", FLAGS, FLAGS, ["serve", *self.ports, *flags])
        self.options = command_flags.read(ServeOptions, FLAGS)
        self.options.check()
        self.lines, self.failure = [], None
        self.ready = threading.Event()
        logging.getLogger("absl").addHandler(self)
        self.thread = threading.Thread(target=self._work)
        self.thread.start()
        self.ready.wait()
        if self.failure:
            self.close()
            raise self.failure

    def emit(self, record):
        self.lines.append(record.getMessage())

    def _say(self, text):
        self.lines.append(text)
        self.ready.set()

    def _work(self):
        from digitline.serving import service

        async def serve():
            self.loop = asyncio.get_running_loop()
            self.stopping = self.loop.create_future()
            await service.serve(self.options, self.stopping, self._say)

        try:
            asyncio.run(serve())
        except BaseException as error:
            self.failure = error
            self.ready.set()

    def said(self):
        return "\n".join(self.lines)

    def close(self):
        if self.thread.is_alive():
            with contextlib.suppress(RuntimeError):  # It has stopped by itself.
                self.loop.call_soon_threadsafe(self.stopping.set_result, "the test")
        self.thread.join()
        logging.getLogger("absl").removeHandler(self)


def serving(*flags):
    """The server in this process, ready."""
    return contextlib.closing(Thread(*flags))


def serving_process(folder, *flags, prefix=()):
    """The server in a process of its own, ready; `folder` keeps what it says.

    `prefix` is what stands before the command.
    """
    return contextlib.closing(Process(folder, *flags, prefix=prefix))


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
