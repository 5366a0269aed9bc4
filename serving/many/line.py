"""A connection between two processes, on which both ask and answer. Lives on an event loop."""

import asyncio
import contextlib
import itertools
import pickle
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import TypeVar

import grpc

from ..protocol.status import StatusError, from_exception
from .orders import Question

T = TypeVar("T")
_LENGTH = struct.Struct(">Q")
_NO_ANSWER = 0  # Number of what is told, not asked.


class LostError(StatusError):
    """The other process has ended: there will be no answer."""

    def __init__(self) -> None:
        super().__init__(grpc.StatusCode.UNAVAILABLE, "The server is stopping")


class Line:
    """One end. What is asked is begun in the order in which it was.

    Attributes:
      is_lost: whether the other side has ended, or asks no more.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answer: Callable[[Question[object]], Awaitable[object]],
    ):
        """As `opened` says."""
        self._reader, self._writer, self._answer = reader, writer, answer
        self._numbers = itertools.count(_NO_ANSWER + 1)
        self._asked: dict[int, asyncio.Future[object]] = {}
        self.is_lost = False
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    async def opened(
        cls, end: socket.socket, answer: Callable[[Question[object]], Awaitable[object]]
    ) -> "Line":
        """A line.

        Args:
          end: of a pair of sockets; the line's from now on.
          answer: of what the other side asks. A StatusError that it raises is raised there.
        """
        reader, writer = await asyncio.open_unix_connection(sock=end)
        return cls(reader, writer, answer)

    async def ask(self, question: Question[T]) -> T:
        """What the other side answers.

        Raises:
          StatusError: what it raises.
          LostError: it has ended.
        """
        if self.is_lost:
            raise LostError
        number, future = next(self._numbers), asyncio.get_running_loop().create_future()
        self._asked[number] = future
        try:
            self._send(number, True, question)
            return await future
        finally:
            self._asked.pop(number, None)

    def tell(self, message: Question[None]) -> None:
        """Says something that needs no answer."""
        self._send(_NO_ANSWER, True, message)

    def finish(self) -> None:
        """Asks no more: the other side's `run` ends, and it may still tell things."""
        if not self._writer.is_closing():
            self._writer.write_eof()

    async def close(self) -> None:
        """Ends the line when all that was told has gone."""
        self._writer.close()
        with contextlib.suppress(OSError):  # The other process has ended.
            await self._writer.wait_closed()

    async def run(self) -> None:
        """Reads until the other side asks no more, or has ended."""
        try:
            while True:
                (length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
                content = await self._reader.readexactly(length)
                # Of our own process, by a pair of sockets that no other has.
                number, is_question, value = pickle.loads(content)  # noqa: S301
                if is_question:
                    task = asyncio.ensure_future(self._reply(number, value))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                elif (future := self._asked.get(number)) is not None and not future.done():
                    if isinstance(value, _Failure):
                        future.set_exception(value.error())
                    else:
                        future.set_result(value)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self.is_lost = True
            for future in self._asked.values():
                if not future.done():
                    future.set_exception(LostError())

    async def _reply(self, number: int, question: Question[object]) -> None:
        try:
            value = await self._answer(question)
        except Exception as raised:
            value = _Failure(from_exception(raised))
        if number != _NO_ANSWER:
            self._send(number, False, value)

    def _send(self, number: int, is_question: bool, value: object) -> None:
        content = pickle.dumps((number, is_question, value))
        if not self._writer.is_closing():
            self._writer.write(_LENGTH.pack(len(content)) + content)


class _Failure:
    """A StatusError on its way."""

    def __init__(self, error: StatusError):
        self._code, self._message, self._status = error.code.name, error.message, error.http_status

    def error(self) -> StatusError:
        return StatusError(grpc.StatusCode[self._code], self._message, self._status)
