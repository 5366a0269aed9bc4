"""Connections over HTTP for one event loop, by aiohttp."""

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING

from .address import Address, Tls
from .calls import CallError
from .http_errors import HEADERS, call_error, checked, tls_context

if TYPE_CHECKING:
    import aiohttp


class AsyncTransport:
    """Connections of one event loop, that of the first call.

    aiohttp itself repeats a GET once whose connection breaks: those of status and metadata.
    """

    def __init__(self, address: Address, tls: Tls):
        self._context = tls_context(address, tls)
        scheme = "https" if address.secure else "http"
        self._base = f"{scheme}://{address.netloc}{address.path}"
        self._session: aiohttp.ClientSession | None = None

    async def send(self, path: str, body: bytes | None, seconds: float) -> bytes:
        import aiohttp  # Here, since the blocking client does without.
        import yarl

        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(connector=connector, trace_configs=[_tracing()])
        # A connection that has served others may have been closed by the server in between.
        use = SimpleNamespace(kept=False)
        try:
            async with self._session.request(
                "GET" if body is None else "POST",
                yarl.URL(self._base + path, encoded=True),
                data=body,
                headers=HEADERS,
                ssl=True if self._context is None else self._context,
                timeout=aiohttp.ClientTimeout(total=seconds),
                trace_request_ctx=use,
            ) as response:
                use.kept = False  # What breaks from here on is this very answer.
                content = await response.read()
        except (TimeoutError, asyncio.TimeoutError):  # Two classes until Python 3.11.
            raise CallError("DEADLINE_EXCEEDED", "") from None
        except (OSError, aiohttp.ClientError) as error:
            unconnected = isinstance(error, aiohttp.ClientConnectorError)
            raise call_error(error, lost=not (unconnected or use.kept)) from None
        return checked(response.status, content)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def _tracing() -> "aiohttp.TraceConfig":
    """Has aiohttp tell whether it takes a connection that it kept."""
    import aiohttp

    async def reused(_session: object, context: SimpleNamespace, _parameters: object) -> None:
        context.trace_request_ctx.kept = True

    tracing = aiohttp.TraceConfig()
    tracing.on_connection_reuseconn.append(reused)
    return tracing
