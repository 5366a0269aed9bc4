"""TF Serving's REST interface as an aiohttp application.

Beside what TF Serving does, a request is bounded: in the size of its body, packed and
unpacked, in the depth of its JSON, in its time, and in how many are answered at once.
"""

import asyncio
import contextlib
import dataclasses
import gzip
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

import grpc
from aiohttp import HttpVersion11, web

from ..core import inference
from ..core.inference import Lease, Target
from ..core.status import StatusError, from_exception, invalid
from . import answers as rest_answers
from . import json_answers, json_examples, json_tensors, json_text
from . import requests as rest_requests
from .answers import VersionStatus
from .requests import Call, RefusedError

Result = TypeVar("Result")
Observe = Callable[[str, str, str, float], None]
AccessLog = Callable[[dict[str, Any]], None]

_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}
# Bytes: a longer body is converted, a longer answer packed, beside the event loop.
_MUCH = 256 << 10
_WORTH_PACKING = 32 << 10


class Models(Protocol):
    """What the interface needs of the manager."""

    def lease(self, target: Target) -> contextlib.AbstractContextManager[Lease]: ...
    def status(self, target: Target) -> Sequence[VersionStatus]: ...


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a request may take.

    Attributes:
      body_bytes: of its body, packed and unpacked.
      depth: of lists and objects in one another in it.
      seconds: until its answer, from its first byte; 0 for no limit.
      requests: that are answered at once; more are refused with 503.
    """

    body_bytes: int = 100 << 20
    depth: int = 64
    seconds: float = 30.0
    requests: int = 1024


def application(
    models: Models,
    *,
    limits: Limits | None = None,
    cors: bool = False,
    routes: Iterable[web.AbstractRouteDef] = (),
    observe: Observe | None = None,
    access_log: AccessLog | None = None,
) -> web.Application:
    """The REST interface.

    Args:
      models: the manager.
      limits: of requests.
      cors: whether pages of any origin may call.
      routes: further ones, as of metrics and health.
      observe: is told of each request to a model, once it is answered: the model's name,
        the method (predict, classify, regress, status, metadata), the name of the gRPC
        status, and the seconds that it took.
      access_log: is given a line for each request, as a dict that JSON can hold.
    """
    limits = limits or Limits()
    api = _Api(models, limits, cors, observe, access_log)
    app = web.Application(
        client_max_size=limits.body_bytes,
        handler_args={"auto_decompress": False, "handler_cancellation": True},
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
        access_log: AccessLog | None,
    ):
        self._models = models
        self._limits = limits
        self._cors = cors
        self._observe = observe
        self._access_log = access_log
        self._busy = 0
        self._running: set[asyncio.Task[bytes]] = set()

    async def handle(self, request: web.Request) -> web.Response:
        """Answers any request that no other route takes."""
        start = time.perf_counter()
        path = rest_requests.path_of(request)
        call, code = None, grpc.StatusCode.CANCELLED  # Unless it comes to an end below.
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
            seconds = time.perf_counter() - start
            if call and self._observe:
                self._observe(call.target.name, call.method, code.name, seconds)
        if self._cors:
            response.headers.update(_CORS)
        if self._access_log:
            self._access_log(rest_answers.log_line(request, path, call, response, code, seconds))
        return response

    async def finish(self, _: web.Application) -> None:
        """Waits for calls whose clients have gone."""
        if self._running:
            await asyncio.wait(self._running, timeout=self._limits.seconds or None)

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
                response.body = await _beside(len(answer), gzip.compress, answer, 1)
                response.headers["Content-Encoding"] = "gzip"
        return response

    async def _infer(self, request: web.Request, call: Call) -> bytes:
        if self._busy >= self._limits.requests:
            raise StatusError(
                grpc.StatusCode.UNAVAILABLE,
                f"{self._limits.requests} requests are being answered already; try again",
            )
        self._busy += 1
        task = None
        try:
            loop = asyncio.get_running_loop()
            end = loop.time() + (self._limits.seconds or float("inf"))
            body = await self._body(request)
            document = await _beside(len(body), json_text.parse, body, self._limits.depth)
            signature = json_tensors.signature_name(document)
            # Nothing ends this task early: a version must stay leased, and the request
            # counts, for as long as its call runs, even if nobody waits for it any more.
            run = self._predict if call.method == "predict" else self._examples
            task = loop.create_task(run(call, signature, document, len(body)))
            del document  # The task's, which drops it before the model runs.
            self._running.add(task)
            task.add_done_callback(self._ran)
            left = None if end == float("inf") else max(end - loop.time(), 0)
            await asyncio.wait([task], timeout=left)
            if not task.done():
                raise self._late()
            return task.result()
        finally:
            if task is None:
                self._busy -= 1

    def _ran(self, task: asyncio.Task[bytes]) -> None:
        self._busy -= 1
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # Seen, also where nobody waits.

    def _late(self) -> StatusError:
        return StatusError(
            grpc.StatusCode.DEADLINE_EXCEEDED,
            f"The request took longer than {self._limits.seconds:g} seconds.",
        )

    async def _body(self, request: web.Request) -> bytes:
        reading = rest_requests.read_body(request, self._limits.body_bytes)
        if request.content.is_eof() or not self._limits.seconds:
            return await reading
        try:
            return await asyncio.wait_for(reading, self._limits.seconds)
        except asyncio.TimeoutError:
            raise self._late() from None

    async def _predict(self, call: Call, signature: str, document: Any, size: int) -> bytes:
        with self._models.lease(call.target) as lease:
            name = signature or inference.DEFAULT_SIGNATURE
            found = lease.servable.signatures.get(name)
            if found is None:
                raise invalid(f'Serving signature name: "{name}" not found in signature def')
            inputs, rows = await _beside(size, json_tensors.read_inputs, document, found.inputs)
            del document
            outputs = await inference.predict(lease, name, inputs)
        written = sum(array.nbytes for array in outputs.values())
        return await _beside(written, json_answers.predictions, outputs, rows)

    async def _examples(self, call: Call, signature: str, document: Any, size: int) -> bytes:
        """Classify and regress, which take examples."""
        examples = await _beside(size, json_examples.read, document)
        del document
        with self._models.lease(call.target) as lease:
            name = signature or inference.DEFAULT_SIGNATURE
            if call.method == "classify":
                return json_answers.classifications(await inference.classify(lease, name, examples))
            return json_answers.regressions(await inference.regress(lease, name, examples))


async def _beside(size: int, function: Callable[..., Result], *arguments: Any) -> Result:
    """Calls a function; beside the event loop if there is much for it to do."""
    if size <= _MUCH:
        return function(*arguments)
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)
