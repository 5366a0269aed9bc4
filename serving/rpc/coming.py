"""Messages that are being received: bounded in time, in number, and in memory together.

gRPC does not tell how much of a message has come, and cannot let it wait. So the memory of the
process is looked at: where it grows too much while messages come slowly, these are refused.
"""

import asyncio
import time
from typing import Any

import grpc
import psutil

from ..bounds.budget import Budget
from ..bounds.clients import Interruption
from ..protocol.status import StatusError, invalid

# Seconds between two looks, and from when on a message comes slowly.
_LOOK_S, _SLOW_S = 0.1, 0.5

_AIO: Any = grpc.aio
END = _AIO.EOF  # After the last message of a call.


class Coming:
    """All messages that are being received. On one event loop."""

    def __init__(self, budget: Budget, most: int, seconds: float):
        """None yet.

        Args:
          budget: they may take as much as it has, beside what it counts.
          most: how many there may be.
          seconds: that one may take; 0 for no limit.
        """
        self._budget, self._most, self._seconds = budget, most, seconds
        self._since: dict[Interruption, float] = {}  # The oldest first.
        self._looking: asyncio.TimerHandle | None = None
        self._process = psutil.Process()
        self._before = 0  # Bytes of the process when messages began to come.

    async def only(self, context: grpc.aio.ServicerContext) -> Any:
        """The message of a call that has one.

        Raises:
          StatusError: there is none, or as of `next`.
        """
        message = await self.next(context)
        if message is END:
            raise invalid("The call has no message")
        return message

    async def next(self, context: grpc.aio.ServicerContext) -> Any:
        """The next message of a call, or END.

        Raises:
          StatusError: DEADLINE_EXCEEDED: it takes too long; RESOURCE_EXHAUSTED: there are too many,
            or they take too much memory.
        """
        if len(self._since) >= self._most:
            raise _refusal(f"More than {self._most} messages come at once; try again")
        interruption = Interruption()
        self._since[interruption] = time.monotonic()
        if self._looking is None:
            self._before = self._taken()
            self._look_later()
        try:
            with interruption:
                return await context.read()
        finally:
            del self._since[interruption]

    def _look_later(self) -> None:
        self._looking = asyncio.get_running_loop().call_later(_LOOK_S, self._look)

    def _look(self) -> None:
        self._looking = None
        now = time.monotonic()
        oldest = next(iter(self._since.values()), now)
        if now - oldest < _LOOK_S:
            return  # The next message is looked at.
        self._look_later()
        if now - oldest < _SLOW_S:
            return
        slow = [one for one, since in self._since.items() if now - since >= _SLOW_S]
        if self._taken() - self._before > self._budget.size:
            for interruption in slow[: len(slow) // 2 + 1]:
                interruption(_refusal("The messages that come take too much memory; try again"))
            self._budget.trim(self._budget.size)
        for interruption in slow:
            if not self._seconds or now - self._since[interruption] < self._seconds:
                break
            interruption(
                StatusError(
                    grpc.StatusCode.DEADLINE_EXCEEDED,
                    f"The message did not come in {self._seconds:g} seconds",
                )
            )

    def _taken(self) -> int:
        """Bytes of the process without what the budget counts."""
        return self._process.memory_info().rss - self._budget.used


def _refusal(text: str) -> StatusError:
    return StatusError(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
