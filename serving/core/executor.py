"""How a servable's calls run beside the event loop: each in a thread of its own.

`batching.py` has the other way: requests joined into batches.
"""

import asyncio
import concurrent.futures
import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from .servable import Servable

T = TypeVar("T")


class Executor(Protocol):
    """Runs the calls of one servable."""

    async def run(
        self, signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> list[np.ndarray]:
        """As `Servable.run`, without holding up the event loop."""
        ...

    def close(self) -> None:
        """Frees it; nothing is running any more."""
        ...


# From a model's name and a version of it.
MakeExecutor = Callable[[str, Servable], Executor]


def threads(number: int = 0) -> concurrent.futures.ThreadPoolExecutor:
    """Threads for calls: by default two for each core, since one call can leave cores idle."""
    return concurrent.futures.ThreadPoolExecutor(
        number or 2 * (os.cpu_count() or 1), thread_name_prefix="call"
    )


async def in_own_thread(function: Callable[..., T], *arguments: Any) -> T:
    """Awaits a call that may take minutes, on a thread that keeps nothing else waiting.

    Neither other calls, as a thread of a pool would, nor the end of the process.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(give: Callable[[Any], None], what: Any) -> None:
        if not future.done():  # Whoever waited has gone.
            give(what)

    def work() -> None:
        try:
            give, what = future.set_result, function(*arguments)
        except BaseException as error:
            give, what = future.set_exception, error
        with contextlib.suppress(RuntimeError):  # The loop has ended.
            loop.call_soon_threadsafe(settle, give, what)

    threading.Thread(target=work, daemon=True).start()
    return await future


class Direct:
    """Each call by itself."""

    def __init__(self, servable: Servable, pool: concurrent.futures.Executor):
        self._servable = servable
        self._pool = pool

    async def run(
        self, signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> list[np.ndarray]:
        call = self._pool.submit(self._servable.run, signature, inputs, outputs)
        waiting = asyncio.wrap_future(call)
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            # One that runs cannot be broken off. Its lease is held until it ends: else the
            # version could be unloaded under the thread.
            if not call.cancel():
                await asyncio.wait([waiting])
            raise

    def close(self) -> None:
        pass


class Timed:
    """Another executor, whose calls are told of."""

    def __init__(self, inner: Executor, tell: Callable[[float], None]):
        """Wraps it; `tell` gets the seconds of each call, its wait in a queue included."""
        self._inner = inner
        self._tell = tell

    async def run(
        self, signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> list[np.ndarray]:
        start = time.perf_counter()
        try:
            return await self._inner.run(signature, inputs, outputs)
        finally:
            self._tell(time.perf_counter() - start)

    def close(self) -> None:
        self._inner.close()
