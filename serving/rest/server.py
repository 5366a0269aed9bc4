"""aiohttp's server with errors as TF Serving's clients expect them: JSON, also of bad HTTP."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from . import answers as rest_answers


class Runner(web.AppRunner):
    """An `AppRunner` whose server answers requests that are no HTTP with JSON too."""

    async def _make_server(self) -> web.Server:
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
