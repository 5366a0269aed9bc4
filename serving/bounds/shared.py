"""What all requests share, whatever interface they come by."""

import asyncio
import concurrent.futures
import contextlib
from collections.abc import AsyncIterator

from .budget import Budget, Hold
from .clients import Pace
from .limits import Limits
from .worker import Worker

# Bytes that reading a request may take, and for each byte that it may have: the 10,000 test images
# of MNIST fit, with a list for each pixel.
_MEMORY, _FOR_EACH = 32 << 20, 12
_LARGE, _AT_ONCE = 1 << 20, 2
_AT_ONCE_ALL = contextlib.nullcontext()
_SECONDS = 30.0  # To take an answer, where requests have no limit.


class Shared:
    """The limits of requests, their memory, and what reads and writes the large ones."""

    def __init__(self, limits: Limits):
        """Nothing is used yet."""
        self.limits = limits
        self.budget = Budget(limits.bytes_in_flight, limits.seconds or _SECONDS)
        self._turns: dict[str, asyncio.Semaphore] = {}  # By model.
        # One: two that hold Python's lock would keep others waiting twice as long.
        self.converting = concurrent.futures.ThreadPoolExecutor(1, "convert")
        self.pace = Pace()
        self.worker = Worker(_MEMORY + _FOR_EACH * limits.body_bytes)

    def turn(
        self, model: str, size: int, hold: Hold
    ) -> contextlib.AbstractAsyncContextManager[None]:
        """Entered while a request is answered whose inputs take `size` bytes of its hold.

        Of large ones of a model there are two at once: what a model makes of them is not known
        before, and may take many times as much.
        """
        return _AT_ONCE_ALL if size <= _LARGE else self._turn(model, hold)

    @contextlib.asynccontextmanager
    async def _turn(self, model: str, hold: Hold) -> AsyncIterator[None]:
        async with self._turns.setdefault(model, asyncio.Semaphore(_AT_ONCE)):
            with hold.running():
                yield

    def close(self) -> None:
        """Ends the process and the thread."""
        self.worker.close()
        self.converting.shutdown(wait=False)
