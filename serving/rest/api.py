"""TF Serving's REST interface as an aiohttp application.

Unlike in TF Serving, a request is bounded: in the size of its body, packed and unpacked, in the
depth of its JSON and its lists and objects, and in its time; all requests together in number
and in memory.
"""

import asyncio
import concurrent.futures
import contextlib
import functools
import importlib.metadata
import json
import os
from collections.abc import Callable, Iterable
from typing import TypeVar

import grpc
from aiohttp import HttpVersion11, web

from ..bounds.budget import Hold
from ..bounds.limits import Effort, ElsewhereError
from ..bounds.shared import Shared
from ..bounds.worker import Read
from ..core import inference
from ..core.inference import Lease, Models, Target
from ..process.access_log import Observe
from ..process.ending import Ending
from ..protocol.described import DESCRIPTION, described
from ..protocol.status import StatusError
from . import answers, openapi, reading, requests
from .middlewares import (
    CALL,
    MODEL_VERSION,
    errors_as_json,
    observed,
    only_local,
    open_to_all_origins,
    packed,
)
from .requests import Call
from .server import HOLD

Result = TypeVar("Result")
_Answer = tuple[bytes, int]  # And the version that gave it.

# Bytes: a longer answer is written beside the event loop; an example takes as long as that many.
_LARGE = 256 << 10
_EXAMPLE = 4 << 10
_COPIES = 8  # Of an answer, while it is written: its text is longer, and is joined from pieces.
# Seconds to wait for the rest of a body, which is dropped, once its answer is sent.
_LINGER_S = 2.0


def application(
    models: Models,
    *,
    shared: Shared,
    cors: bool = False,
    routes: Iterable[web.AbstractRouteDef] = (),
    observe: Observe | None = None,
    ending: Ending | None = None,
    local: bool = False,
) -> web.Application:
    """The REST interface.

    Args:
      models: that answer.
      shared: what all requests share.
      cors: whether pages of any origin may call.
      routes: further ones, such as those of metrics and health.
      observe: is told of each request, once it is answered.
      ending: whether requests are taken.
      local: whether only who asks by an address or as localhost is answered.
    """
    api, limits = _Api(models, shared, ending or Ending()), shared.limits
    handler = packed(api.handle, api.pool)
    handler = errors_as_json(only_local(handler) if local else handler)
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
    known = list(app.router.routes())

    async def description(_: web.Request) -> web.Response:
        version = importlib.metadata.version("digitline")
        text = json.dumps(openapi.document(models.names(), known, version))
        return web.Response(body=text.encode(), content_type="application/json")

    described_to = only_local(description) if local else description
    app.router.add_get(openapi.PATH, errors_as_json(described_to))
    app.router.add_route("*", r"/{path:[\s\S]*}", handler, expect_handler=_expect)
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
    def __init__(self, models: Models, shared: Shared, ending: Ending):
        self._models = models
        self._limits = shared.limits
        self._ending = ending
        self._busy = 0
        self._running: set[asyncio.Task[_Answer]] = set()
        self._shared = shared
        # Not asyncio's own threads, of which there may be more than cores.
        threads = max(2, min(4, os.cpu_count() or 1))
        self.pool = concurrent.futures.ThreadPoolExecutor(threads, "pack")

    async def handle(self, request: web.Request) -> web.Response:
        """Answers any request that no other route takes."""
        call = requests.read_call(request.method, requests.path_of(request))
        request[CALL] = call
        self._ending.check()
        version = None
        if call.method == "models":
            names = self._models.names()
            answer = answers.model_list({name: self._models.status(Target(name)) for name in names})
        elif call.method == "status":
            answer = answers.status(self._models.status(call.target))
        elif call.method == "metadata":
            with self._models.lease(call.target) as lease:
                answer, version = answers.metadata(lease), lease.version
        elif call.method == DESCRIPTION:
            with self._models.lease(call.target) as lease:
                version = lease.version
                answer = (
                    await asyncio.to_thread(described, lease.folder, lease.servable.image_shape)
                ).encode()
        else:
            answer, version = await self._infer(request, call)
        response = web.Response(body=answer, content_type="application/json")
        if version is not None:
            response.headers[MODEL_VERSION] = str(version)
        return response

    async def finish(self, _: web.Application) -> None:
        """Waits for calls whose clients have gone, or that were refused when the grace was over."""
        if self._ending.over.done():
            for task in self._running:
                task.cancel()  # A model's call still runs to its end.
        if self._running:
            seconds = self._limits.seconds
            await asyncio.wait(self._running, timeout=max(seconds, 5) if seconds else None)
        self.pool.shutdown(wait=False)

    async def _infer(self, request: web.Request, call: Call) -> _Answer:
        """Reads the body and answers it, in the request's time."""
        self._check_busy()  # Before the body is read, which is not worth it then.
        effort, task = Effort(self._limits.seconds, here=True), None
        hold = request[HOLD] = Hold(self._shared.budget)  # Until the answer is sent.
        try:
            pace = self._shared.pace
            body = await requests.read_body(request, self._limits.body_bytes, hold, effort, pace)
            self._check_busy()
            # Nothing ends this task early: a version must stay leased, and the request
            # counts, for as long as its call runs, even if nobody waits for it any more.
            is_packed = requests.is_packed(request)
            task = asyncio.ensure_future(self._answer(call, body, is_packed, hold, effort))
            del body  # The task's, which drops it before the model runs.
            self._busy += 1
            hold.share()
            self._running.add(task)
            task.add_done_callback(functools.partial(self._ran, hold))
            await asyncio.wait(
                [task, self._ending.over],
                timeout=effort.left(),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not task.done():
                raise self._ending.refusal() if self._ending.over.done() else effort.late()
            return task.result()
        finally:
            effort.stop()
            task = None  # The traceback of an error may hold this frame, and so the answer.

    def _check_busy(self) -> None:
        if self._busy >= self._limits.requests:
            raise StatusError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{self._limits.requests} requests are being answered already; try again",
            )

    def _ran(self, hold: Hold, task: "asyncio.Task[_Answer]") -> None:
        self._busy -= 1
        hold.release()
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # Marks it as seen, also where nobody waits.

    async def _answer(
        self, call: Call, body: bytes, is_packed: bool, hold: Hold, effort: Effort
    ) -> _Answer:
        arguments = (is_packed, self._limits)
        if call.method != "predict":
            name, examples = await self._read(effort, reading.examples, body, *arguments)
            del body
            with self._models.lease(call.target) as lease:
                text = await self._answer_examples(call.method, lease, name, examples, effort)
                return text, lease.version
        with contextlib.ExitStack() as leased:
            lease: Lease | StatusError
            try:
                lease = leased.enter_context(self._models.lease(call.target))
            except StatusError as error:
                lease = error  # TF Serving tells first what is wrong with the JSON.
            signatures = None
            if not isinstance(lease, StatusError):
                known = lease.servable.signatures
                signatures = {name: signature.inputs for name, signature in known.items()}
            name, inputs, rows = await self._read(
                effort, reading.predict, body, *arguments, signatures
            )
            if isinstance(lease, StatusError):
                raise lease
            del body
            size = answers.size_of(inputs)
            await hold.resize(size, effort)
            async with self._shared.turn(lease.name, size, hold):
                outputs = await inference.predict(lease, name, inputs)
                del inputs
                size = answers.size_of(outputs)
                await hold.resize(_COPIES * size, effort)
                text = await self._write(effort, size, answers.predictions, outputs, rows)
            hold.take(len(text))
            return text, lease.version

    async def _answer_examples(
        self, method: str, lease: Lease, name: str, examples: list[bytes], effort: Effort
    ) -> bytes:
        """Classify and regress, which take examples."""
        size = _EXAMPLE * len(examples)
        if method == "classify":
            labels = await inference.classify(lease, name, examples)
            return await self._write(effort, size, answers.classifications, labels)
        values = await inference.regress(lease, name, examples)
        return await self._write(effort, size, answers.regressions, values)

    async def _read(
        self, effort: Effort, read: Read[Result], body: bytes, *arguments: object
    ) -> Result:
        """Calls what reads a body; in the worker if that has much to do."""
        try:
            return read(body, *arguments, effort)
        except ElsewhereError:
            return await self._shared.worker.call(effort, read, body, *arguments)

    async def _write(
        self, effort: Effort, size: int, function: Callable[..., bytes], *arguments: object
    ) -> bytes:
        """Calls what writes an answer; beside the event loop if that has much to do."""
        if size <= _LARGE:
            return function(*arguments)

        def run() -> bytes:
            effort.check()  # It may have waited for its turn.
            return function(*arguments)

        return await asyncio.get_running_loop().run_in_executor(self._shared.converting, run)
