"""aiohttp's server with errors as TF Serving's clients expect them: JSON, also of bad HTTP."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from . import answers as rest_answers

# A parsed image is a thousand lists. At Python's default of 700 new objects each request
# would set off the cycle collector, and every few hundred a walk through all that
# TensorFlow holds: a tenth of the throughput, and waits of a second. Documents have no
# cycles and go by themselves.
_COLLECT_AFTER = 100_000


class Runner(web.AppRunner):
    """An `AppRunner` whose server answers requests that are no HTTP with JSON too.

    Set up, it makes the process's cycle collector run less often.
    """

    async def _make_server(self) -> web.Server:
        first, *others = gc.get_threshold()
        gc.set_threshold(max(first, _COLLECT_AFTER), *others)
        made: Any = await super()._make_server()
        return _Server(
            _caught(made.request_handler),
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            loop=asyncio.get_running_loop(),
            **made._kwargs,
        )


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Handler(self, loop=self._loop, **self._kwargs)


class _Handler(web.RequestHandler):
    """One connection."""

    __slots__ = ()

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
        response = rest_answers.error(status, f"Malformed request: {text}")
        response.force_close()
        return response


def _caught(
    handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    """The handler with aiohttp's own errors as answers."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPError as error:
            return rest_answers.error(error.status, error.reason)

    return handle
