"""TF Serving's REST interface as an aiohttp application.

Beside what TF Serving does, a request is bounded: in the size of its body, packed and
unpacked, in the depth of its JSON and its lists and objects, and in its time; all of them
together in number and in memory.
"""

import asyncio
import concurrent.futures
import contextlib
import functools
import gzip
import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

import grpc
import numpy as np
from aiohttp import HttpVersion11, web

from ...base import export_layout
from ..access_log import Answered, Http, Observe
from ..core import inference
from ..core.inference import Lease, Target
from ..protocol.status import StatusError, from_exception, invalid
from . import answers as rest_answers
from . import json_answers, json_examples, json_tensors, json_text
from . import requests as rest_requests
from .answers import VersionStatus
from .limits import Budget, Effort, ElsewhereError, Hold, Limits
from .requests import Call, RefusedError

Result = TypeVar("Result")

_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}
# Bytes: a longer body is converted, a longer answer packed, beside the event loop.
_MUCH = 256 << 10
_WORTH_PACKING = 32 << 10
# Seconds that the rest of a body is awaited, and dropped, once its answer is sent.
_LINGER_S = 2.0
_BRACKET = 32  # What one more list or object in a body takes, beside its text.


class Models(Protocol):
    """What the interface needs of the manager."""

    def lease(self, target: Target) -> contextlib.AbstractContextManager[Lease]: ...
    def status(self, target: Target) -> Sequence[VersionStatus]: ...


def application(
    models: Models,
    *,
    limits: Limits | None = None,
    cors: bool = False,
    routes: Iterable[web.AbstractRouteDef] = (),
    observe: Observe | None = None,
) -> web.Application:
    """The REST interface.

    Args:
      models: the manager.
      limits: of requests.
      cors: whether pages of any origin may call.
      routes: further ones, as of metrics and health.
      observe: is told of each request, once it is answered.
    """
    limits = limits or Limits()
    api = _Api(models, limits, cors, observe)
    app = web.Application(
        client_max_size=limits.body_bytes,
        handler_args={
            "auto_decompress": False,
            "handler_cancellation": True,
            "lingering_time": _LINGER_S,
        },
    )
    app.add_routes(routes)
    app.router.add_route("*", "/{path:.*}", api.handle, expect_handler=_expect)
    app.on_cleanup.append(api.finish)
    return app


async def _expect(request: web.Request) -> None:
    """Clients such as curl wait for this before they send a large body."""
    if (
        request.version == HttpVersion11
        and (request.content_length or 0) <= request.client_max_size
    ):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


class _Api:
    def __init__(
        self,
        models: Models,
        limits: Limits,
        cors: bool,
        observe: Observe | None,
    ):
        self._models = models
        self._limits = limits
        self._cors = cors
        self._observe = observe
        self._busy = 0
        self._running: set[asyncio.Task[bytes]] = set()
        self._budget = Budget(limits.bytes_in_flight)
        # Not asyncio's own threads: in those the models' configuration is replaced.
        threads = max(2, min(4, os.cpu_count() or 1))
        self._pool = concurrent.futures.ThreadPoolExecutor(threads, "convert")

    async def handle(self, request: web.Request) -> web.Response:
        """Answers any request that no other route takes."""
        start = time.perf_counter()
        path = rest_requests.path_of(request)
        call: Call | None = None
        response: web.Response | None = None
        code = grpc.StatusCode.CANCELLED  # Unless it comes to an end below.
        try:
            if self._cors and request.method == "OPTIONS":
                response = web.Response()
            else:
                call = rest_requests.read_call(request.method, path)
                response = await self._respond(request, call)
            code = grpc.StatusCode.OK
        except StatusError as error:
            code = error.code
            status = error.http_status if isinstance(error, RefusedError) else 0
            response = rest_answers.error(
                status or rest_requests.HTTP_STATUS.get(code, 500), error.message
            )
            if not request.content.is_eof():
                response.force_close()  # What is left of the body is not worth reading.
        except Exception as error:
            logging.exception("%s %s", request.method, path)
            code = grpc.StatusCode.INTERNAL
            response = rest_answers.error(500, from_exception(error).message)
        finally:
            if self._observe:
                seconds = time.perf_counter() - start
                self._observe(_answered(request, path, call, response, code, seconds))
        assert response is not None
        if self._cors:
            response.headers.update(_CORS)
        return response

    async def finish(self, _: web.Application) -> None:
        """Waits for calls whose clients have gone."""
        if self._running:
            seconds = self._limits.seconds
            await asyncio.wait(self._running, timeout=max(seconds, 5) if seconds else None)
        self._pool.shutdown(wait=False)

    async def _respond(self, request: web.Request, call: Call) -> web.Response:
        if call.method == "status":
            answer = rest_answers.status(self._models.status(call.target))
        elif call.method == "metadata":
            with self._models.lease(call.target) as lease:
                answer = rest_answers.metadata(lease)
        else:
            answer = await self._infer(request, call)
        response = web.Response(body=answer, content_type="application/json")
        if len(answer) >= _WORTH_PACKING:
            response.headers["Vary"] = "Accept-Encoding"
            if rest_requests.accepts_gzip(request):
                response.body = await self._packed(answer)
                response.headers["Content-Encoding"] = "gzip"
        return response

    async def _packed(self, answer: bytes) -> bytes:
        if len(answer) <= _MUCH:
            return gzip.compress(answer, 1)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, gzip.compress, answer, 1)

    async def _infer(self, request: web.Request, call: Call) -> bytes:
        self._check_busy()  # Before the body is read, which is not worth it then.
        effort = Effort(self._limits.seconds, here=True)
        hold = self._budget.hold()
        task = None
        try:
            body = await self._body(request, hold, effort)
            self._check_busy()
            # Nothing ends this task early: a version must stay leased, and the request
            # counts, for as long as its call runs, even if nobody waits for it any more.
            is_packed = rest_requests.is_packed(request)
            task = asyncio.ensure_future(self._answer(call, body, is_packed, hold, effort))
            del body  # The task's, which drops it before the model runs.
            self._busy += 1
            self._running.add(task)
            task.add_done_callback(functools.partial(self._ran, hold))
            await asyncio.wait([task], timeout=effort.left())
            if not task.done():
                raise effort.late()
            return task.result()
        finally:
            effort.stop()
            if task is None:
                hold.resize(0)

    def _check_busy(self) -> None:
        if self._busy >= self._limits.requests:
            raise StatusError(
                grpc.StatusCode.UNAVAILABLE,
                f"{self._limits.requests} requests are being answered already; try again",
            )

    def _ran(self, hold: Hold, task: "asyncio.Task[bytes]") -> None:
        self._busy -= 1
        hold.resize(0)
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # Seen, also where nobody waits.

    async def _body(self, request: web.Request, hold: Hold, effort: Effort) -> bytes:
        reading = rest_requests.read_body(request, self._limits.body_bytes, hold)
        if request.content.is_eof() or not self._limits.seconds:
            return await reading
        try:
            return await asyncio.wait_for(reading, self._limits.seconds)
        except asyncio.TimeoutError:
            raise effort.late() from None

    async def _answer(
        self, call: Call, body: bytes, is_packed: bool, hold: Hold, effort: Effort
    ) -> bytes:
        if is_packed:
            unpack = rest_requests.unpack
            limit = self._limits.body_bytes
            body = await self._convert(effort, len(body), unpack, body, limit, hold, effort)
        size = len(body)
        if size > _MUCH:
            brackets = body.count(b"[") + body.count(b"{")
            if brackets > self._limits.brackets:
                raise RefusedError(
                    413,
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    f"The request's body holds over {self._limits.brackets} lists and objects.",
                )
            hold.resize(size + brackets * _BRACKET)
        if call.method != "predict":
            return await self._examples(call, body, effort)
        with contextlib.ExitStack() as leased:
            lease, name, inputs, rows = await self._convert(
                effort, size, self._read_predict, call, body, effort, leased
            )
            del body
            outputs = await inference.predict(lease, name, inputs)
        written = json_answers.weight(outputs)
        return await self._convert(effort, written, json_answers.predictions, outputs, rows)

    def _read_predict(
        self, call: Call, body: bytes, effort: Effort, leased: contextlib.ExitStack
    ) -> tuple[Lease, str, dict[str, np.ndarray], bool]:
        """What a predict request asks for; `leased` then holds the lease.

        In one piece: of documents, which are large, only as many are there as threads.
        """
        document = json_text.parse(body, self._limits.depth, effort)
        name = json_tensors.signature_name(document) or export_layout.DEFAULT_SIGNATURE
        with contextlib.ExitStack() as stack:
            lease = stack.enter_context(self._models.lease(call.target))
            found = lease.servable.signatures.get(name)
            if found is None:
                raise invalid(f'Serving signature name: "{name}" not found in signature def')
            inputs, rows = json_tensors.read_inputs(document, found.inputs, effort)
            leased.push(stack.pop_all())
        return lease, name, inputs, rows

    async def _examples(self, call: Call, body: bytes, effort: Effort) -> bytes:
        """Classify and regress, which take examples."""
        name, examples = await self._convert(effort, len(body), self._read_examples, body, effort)
        del body
        with self._models.lease(call.target) as lease:
            if call.method == "classify":
                return json_answers.classifications(await inference.classify(lease, name, examples))
            return json_answers.regressions(await inference.regress(lease, name, examples))

    def _read_examples(self, body: bytes, effort: Effort) -> tuple[str, list[bytes]]:
        document = json_text.parse(body, self._limits.depth, effort)
        name = json_tensors.signature_name(document) or export_layout.DEFAULT_SIGNATURE
        return name, json_examples.read(document, effort)

    async def _convert(
        self, effort: Effort, size: int, function: Callable[..., Result], *arguments: Any
    ) -> Result:
        """Calls a function; beside the event loop if there is much for it to do."""
        if effort.here and size <= _MUCH:
            try:
                return function(*arguments)
            except ElsewhereError:
                pass
        effort.go_elsewhere()

        def run() -> Result:
            effort.check()  # It may have waited for its turn.
            return function(*arguments)

        return await asyncio.get_running_loop().run_in_executor(self._pool, run)


def _answered(
    request: web.Request,
    path: str,
    call: Call | None,
    response: web.Response | None,
    code: grpc.StatusCode,
    seconds: float,
) -> Answered:
    """What is noted of a request; `response` is None where its client left before."""
    body = response.body if response else None
    status = response.status if response else rest_requests.HTTP_STATUS[code]
    response_bytes = len(body) if isinstance(body, bytes) else None
    return Answered(
        call.method if call else "",
        call.target.name if call else None,
        code.name,
        seconds,
        request.remote,
        request.content_length,
        Http(request.method, path, status, response_bytes),
    )
