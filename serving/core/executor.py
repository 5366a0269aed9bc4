"""How a servable's calls run beside the event loop: each in a thread.

`batching.py` has the other way: requests joined into batches.
"""

import asyncio
import concurrent.futures
import dataclasses
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from .servable import Servable

T = TypeVar("T")

# As `Servable.run`, without holding up the event loop.
Run = Callable[[str, Mapping[str, np.ndarray], Sequence[str]], Awaitable[list[np.ndarray]]]
# From a model's name and a version of it.
MakeRun = Callable[[str, Servable], Run]


@dataclasses.dataclass(frozen=True)
class Lease:
    """A loaded version of the model `name`, which is not unloaded while the lease is held."""

    name: str
    version: int
    folder: Path
    servable: Servable
    run: Run


def direct(servable: Servable, pool: concurrent.futures.Executor) -> Run:
    """Runs each call by itself, on a thread of the pool."""

    async def run(
        signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> list[np.ndarray]:
        call = pool.submit(servable.run, signature, inputs, outputs)
        waiting = asyncio.wrap_future(call)
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            # One that runs cannot be broken off. Its lease is held until it ends: else the
            # version could be unloaded under the thread.
            if not call.cancel():
                await asyncio.wait([waiting])
            raise

    return run


def timed(run: Run, observe: Callable[[float], None]) -> Run:
    """The same, where `observe` gets the seconds of each call, its wait in a queue included."""

    async def run_timed(
        signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> list[np.ndarray]:
        start = time.perf_counter()
        try:
            return await run(signature, inputs, outputs)
        finally:
            observe(time.perf_counter() - start)

    return run_timed


async def in_own_thread(function: Callable[..., T], *arguments: object) -> T:
    """Awaits a call that may take minutes, on a thread that keeps nothing else waiting.

    A thread of a pool would keep other calls waiting, and the end of the process.
    """
    future: concurrent.futures.Future[T] = concurrent.futures.Future()
    future.set_running_or_notify_cancel()  # Whoever waits may leave; the call goes on.

    def work() -> None:
        try:
            result = function(*arguments)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=work, daemon=True).start()
    return await asyncio.wrap_future(future)
