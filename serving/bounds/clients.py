"""Clients that keep the server waiting: for a body, or until they take an answer."""

import asyncio
import collections

from ..protocol.status import StatusError

_AT_ONCE = 4  # Uploads that go on in one round of the event loop.


class Interruption:
    """Breaks off what a task waits for."""

    def __init__(self) -> None:
        """For the task that makes it."""
        self._task = asyncio.current_task()
        self._error: StatusError | None = None

    def __call__(self, error: StatusError) -> None:
        """Raises this in the task, once."""
        if self._error is None and self._task is not None:
            self._error = error
            self._task.cancel()

    def __enter__(self) -> None:
        """It is possible while this is entered."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Raises StatusError: what it was interrupted with."""
        if self._error is None or kind is not asyncio.CancelledError:
            return
        if hasattr(self._task, "uncancel"):  # From Python 3.11 on.
            self._task.uncancel()  # pyright: ignore
        try:
            raise self._error from None
        finally:
            self._error = None  # Else its traceback would hold it, and what it holds.


class Pace:
    """Lets large uploads go on a few at a time: others have their turn between them."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._waiting: collections.deque[asyncio.Future[None]] = collections.deque()

    async def turn(self) -> None:
        """Waits for one's turn."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._next)
        future = loop.create_future()
        self._waiting.append(future)
        await future

    def _next(self) -> None:
        for _ in range(min(_AT_ONCE, len(self._waiting))):
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._next)
