"""A process beside the server that reads what takes long to read.

Reading holds Python's lock for as long as it takes: beside the event loop it would keep all
others waiting, and what it took of the memory would be the server's for good. The process has
limits of its own, and is ended where it exceeds them; the next request gets another.
"""

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import gc
import multiprocessing
import multiprocessing.connection
import os
import pickle
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

import grpc

from ..protocol.status import StatusError, from_exception
from .limits import Effort

Result = TypeVar("Result")
# What the worker does: from a request's bytes, further arguments and its effort.
Read = Callable[..., Result]

_LOOK_S = 0.05  # Seconds between two looks at whether the client still waits.
_NICE = 10  # Those that are answered quickly go first.
_KEPT = 200 << 20  # Bytes: a worker that is larger after a request makes place for another.


@dataclasses.dataclass(frozen=True)
class _Failure:
    code: str
    message: str
    http_status: int


class Worker:
    """The process, which is started when it is needed, and the thread that talks to it."""

    def __init__(self, memory: int):
        """Starts nothing yet.

        Args:
          memory: bytes that reading one request may take.
        """
        self._memory = memory
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "worker")
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: multiprocessing.connection.Connection | None = None

    async def call(
        self, effort: Effort, read: Read[Result], body: bytes, *arguments: object
    ) -> Result:
        """What `read(body, *arguments, effort)` returns in the other process.

        Args:
          effort: ends the work with its time.
          read: a function of a module, which imports little.
          body: goes there as it is.
          arguments: are pickled.

        Raises:
          StatusError: what it raises; DEADLINE_EXCEEDED; RESOURCE_EXHAUSTED: it takes too much
            memory.
        """
        effort.go_elsewhere()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._call, effort, read, body, arguments)

    def close(self) -> None:
        """Ends the process."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._end()

    def _call(
        self, effort: Effort, read: Read[Result], body: bytes, arguments: tuple[object, ...]
    ) -> Result:
        effort.check()  # It may have waited for its turn.
        try:
            connection = self._connected()
            connection.send((read, arguments))
            connection.send_bytes(body)
            while not connection.poll(_LOOK_S):
                effort.check()
            result, leaves = _received(connection)
        except StatusError:
            self._end()  # Nobody waits for what it does.
            raise
        except (EOFError, OSError):
            self._end()
            raise self._too_large() from None
        if leaves:
            self._end()
        if isinstance(result, MemoryError):
            raise self._too_large()
        if isinstance(result, _Failure):
            code = grpc.StatusCode[result.code]
            raise StatusError(code, result.message, result.http_status)
        return cast(Result, result)

    def _connected(self) -> multiprocessing.connection.Connection:
        if self._connection is None:
            self._connection, theirs = multiprocessing.Pipe()
            code = f"from {__name__} import work; work({theirs.fileno()}, {self._memory})"
            with contextlib.closing(theirs):
                self._process = subprocess.Popen(
                    [sys.executable, "-c", code],
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                )
        return self._connection

    def _end(self) -> None:
        process, self._process = self._process, None
        connection, self._connection = self._connection, None
        if process is not None:
            process.kill()
            process.wait()
        if connection is not None:
            connection.close()

    def _too_large(self) -> StatusError:
        return StatusError(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            f"Reading the request takes more than {self._memory} bytes of memory: send it in parts",
            http_status=413,
        )


def _received(connection: multiprocessing.connection.Connection) -> tuple[object, bool]:
    count, leaves = connection.recv()
    content = connection.recv_bytes()
    buffers = [connection.recv_bytes() for _ in range(count)]
    # Of our own process, which holds no pickle of a client's.
    return pickle.loads(content, buffers=buffers), leaves  # noqa: S301


def work(handle: int, memory: int) -> None:
    """The other process: reads until the server closes the connection.

    Args:
      handle: of the connection.
      memory: bytes that it may take more than at its start.
    """
    connection = multiprocessing.connection.Connection(handle)
    os.nice(_NICE)
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            read, arguments = connection.recv()  # Imports what it reads with.
            _limit(memory)
            _send(connection, _outcome(read, connection.recv_bytes(), arguments))


def _limit(memory: int) -> None:
    pages = _pages(0)
    if pages:  # Linux
        most = pages * resource.getpagesize() + memory
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))


def _pages(column: int) -> int:
    """Of this process: 0 for what it has of addresses, 1 for what of memory."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[column])
    except OSError:
        return 0


def _outcome(read: Read[object], body: bytes, arguments: tuple[object, ...]) -> object:
    try:
        return read(body, *arguments, Effort())
    except (MemoryError, SystemError):  # What orjson makes of it.
        return MemoryError()
    except Exception as raised:
        error = from_exception(raised)
        return _Failure(error.code.name, error.message, error.http_status)


def _send(connection: multiprocessing.connection.Connection, result: object) -> None:
    buffers: list[pickle.PickleBuffer] = []
    content = pickle.dumps(result, protocol=5, buffer_callback=buffers.append)
    gc.collect()
    connection.send((len(buffers), _pages(1) * resource.getpagesize() > _KEPT))
    connection.send_bytes(content)
    for buffer in buffers:
        connection.send_bytes(buffer.raw())
