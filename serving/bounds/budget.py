"""Memory that all requests share: bodies, what they become, and answers. On one event loop."""

import asyncio
import contextlib
import ctypes
import dataclasses
import sys
import time
from collections.abc import Callable, Iterator

import grpc

from ..protocol.status import StatusError
from .limits import Effort

# Bytes: whoever asks for no more never waits, whatever others hold.
SMALL = 256 << 10
# After so many bytes were given back, and this many seconds, the system gets them.
_TRIMMED, _TRIM_S = 16 << 20, 0.2
_LOOK_S = 1.0  # Between two looks at clients, of which one is cut off at a time.
# Bytes of an answer that its client must take in a second: always, and where others wait.
_SLOWEST, _SLOW, _PATIENCE_S = 64 << 10, 4 << 20, 2.0


class Budget:
    """How much all requests hold at once, and who waits."""

    def __init__(self, size: int, seconds: float = 30.0):
        """Nothing is used yet.

        Args:
          size: bytes.
          seconds: that a client may take for an answer, beside the time that its bytes take.
        """
        self.size, self.seconds = size, seconds
        self.used = 0
        self.unsent = 0  # Of these for answers that are being sent.
        self.large: dict[Hold, None] = {}  # Those beyond SMALL, the oldest first.
        self.running: dict[Hold, None] = {}  # Of these those whose models run.
        self._waiting: dict[Hold, asyncio.Future[None]] = {}  # Who came first is first.
        self._slow: dict[Hold, _Client] = {}  # Whose clients send or take, the oldest first.
        self._cut: tuple[Hold, float] | None = None  # The last one that was cut off, and when.
        self._freed = 0  # Bytes since it was last given to the system.
        self._trimming: asyncio.TimerHandle | None = None

    async def wait(self, hold: "Hold", more: int, effort: Effort) -> None:
        """Waits until there are `more` bytes for one that holds some.

        Raises:
          StatusError: RESOURCE_EXHAUSTED: there are not for all of its time.
        """
        begun = time.monotonic()
        try:
            while self.used + more > self.size and not self._must_go_on(hold):
                future = self._waiting[hold] = asyncio.get_running_loop().create_future()
                seconds = effort.left()
                if next(iter(self._waiting)) is hold:
                    seconds = min(self._cut_off(), float("inf") if seconds is None else seconds)
                await asyncio.wait([future], timeout=seconds)
                if effort.left() == 0:
                    raise StatusError(
                        grpc.StatusCode.RESOURCE_EXHAUSTED,
                        "The requests that are being answered take too much memory; try again",
                        http_status=429,
                    )
        finally:
            self._waiting.pop(hold, None)
            self.wake()
            if hold in self._slow:  # That was not its client.
                self._slow[hold].due += time.monotonic() - begun

    def wake(self) -> None:
        """Lets the first one that waits look again, and the one that does not wait."""
        if not self._waiting:
            return
        for hold in (next(iter(self._waiting), None), self._first()):
            future = None if hold is None else self._waiting.get(hold)
            if future is not None and not future.done():
                future.set_result(None)

    def _first(self) -> "Hold | None":
        return next(iter(self.running or self.large), None)

    def _must_go_on(self, hold: "Hold") -> bool:
        """Whether it gets what it wants, so that one always goes on; but none without end."""
        return hold is self._first() and self.unsent < self.size // 2

    def follow(self, hold: "Hold", cut: Callable[[], object] | None, seconds: float = 0) -> None:
        """From now on a hold's client has this time, or is not followed, with None."""
        self._slow.pop(hold, None)
        if cut is not None:
            self._slow[hold] = _Client(cut, time.monotonic() + seconds)

    def _cut_off(self) -> float:
        """Cuts off a client whose time is over; seconds until it is worth while to look again."""
        now, soonest = time.monotonic(), _LOOK_S
        if self._cut and self._cut[0].size and now < self._cut[1] + _LOOK_S:
            return soonest
        for hold, client in self._slow.items():
            if hold.size <= SMALL or hold in self._waiting:
                continue
            if client.due <= now:
                self._cut = hold, now
                client.cut()
                return _LOOK_S
            soonest = min(soonest, client.due - now)
        return soonest

    def trim(self, size: int) -> None:
        """Gives the system what was freed, soon, if it is much: the C library would keep it."""
        self._freed += size
        if self._freed > _TRIMMED and self._trimming is None and sys.platform == "linux":
            self._trimming = asyncio.get_running_loop().call_later(_TRIM_S, self._trim)

    def _trim(self) -> None:
        self._trimming, self._freed = None, 0
        # musl has none.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            asyncio.get_running_loop().run_in_executor(None, trim, 0)


@dataclasses.dataclass
class _Client:
    cut: Callable[[], object]
    due: float


class Hold:
    """A request's share of a budget; empty at first.

    Attributes:
      size: bytes that it holds.
    """

    def __init__(self, budget: Budget):
        """It has one owner."""
        self._budget = budget
        self.size = 0
        self._owners = 1
        self._sent = 0
        self._late: asyncio.TimerHandle | None = None

    async def resize(self, size: int, effort: Effort) -> None:
        """Changes how many bytes the request holds; waits until others hold less.

        One large request always goes on, the oldest whose model runs or of all: its own limits
        bound it.

        Raises:
          StatusError: RESOURCE_EXHAUSTED: others hold too much for all of its time.
        """
        if size > SMALL:
            self._budget.large.setdefault(self)
        if size > max(self.size, SMALL):
            await self._budget.wait(self, size - self.size, effort)
        self.take(size)

    def take(self, size: int) -> None:
        """The same at once: it is there already."""
        is_less = size < self.size
        self._budget.used += size - self.size
        self.size = size
        if is_less or not size:
            self._budget.wake()

    def slow(self, cut: Callable[[], object] | None, seconds: float = 0) -> None:
        """The client decides how long it holds this.

        Args:
          cut: breaks it off, where others wait for memory; None if it is no longer the client's.
          seconds: that it has at least.
        """
        self._budget.follow(self, cut, seconds)

    def sending(self, size: int, cut: Callable[[], object]) -> None:
        """Only an answer of `size` bytes is left; who does not take it in time is cut off."""
        self._budget.large.pop(self, None)
        self.take(size)
        self._sent = size
        self._budget.unsent += size
        self.slow(cut, _PATIENCE_S + size / _SLOW)
        seconds = self._budget.seconds + size / _SLOWEST
        self._late = asyncio.get_running_loop().call_later(seconds, cut)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """While its model runs it does not wait for those whose models do not."""
        self._budget.running[self] = None
        try:
            yield
        finally:
            del self._budget.running[self]
            self._budget.wake()

    def share(self) -> None:
        """There is one more owner."""
        self._owners += 1

    def release(self) -> None:
        """Gives all back, if it is the last owner who does."""
        self._owners -= 1
        if self._owners == 0:
            self._budget.large.pop(self, None)
            self.slow(None)
            self._budget.unsent -= self._sent
            if self._late is not None:
                self._late.cancel()
            self._budget.trim(self.size)
            self.take(0)
