"""A gRPC call from its bytes to those of the answer: within bounds, observed, its errors as codes.

Handlers take and give raw bytes: grpcio then does no work of its own on a message, and a
message that does not parse is answered here.
"""

import asyncio
import collections
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import grpc
from google.protobuf.message import Message

from ..bounds.budget import Hold
from ..bounds.shared import Shared
from ..flags import ServeOptions
from ..process.access_log import Answered, Observe
from ..process.ending import Ending
from ..protocol.status import StatusError, from_exception
from . import connections
from .coming import Coming
from .errors import header_text
from .reading import Incoming, read
from .requests import model_name

# Bytes of a message from which on it is read and written beside the event loop.
_LARGE = 256 << 10

T = TypeVar("T")
# Takes a request that was read, and makes the answer.
Method = Callable[[Incoming], Awaitable[Message]]


class Calls:
    """All calls of a server. On one event loop."""

    def __init__(
        self,
        observe: Observe,
        ending: Ending,
        options: ServeOptions,
        shared: Shared,
        coming: Coming,
    ):
        """There are none yet.

        Args:
          observe: is told of each request.
          ending: whether requests are taken.
          options: how many calls are answered at once.
          shared: what all requests share.
          coming: messages that are being received.
        """
        self._observe = observe
        self._ending = ending
        self._shared = shared
        self._port = options.port
        self._max_calls = options.max_concurrent_requests
        self._coming = coming
        self._calls = 0
        self._running: collections.Counter[str] = collections.Counter()  # By connection.

    def handler(
        self, api: str, method: Method, request_class: type[Message]
    ) -> grpc.RpcMethodHandler:
        """What answers the calls of a method, which logs call `api`."""

        async def handle(_: object, context: grpc.aio.ServicerContext) -> bytes:
            start = time.perf_counter()
            name, code, length = "", "OK", 0
            data = call = answer = None
            hold = Hold(self._shared.budget)
            peer = ""
            try:
                self._ending.check()
                # A call of a single message; but not gRPC's, which would wait for it unseen.
                data = await self._coming.only(context)
                length = len(data)
                self._ending.check()
                peer = self._begin(context.peer())
                call = await read(data, request_class, self._shared, hold)
                name = model_name(call.message)
                answer = await method(call)
                size = answer.ByteSize()
                content = await self.aside(size, answer.SerializeToString)
                self._follow(len(content), hold, context)
                return content
            except asyncio.CancelledError:
                # At the end of the grace gRPC tells the client so.
                code = "UNAVAILABLE" if self._ending.over.done() else "CANCELLED"
                raise
            except Exception as error:
                failure = from_exception(error).without_frames()
                code = failure.code.name
                await context.abort(failure.code, header_text(failure.message))
                raise  # Not reached: abort raises.
            finally:
                if peer:
                    self._end(peer)
                hold.release()
                # gRPC holds the error of a call, and so this frame.
                data = call = answer = None
                seconds = time.perf_counter() - start
                self._observe(
                    Answered(
                        *("GRPC", api, name, code, seconds),
                        lambda: {"remote": context.peer(), "request_bytes": length},
                    )
                )

        return grpc.stream_unary_rpc_method_handler(handle)

    def _begin(self, peer: str) -> str:
        """Counts a call of a connection, and gives that back.

        Raises:
          StatusError: RESOURCE_EXHAUSTED: there are too many, by it or by all.
        """
        if self._calls >= self._max_calls:
            raise _refusal(f"More than {self._max_calls} calls at once; try again")
        share = -(-self._max_calls * 3 // 4)  # What is left is for other connections.
        if self._running[peer] >= share:
            raise _refusal(f"More than {share} calls of one connection at once; try again")
        self._calls += 1
        self._running[peer] += 1
        return peer

    def _end(self, peer: str) -> None:
        self._calls -= 1
        self._running[peer] -= 1
        if not self._running[peer]:
            del self._running[peer]

    async def aside(self, size: int, function: Callable[..., T], *arguments: object) -> T:
        """Calls the function, beside the event loop where it handles many bytes: `size`."""
        if size < _LARGE:
            return function(*arguments)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._shared.converting, function, *arguments)

    def _follow(self, size: int, hold: Hold, context: grpc.aio.ServicerContext) -> None:
        """Counts an answer until its client has taken it, who is cut off where he does not."""
        if size < _LARGE or (task := asyncio.current_task()) is None:
            return
        peer, loop = context.peer(), asyncio.get_running_loop()

        def cut() -> None:
            loop.run_in_executor(None, connections.close, peer, self._port)

        hold.share()
        hold.sending(2 * size, cut)  # gRPC has a copy.
        task.add_done_callback(lambda _: hold.release())


def _refusal(text: str) -> StatusError:
    return StatusError(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
