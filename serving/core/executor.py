"""How a servable's calls run beside the event loop: each in a thread of its own.

`batching.py` has the other way: requests joined into batches.
"""

import asyncio
import concurrent.futures
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from .servable import Servable


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


MakeExecutor = Callable[[Servable], Executor]


def threads(number: int = 0) -> concurrent.futures.ThreadPoolExecutor:
    """Threads for calls: by default two for each core, since one call can leave cores idle."""
    return concurrent.futures.ThreadPoolExecutor(
        number or 2 * (os.cpu_count() or 1), thread_name_prefix="call"
    )


class Direct:
    """Each call by itself."""

    def __init__(self, servable: Servable, pool: concurrent.futures.Executor):
        self._servable = servable
        self._pool = pool

    async def run(
        self, signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> list[np.ndarray]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._pool, self._servable.run, signature, inputs, outputs
        )

    def close(self) -> None:
        pass
