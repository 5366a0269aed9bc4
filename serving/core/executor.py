"""How a servable's calls run beside the event loop: each in a thread of its own.

`batching.py` has the other way: requests joined into batches.
"""

import asyncio
import concurrent.futures
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

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


async def to_its_end(call: "asyncio.Future[T]") -> T:
    """Awaits a call that cannot be broken off, also where whoever waits for it has gone.

    Else a version could be unloaded, its lease given back, while a thread still runs it.
    """
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        await asyncio.wait([call])
        raise


class Direct:
    """Each call by itself."""

    def __init__(self, servable: Servable, pool: concurrent.futures.Executor):
        self._servable = servable
        self._pool = pool

    async def run(
        self, signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> list[np.ndarray]:
        loop = asyncio.get_running_loop()
        call = loop.run_in_executor(self._pool, self._servable.run, signature, inputs, outputs)
        return await to_its_end(call)

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
