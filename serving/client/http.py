"""The client's connections over HTTP."""

import asyncio
import collections
import dataclasses
import errno
import http.client
import json
import os
import select
import ssl
import time
from typing import Any

from ...base.errors import UserError
from .calls import Address, Call, CallError, Tls
from .connection import Connection

_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    413: "RESOURCE_EXHAUSTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_HEADERS = {"Content-Type": "application/json"}


class Transport:
    """Connections that are kept; each of several threads gets one of its own."""

    def __init__(self, address: Address, tls: Tls):
        self._address = address
        self._context = _context(address, tls)
        self._idle: collections.deque[Connection] = collections.deque()

    def call(self, call: Call) -> bytes:
        """One exchange.

        Raises:
          CallError: it failed.
        """
        deadline = time.monotonic() + call.timeout
        method, path = "GET" if call.body is None else "POST", self._address.path + call.path
        connection = self._take()
        try:
            status, content = connection.exchange(method, path, call.body, _HEADERS, deadline)
        except BaseException as error:
            connection.close()  # Half an answer may be under way.
            if isinstance(error, OSError | http.client.HTTPException):
                stale = connection.silent and isinstance(error, ConnectionError)
                raise _call_error(error, lost=connection.sent and not stale) from None
            raise
        self._idle.append(connection)
        return _checked(status, content)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> Connection:
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # Another thread was quicker.
                break
            if connection.sock is not None and not _readable(connection.sock):
                return connection
            connection.close()  # By the server, in the meantime.
        return Connection(self._address.host, self._address.port, self._context)


class AsyncTransport:
    """The same for one event loop, that of the first call.

    aiohttp itself repeats a GET once whose connection breaks: those of status and metadata.
    """

    def __init__(self, address: Address, tls: Tls):
        self._context = _context(address, tls)
        scheme = "https" if address.secure else "http"
        self._base = f"{scheme}://{address.netloc}{address.path}"
        self._session: Any = None

    async def call(self, call: Call) -> bytes:
        """One exchange.

        Raises:
          CallError: it failed.
        """
        import aiohttp  # The sync client does without.
        import yarl

        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(connector=connector, trace_configs=[_tracing()])
        use = _Use()
        try:
            async with self._session.request(
                "GET" if call.body is None else "POST",
                yarl.URL(self._base + call.path, encoded=True),
                data=call.body,
                headers=_HEADERS,
                ssl=True if self._context is None else self._context,
                timeout=aiohttp.ClientTimeout(total=call.timeout),
                trace_request_ctx=use,
            ) as response:
                use.kept = False  # What breaks from here on is this very answer.
                content = await response.read()
        except (OSError, asyncio.TimeoutError, aiohttp.ClientError) as error:
            unconnected = isinstance(error, aiohttp.ClientConnectorError)
            raise _call_error(error, lost=not (unconnected or use.kept)) from None
        return _checked(response.status, content)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


@dataclasses.dataclass
class _Use:
    """A request on its way through aiohttp.

    Attributes:
      kept: whether its connection has served others, and so may have been closed by the
        server without a word of this one.
    """

    kept: bool = False


def _tracing() -> Any:
    """Has aiohttp tell whether it takes a connection that it kept, or makes one."""
    import aiohttp

    async def reused(session: Any, context: Any, parameters: Any) -> None:
        context.trace_request_ctx.kept = True

    async def made(session: Any, context: Any, parameters: Any) -> None:
        context.trace_request_ctx.kept = False

    tracing = aiohttp.TraceConfig()
    tracing.on_connection_reuseconn.append(reused)
    tracing.on_connection_create_start.append(made)
    return tracing


def _checked(status: int, content: bytes) -> bytes:
    """The content of an answer that is no error."""
    if status == 200:
        return content
    try:
        message = str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):  # Not a model server's words, but a proxy's.
        message = content[:200].decode(errors="replace").strip() or "no more is said"
    if status in _CODES:
        raise CallError(_CODES[status], message)
    raise CallError("UNKNOWN", f"HTTP status {status}: {message}")


def _call_error(error: BaseException, lost: bool) -> CallError:
    """What went wrong below HTTP, or before it; `lost` where the request had been sent."""
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return CallError("DEADLINE_EXCEEDED", "")
    # aiohttp wraps the system's errors.
    inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    text = str(inner) or type(inner).__name__
    if f"Errno {errno.ECONNREFUSED}]" in text:  # asyncio has words of its own.
        text = os.strerror(errno.ECONNREFUSED)
    if isinstance(inner, ssl.SSLError):
        return CallError("UNAUTHENTICATED", f"the TLS handshake failed ({text})")
    no_http = isinstance(error, http.client.BadStatusLine) and not isinstance(error, OSError)
    if no_http or type(error).__name__ == "ClientResponseError":
        return CallError("INTERNAL", f"it does not speak HTTP; grpc://…? ({text})")
    if lost:
        text = f"the connection broke before the answer was whole ({text})"
    return CallError("UNAVAILABLE", text, lost)


def _context(address: Address, tls: Tls) -> ssl.SSLContext | None:
    if not address.secure:
        return None
    ca, cert, _ = tls.read()  # What is wrong with the files is said here.
    try:
        context = ssl.create_default_context(cadata=None if ca is None else ca.decode())
        if cert is not None and tls.cert is not None:
            context.load_cert_chain(tls.cert, tls.key)
    except (ssl.SSLError, ValueError) as error:
        raise UserError(f"{tls.ca}, {tls.cert}, {tls.key}: no certificates: {error}") from None
    return context


def _readable(socket: Any) -> bool:
    """Whether a connection that should be silent has something to say: that it is closed."""
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))
