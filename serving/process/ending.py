"""How a server ends: the signal, what becomes of requests, and what if something hangs."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc

from ..protocol.status import StatusError

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# Seconds after the grace for unloading and saying goodbye.
LEAVE_S = 10.0
# A signal finds requests that the operating system or gRPC hold and no handler has seen. They
# have come when none has for so long, or after so long in any case.
_QUIET_S, _MOST_S = 0.1, 1.0


class Ending:
    """Whether the server takes requests. Lives on one event loop.

    Attributes:
      has_begun: whether it refuses them.
      over: done when requests that still run are no longer waited for.
    """

    def __init__(self) -> None:
        """It takes them."""
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.has_begun = False
        self._last = 0.0

    def check(self) -> None:
        """Called for each request that comes.

        Raises:
          StatusError: UNAVAILABLE: the server is stopping.
        """
        if self.has_begun:
            self._last = time.monotonic()
            raise self.refusal()

    def refusal(self) -> StatusError:
        """What a request is told that is not answered any more."""
        return StatusError(grpc.StatusCode.UNAVAILABLE, "The server is stopping")

    async def begin(self) -> None:
        """From now on requests are refused; returns when those sent before have been."""
        self.has_begun = True
        begun = self._last = time.monotonic()
        while (now := time.monotonic()) - self._last < _QUIET_S and now - begun < _MOST_S:
            await asyncio.sleep(_QUIET_S / 4)

    def finish(self) -> None:
        """Requests that still run are no longer waited for."""
        if not self.over.done():
            self.over.set_result(None)


@contextlib.contextmanager
def stop_signal(seconds: float) -> Iterator["asyncio.Future[str]"]:
    """Gives a future of the name of the first signal that asks the server to stop.

    A second signal ends the process at once. So does the time, whatever hangs then: a load, a
    call, the event loop, a library that holds the interpreter's lock. For the main thread.

    Args:
      seconds: from the first signal to the end of the process, with which the watch ends.
    """
    loop = asyncio.get_running_loop()
    stopping: asyncio.Future[str] = loop.create_future()
    has_come = False

    def tell(number: int) -> None:
        if not stopping.done():
            stopping.set_result(signal.Signals(number).name)

    def stop(number: int, _: object) -> None:
        nonlocal has_come
        if has_come:
            os._exit(128 + number)
        has_come = True
        loop.call_soon_threadsafe(tell, number)

    read, write = os.pipe()
    os.set_blocking(write, False)
    watchdog = _watchdog(read, seconds)
    os.close(read)
    # Python's handler in C writes each signal to the pipe, without the interpreter's lock.
    before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    handlers = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield stopping
    finally:
        if not has_come:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before)
            os.close(write)
            watchdog.wait()


def _watchdog(pipe: int, seconds: float) -> "subprocess.Popen[bytes]":
    script = Path(__file__).with_name("watchdog.py")
    words = [sys.executable, "-I", "-S", str(script), str(os.getpid()), str(seconds)]
    return subprocess.Popen(words, stdin=pipe, stdout=subprocess.DEVNULL, start_new_session=True)
