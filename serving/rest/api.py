"""TF Serving's REST interface as an aiohttp application.

Unlike in TF Serving, a request is bounded: in the size of its body, packed and unpacked, in the
depth of its JSON and its lists and objects, and in its time; all requests together in number
and in memory.
"""

import asyncio
import concurrent.futures
import contextlib
import functools
import os
from collections.abc import Callable, Iterable
from typing import TypeVar

import grpc
import numpy as np
from aiohttp import HttpVersion11, web

from ...base.export_layout import DEFAULT_SIGNATURE
from ..access_log import Observe
from ..core import inference
from ..core.inference import Lease, Models
from ..protocol.described import DESCRIPTION, described
from ..protocol.status import StatusError, invalid
from . import answers, json_examples, json_tensors, json_text, requests
from .limits import Budget, Effort, ElsewhereError, Hold, Limits
from .middlewares import CALL, errors_as_json, observed, open_to_all_origins, packed
from .requests import Call

Result = TypeVar("Result")

# Bytes: a longer body is converted beside the event loop.
_LARGE = 256 << 10
# Seconds to wait for the rest of a body, which is dropped, once its answer is sent.
_LINGER_S = 2.0
_BRACKET = 32  # Bytes that one more list or object in a body takes, beside its text.


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
      models: that answer.
      limits: of requests.
      cors: whether pages of any origin may call.
      routes: further ones, such as those of metrics and health.
      observe: is told of each request, once it is answered.
    """
    limits = limits or Limits()
    api = _Api(models, limits)
    handler = errors_as_json(packed(api.handle, api.pool))
    if cors:
        handler = open_to_all_origins(handler)
    if observe:
        handler = observed(handler, observe)
    app = web.Application(
        client_max_size=limits.body_bytes,
        handler_args={
            "auto_decompress": False,
            "handler_cancellation": True,
            "lingering_time": _LINGER_S,
        },
    )
    app.add_routes(routes)
    app.router.add_route("*", "/{path:.*}", handler, expect_handler=_expect)
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
    def __init__(self, models: Models, limits: Limits):
        self._models = models
        self._limits = limits
        self._busy = 0
        self._running: set[asyncio.Task[bytes]] = set()
        self._budget = Budget(limits.bytes_in_flight)
        # Not asyncio's own threads: in those the models' configuration is replaced.
        threads = max(2, min(4, os.cpu_count() or 1))
        self.pool = concurrent.futures.ThreadPoolExecutor(threads, "convert")

    async def handle(self, request: web.Request) -> web.Response:
        """Answers any request that no other route takes."""
        call = requests.read_call(request.method, requests.path_of(request))
        request[CALL] = call
        if call.method == "status":
            answer = answers.status(self._models.status(call.target))
        elif call.method == "metadata":
            with self._models.lease(call.target) as lease:
                answer = answers.metadata(lease)
        elif call.method == DESCRIPTION:
            with self._models.lease(call.target) as lease:
                answer = (
                    await asyncio.to_thread(described, lease.folder, lease.servable.image_shape)
                ).encode()
        else:
            answer = await self._infer(request, call)
        return web.Response(body=answer, content_type="application/json")

    async def finish(self, _: web.Application) -> None:
        """Waits for calls whose clients have gone."""
        if self._running:
            seconds = self._limits.seconds
            await asyncio.wait(self._running, timeout=max(seconds, 5) if seconds else None)
        self.pool.shutdown(wait=False)

    async def _infer(self, request: web.Request, call: Call) -> bytes:
        """Reads the body and answers it, in the request's time."""
        self._check_busy()  # Before the body is read, which is not worth it then.
        effort = Effort(self._limits.seconds, here=True)
        hold = Hold(self._budget)
        task = None
        try:
            body = await self._body(request, hold, effort)
            self._check_busy()
            # Nothing ends this task early: a version must stay leased, and the request
            # counts, for as long as its call runs, even if nobody waits for it any more.
            is_packed = requests.is_packed(request)
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
            task.exception()  # Marks it as seen, also where nobody waits.

    async def _body(self, request: web.Request, hold: Hold, effort: Effort) -> bytes:
        reading = requests.read_body(request, self._limits.body_bytes, hold)
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
            limit = self._limits.body_bytes
            size = requests.stated_size(body)
            body = await self._convert(effort, size, requests.unpack, body, limit, hold)
        size = len(body)
        if size > _LARGE:
            hold.resize(size + self._brackets(body) * _BRACKET)
        if call.method != "predict":
            return await self._answer_examples(call, body, effort)
        with contextlib.ExitStack() as leased:
            lease, name, inputs, rows = await self._convert(
                effort, size, self._read_predict, call, body, effort, leased
            )
            del body
            outputs = await inference.predict(lease, name, inputs)
        written = answers.size_of(outputs)
        return await self._convert(effort, written, answers.predictions, outputs, rows)

    def _brackets(self, body: bytes) -> int:
        """How many lists and objects a body holds, and a few more where strings have brackets."""
        brackets = body.count(b"[") + body.count(b"{")
        if brackets > self._limits.brackets:
            raise StatusError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"The request's body holds over {self._limits.brackets} lists and objects.",
                http_status=413,
            )
        return brackets

    def _read_predict(
        self, call: Call, body: bytes, effort: Effort, leased: contextlib.ExitStack
    ) -> tuple[Lease, str, dict[str, np.ndarray], bool]:
        """What a predict request asks for; `leased` then holds the lease.

        In one piece: of documents, which are large, there are never more than threads.
        """
        document = json_text.as_object(json_text.parse(body, self._limits.depth, effort))
        name = json_tensors.signature_name(document) or DEFAULT_SIGNATURE
        with contextlib.ExitStack() as stack:
            lease = stack.enter_context(self._models.lease(call.target))
            signature = lease.servable.signatures.get(name)
            if signature is None:
                raise invalid(f'Serving signature name: "{name}" not found in signature def')
            inputs, rows = json_tensors.read_inputs(document, signature.inputs, effort)
            leased.push(stack.pop_all())
        return lease, name, inputs, rows

    async def _answer_examples(self, call: Call, body: bytes, effort: Effort) -> bytes:
        """Classify and regress, which take examples."""
        name, examples = await self._convert(effort, len(body), self._read_examples, body, effort)
        del body
        with self._models.lease(call.target) as lease:
            if call.method == "classify":
                return answers.classifications(await inference.classify(lease, name, examples))
            return answers.regressions(await inference.regress(lease, name, examples))

    def _read_examples(self, body: bytes, effort: Effort) -> tuple[str, list[bytes]]:
        document = json_text.as_object(json_text.parse(body, self._limits.depth, effort))
        name = json_tensors.signature_name(document) or DEFAULT_SIGNATURE
        return name, json_examples.read(document, self._limits.body_bytes, effort)

    async def _convert(
        self, effort: Effort, size: int, function: Callable[..., Result], *arguments: object
    ) -> Result:
        """Calls a function; beside the event loop if it has much to do."""
        if effort.here and size <= _LARGE:
            try:
                return function(*arguments)
            except ElsewhereError:
                pass
        effort.go_elsewhere()

        def run() -> Result:
            effort.check()  # It may have waited for its turn.
            return function(*arguments)

        return await asyncio.get_running_loop().run_in_executor(self.pool, run)
