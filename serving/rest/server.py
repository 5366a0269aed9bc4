"""aiohttp's server with a limit on its connections, and errors of HTTP as JSON too."""

import asyncio
import resource
import sys
from typing import Any

from aiohttp import Payload, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from ..bounds.budget import Budget, Hold
from . import answers

_MOST_FILES = 65_536
# Files for models, logs and threads, and for connections that are taken from the system
# before they are counted: up to 128 at once.
_OTHER_FILES = 256
_MOST_CONNECTIONS = 10_000
# Bytes of an answer that is sent in pieces, and of a piece.
_LARGE, _PIECE = 64 << 10, 256 << 10

# Where a request keeps what it holds of the memory that all share, until its answer is sent.
HOLD = web.RequestKey("HOLD", Hold)


def allow_files() -> int:
    """Lets this process have as many files open as it may; returns how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _MOST_FILES
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if wanted > soft:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):  # macOS has further limits.
            return soft
    return max(wanted, soft)


def most_connections(files: int) -> int:
    """How many connections the REST port may have of these files; gRPC may have as many."""
    return min(max((files - _OTHER_FILES) // 2, 32), _MOST_CONNECTIONS)


class _Pieces(Payload):
    """Bytes that are sent in pieces, each when the one before is taken: none is copied before."""

    def __init__(self, body: bytes):
        super().__init__(body)
        self._body, self._size = body, len(body)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._body.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        view = memoryview(self._body)
        for start in range(0, len(view), _PIECE):
            await writer.write(view[start : start + _PIECE])


class Runner(web.AppRunner):
    """An `AppRunner` whose server bounds its connections and answers bad HTTP with JSON too."""

    def __init__(
        self,
        app: web.Application,
        *,
        connections: int = _MOST_CONNECTIONS,
        seconds: float = 30.0,
        shutdown_timeout: float = 60.0,
        budget: Budget | None = None,
    ):
        """Serves an application.

        Args:
          app: what answers.
          connections: that are open at once. A further one takes the place of the one that
            has been there longest without a request that runs; if there is none, it is
            closed at once.
          seconds: that the head of a request may take to come, counted from the connection
            or from its first byte.
          shutdown_timeout: seconds that requests may run on once the server stops.
          budget: that answers share while they are sent; None for no limit.
        """
        super().__init__(app, access_log=None, shutdown_timeout=shutdown_timeout)
        self._most = connections
        self._seconds = seconds
        self._budget = budget or Budget(sys.maxsize)

    async def _make_server(self) -> web.Server:
        made: Any = await super()._make_server()
        return _Server(
            self._most,
            self._seconds,
            self._budget,
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            loop=asyncio.get_running_loop(),
            **made._kwargs,
        )


class _Server(web.Server):
    def __init__(self, most: int, seconds: float, budget: Budget, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self.budget = budget
        self.most = most
        self.seconds = seconds

    def __call__(self) -> web.RequestHandler:
        return _Handler(self, loop=self._loop, **self._kwargs)

    def make_room(self) -> bool:
        """Whether there may be one more connection; an idle one is closed for it.

        First those that have never asked for anything.
        """
        if len(self._connections) < self.most:
            return True
        oldest = None
        for handler in self._connections:  # The oldest first.
            if isinstance(handler, _Handler) and handler.is_waiting():
                oldest = oldest or handler
                if not handler.has_asked():
                    oldest = handler
                    break
        if oldest is not None:
            oldest.force_close()
        return oldest is not None


class _Handler(web.RequestHandler):
    """One connection."""

    __slots__ = ("_giving_up", "_has_ended", "_last_body", "_server")

    def __init__(self, server: _Server, **options: Any):
        super().__init__(server, **options)
        self._server = server
        self._giving_up: asyncio.TimerHandle | None = None
        self._has_ended = False  # The client sends no more.
        self._last_body: StreamReader = EMPTY_PAYLOAD  # Of the request that came last.

    def is_waiting(self) -> bool:
        """Whether it has no whole request to answer."""
        if self._force_close:
            return False
        if self._waiter is None:  # It answers one, or is too new to wait.
            return not self._request_count
        return not self._waiter.done()

    def has_asked(self) -> bool:
        """Whether a request has come by it."""
        return self._request_count > 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self._server.make_room():
            assert isinstance(transport, asyncio.Transport)
            transport.abort()
            return
        # asyncio's, of what is read at a time: less, since many may send at once.
        reading: Any = transport
        reading.max_size = _LARGE
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._messages:
            self._last_body = self._messages[-1][1]
        if not self.is_waiting():
            self._stop_timer()
        elif self._giving_up is None:  # The head of a further request has begun.
            self._wait_for_head()

    def eof_received(self) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Whether to stay open: the client may still read answers to what it has sent whole."""
        self._has_ended = not self.is_waiting() and self._last_body.is_eof()
        return self._has_ended

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        self._giving_up = self._loop.call_later(self._server.seconds, self._give_up)

    def _give_up(self) -> None:
        self._giving_up = None
        if self.is_waiting():
            self.force_close()

    def _stop_timer(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if isinstance(resp, web.HTTPError):  # An unknown path, or another method than its own.
            resp = answers.error(resp.status, resp.reason)
        if self._has_ended and not self._messages:
            self.close()  # After this answer.
        body = resp.body if isinstance(resp, web.Response) else None
        transport = self.transport
        if not isinstance(body, bytes) or len(body) <= _LARGE or transport is None:
            return await super().finish_response(request, resp, start_time)
        assert isinstance(resp, web.Response)
        resp.body = _Pieces(body)
        hold = request.get(HOLD)
        if hold is None:
            hold = Hold(self._server.budget)
        else:
            hold.share()
        hold.sending(len(body), transport.abort)
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            hold.release()

    async def _handle_request(
        self, request: web.BaseRequest, start_time: float | None, request_handler: Any
    ) -> tuple[web.StreamResponse, bool]:
        try:
            return await super()._handle_request(request, start_time, request_handler)
        finally:
            if HOLD in request:
                request[HOLD].release()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun: it cannot become an error")
        if status >= 500:
            self.log_exception("Error handling request from %s", request.remote, exc_info=exc)
        text = (message or "Internal error").splitlines()[0]
        response = answers.error(status, f"Malformed request: {text}")
        response.force_close()
        return response
