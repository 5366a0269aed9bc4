"""A server process of several, which its parent starts with a socket: serves what it is told."""

import asyncio
import contextlib
import os
import signal
import socket
import sys

from ...base.process import streams
from .. import operations, service, welcome
from ..parts import Parts
from ..process.ending import LEAVE_S, stop_signal
from ..protocol import messages
from ..rest.server import Runner
from ..rpc.server import GrpcServer
from .line import Line
from .mirror import Mirror
from .orders import (
    Collect,
    CollectAll,
    Farewell,
    Load,
    Question,
    Reload,
    Setup,
    Shown,
    Table,
    Unload,
    Welcome,
)


def main() -> None:
    """Serves until the parent asks no more, or ends, or a signal comes."""
    streams.settle()
    asyncio.run(_run(socket.socket(fileno=int(sys.argv[1]))))


async def _run(end: socket.socket) -> None:
    child = _Child()
    line = await Line.opened(end, child.answer)
    reading = asyncio.ensure_future(line.run())
    await asyncio.wait([child.setup, reading], return_when=asyncio.FIRST_COMPLETED)
    if reading.done():
        return
    setup = child.setup.result()
    with stop_signal(setup.options.shutdown_grace_seconds + LEAVE_S) as stopping:

        def stop(_: object) -> None:
            if not stopping.done():
                os.kill(os.getpid(), signal.SIGTERM)  # What watches over the end sees it too.

        reading.add_done_callback(stop)
        async with contextlib.AsyncExitStack() as stack:
            await child.serve(setup, line, stack, stopping)
        if child.parts is not None:
            line.tell(Farewell(child.parts.metrics.collect()))
        await line.close()


class _Child:
    """The process's side of the line."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.setup: asyncio.Future[Setup] = loop.create_future()
        self.parts: Parts | None = None
        self._mirror: asyncio.Future[Mirror] = loop.create_future()  # Done when it can load.
        self._said: asyncio.Future[str] = loop.create_future()  # Done when it serves.

    async def answer(self, question: Question[object]) -> object:
        """What the parent is answered."""
        if isinstance(question, Setup):
            self.setup.set_result(question)
        mirror = await asyncio.shield(self._mirror)
        if isinstance(question, Load):
            await mirror.load(question)
        elif isinstance(question, Unload):
            await mirror.unload(question.number)
        elif isinstance(question, Table):
            mirror.take(question)
        elif isinstance(question, Shown):
            mirror.show(question.versions)
        elif isinstance(question, Collect):
            assert self.parts is not None
            return self.parts.metrics.collect()
        elif isinstance(question, Welcome):
            return await asyncio.shield(self._said)
        return None

    async def serve(
        self,
        setup: Setup,
        line: Line,
        stack: contextlib.AsyncExitStack,
        stopping: "asyncio.Future[str]",
    ) -> None:
        """As `service.serve`, but for the models."""
        options = setup.options
        try:
            service.tune()
            service.settle(options)
            self.parts = parts = Parts(options, stack, setup.servers)
            mirror = Mirror(options, parts.make_run, parts.metrics.forget)
            stack.push_async_callback(mirror.close)
            bound = await self._bind(parts, mirror, line) if setup.is_first else None
        except Exception as error:  # The parent says what it is.
            self._mirror.set_exception(error)
            await asyncio.sleep(0.1)
            return
        self._mirror.set_result(mirror)
        if not await operations.before(stopping, mirror.has_opened.wait()):
            return
        grpc_server, rest = bound or await self._bind(parts, mirror, line)
        await grpc_server.start()
        await grpc_server.set_serving(mirror.ready())
        self._said.set_result("\n".join(welcome.lines(options, mirror)))
        following = operations.follow_health(mirror, grpc_server.set_serving)
        await operations.before(stopping, following)
        await service.end(parts, grpc_server, rest, options.shutdown_grace_seconds)

    async def _bind(
        self, parts: Parts, mirror: Mirror, line: Line
    ) -> tuple[GrpcServer, Runner | None]:
        async def reload(message: messages.ModelServerConfig) -> None:
            await line.ask(Reload(message.SerializeToString()))

        async def metrics() -> bytes:
            return await line.ask(CollectAll())

        return parts.grpc(mirror, reload), await parts.rest(mirror, metrics)


if __name__ == "__main__":
    main()
