"""Memory that all requests share: bodies, what they become, and answers. On one event loop."""

import asyncio
import ctypes
import sys

import grpc

from ..protocol.status import StatusError
from .limits import Effort

# Bytes: whoever asks for no more never waits, whatever others hold.
_SMALL = 256 << 10
# After so many bytes were given back, and this many seconds, the system gets them.
_TRIMMED, _TRIM_S = 16 << 20, 0.2


class Budget:
    """How much all requests hold at once, and who waits."""

    def __init__(self, size: int):
        """A budget of `size` bytes, of which nothing is used."""
        self.size = size
        self.used = 0
        self.large: dict[Hold, None] = {}  # Those beyond _SMALL, the oldest first.
        self._waiting: set[asyncio.Future[None]] = set()
        self._freed = 0  # Bytes since it was last given to the system.
        self._trimming: asyncio.TimerHandle | None = None

    async def freed(self, seconds: float | None) -> None:
        """Waits until somebody gives back; at most this many seconds."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await asyncio.wait([future], timeout=seconds)
        finally:
            self._waiting.discard(future)

    def wake(self) -> None:
        """Lets those that wait look again."""
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def trim(self, size: int) -> None:
        """Gives the system what was freed, soon, if it is much: the C library would keep it."""
        self._freed += size
        if self._freed > _TRIMMED and self._trimming is None and sys.platform == "linux":
            self._freed = 0
            self._trimming = asyncio.get_running_loop().call_later(_TRIM_S, self._trim)

    def _trim(self) -> None:
        self._trimming = None
        # musl has none.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            asyncio.get_running_loop().run_in_executor(None, trim, 0)


class Hold:
    """A request's share of a budget; empty at first."""

    def __init__(self, budget: Budget):
        self._budget = budget
        self._size = 0

    async def resize(self, size: int, effort: Effort) -> None:
        """Changes how many bytes the request holds; waits until others hold less.

        The oldest large request gets what it wants, so that one always goes on: its own limits
        bound it.

        Raises:
          StatusError: UNAVAILABLE: others hold too much for all of its time.
        """
        budget = self._budget
        if size > _SMALL:
            budget.large.setdefault(self)
        while size > max(self._size, _SMALL) and self is not next(iter(budget.large)):
            if budget.used - self._size + size <= budget.size:
                break
            await budget.freed(effort.left())
            if effort.left() == 0:
                raise StatusError(
                    grpc.StatusCode.UNAVAILABLE,
                    "The requests that are being answered take too much memory; try again",
                )
        self._set(size)

    def release(self) -> None:
        """Gives all back."""
        self._budget.large.pop(self, None)
        self._budget.trim(self._size)
        self._set(0)

    def _set(self, size: int) -> None:
        is_less = size < self._size
        self._budget.used += size - self._size
        self._size = size
        if is_less or not size:
            self._budget.wake()
