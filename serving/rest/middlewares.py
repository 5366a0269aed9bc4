"""What surrounds the handlers of the REST interface: errors, gzip, CORS, the access log.

Each function takes a handler and gives one that does more.
"""

import asyncio
import concurrent.futures
import gzip
import logging
import re
import time
from collections.abc import Awaitable, Callable

import grpc
from aiohttp import web

from ..process.access_log import Answered, Observe
from ..protocol.status import StatusError, from_exception
from . import answers
from .requests import Call, is_local, path_of

Handler = Callable[[web.Request], Awaitable[web.Response]]

# Where a request keeps its Call once its path is read, and the StatusError that ended it.
CALL = web.RequestKey("CALL", Call)
ERROR = web.RequestKey("ERROR", StatusError)
_CANCELLED = 499  # HTTP's status for a client that has gone.
MODEL_VERSION = "Model-Version"  # The header that names the version that answers.
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type, Authorization",
    "Access-Control-Expose-Headers": MODEL_VERSION,
}
# Bytes: from here on an answer is packed, and from here on beside the event loop.
_WORTH_PACKING = 32 << 10
_LARGE = 256 << 10
_GZIP = re.compile(r"(?:^|,)\s*(?:x-)?gzip\s*(?:;\s*q=(?P<quality>[0-9.]+)\s*)?(?:,|$)", re.I)


def errors_as_json(handler: Handler) -> Handler:
    """Answers exceptions as TF Serving does."""

    async def handle(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except Exception as raised:
            error = from_exception(raised)
            request[ERROR] = error.without_frames() if error is raised else error
            if not isinstance(raised, StatusError):
                logging.exception("%s %s", request.method, request.path)
                return answers.error(500, error.message)
            response = answers.error(error.http_status, error.message)
            if not request.content.is_eof():
                response.force_close()  # The rest of the body is not worth reading.
            return response

    return handle


def only_local(handler: Handler) -> Handler:
    """Answers only who asks by an address or as localhost: see `requests.is_local`."""

    async def handle(request: web.Request) -> web.Response:
        if not is_local(request):
            raise StatusError(
                grpc.StatusCode.PERMISSION_DENIED,
                "Ask this server by its address, or as localhost (--nocheck_host answers others)",
            )
        return await handler(request)

    return handle


def packed(handler: Handler, pool: concurrent.futures.Executor) -> Handler:
    """Packs large answers with gzip for clients that can unpack them."""

    async def handle(request: web.Request) -> web.Response:
        response = await handler(request)
        body = response.body
        if isinstance(body, bytes) and len(body) >= _WORTH_PACKING:
            response.headers["Vary"] = "Accept-Encoding"
            if _accepts_gzip(request):
                if len(body) > _LARGE:
                    loop = asyncio.get_running_loop()
                    response.body = await loop.run_in_executor(pool, gzip.compress, body, 1)
                else:
                    response.body = gzip.compress(body, 1)
                response.headers["Content-Encoding"] = "gzip"
        return response

    return handle


def _accepts_gzip(request: web.Request) -> bool:
    accepted = _GZIP.search(request.headers.get("Accept-Encoding", ""))
    return accepted is not None and bool((accepted["quality"] or "1").strip("0."))


def open_to_all_origins(handler: Handler) -> Handler:
    """Lets pages of any origin call: CORS."""

    async def handle(request: web.Request) -> web.Response:
        response = web.Response() if request.method == "OPTIONS" else await handler(request)
        response.headers.update(_CORS)
        return response

    return handle


def observed(handler: Handler, observe: Observe) -> Handler:
    """Reports each request once it is answered, or its client has gone."""

    async def handle(request: web.Request) -> web.Response:
        start = time.perf_counter()
        response = None
        try:
            response = await handler(request)
            return response
        finally:
            observe(_answered(request, response, time.perf_counter() - start))

    return handle


def _answered(request: web.Request, response: web.Response | None, seconds: float) -> Answered:
    call = request.get(CALL)
    if response is not None and response.status == 200:
        code = "OK"
    else:
        code = request[ERROR].code.name if ERROR in request else "CANCELLED"

    def details() -> dict[str, str | int | None]:
        body = None if response is None else response.body
        return {
            "remote": request.remote,
            "request_bytes": request.content_length,
            "method": request.method,
            "path": path_of(request),
            "status": _CANCELLED if response is None else response.status,
            "response_bytes": len(body) if isinstance(body, bytes) else None,
        }

    api, model = (call.method, call.target.name) if call else ("", None)
    return Answered("REST", api, model, code, seconds, details)
