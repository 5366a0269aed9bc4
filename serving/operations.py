"""What keeps a running server observable: probes, metrics, health, its config file, signals."""

import asyncio
import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from absl import logging
from aiohttp import web

from .core import config
from .core.manager import Manager
from .metrics import Metrics

# Seconds between two looks at whether all models answer.
_HEALTH_INTERVAL = 0.5
# Seconds after the grace for unloading and saying goodbye.
_LEAVE_S = 10
_SILENCE_S = 60  # Between two complaints of the same.


def routes(manager: Manager, metrics: Metrics, metrics_path: str) -> list[web.RouteDef]:
    """What the REST port answers beside TF Serving's interface; no path for no Prometheus."""

    async def alive(_: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def ready(_: web.Request) -> web.Response:
        if manager.ready():
            return web.json_response({"status": "ready"})
        return web.json_response({"status": "not ready"}, status=503)

    async def prometheus(_: web.Request) -> web.Response:
        return web.Response(
            body=metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4"}
        )

    probes = [web.get("/healthz", alive), web.get("/readyz", ready)]
    return [*probes, web.get(metrics_path, prometheus)] if metrics_path else probes


async def follow_health(manager: Manager, tell: Callable[[bool], Awaitable[None]]) -> None:
    """Tells, now and at each change, whether all models answer."""
    told = None
    while True:
        ready = manager.ready()
        if ready != told:
            await tell(ready)
            told = ready
        await asyncio.sleep(_HEALTH_INTERVAL)


async def follow_config(
    path: Path,
    before: bytes,
    wait_s: float,
    apply: Callable[[Sequence[config.ModelConfig]], Awaitable[None]],
) -> None:
    """Puts each change of a config file in force; a bad one changes nothing.

    Args:
      path: of the file.
      before: what it held when it was put in force.
      wait_s: seconds between two looks.
      apply: puts a configuration in force.
    """
    complaint = ""
    while True:
        await asyncio.sleep(wait_s)
        try:
            content = path.read_bytes()
            # One that was refused is tried again: a version that it labels may be there now.
            if content == before and not complaint:
                continue
            before = content
            await apply(config.parse(content, path, again=True))
            complaint = ""
            logging.info("%s is in force", path)
        except Exception as error:  # Whatever it is, the models go on.
            if str(error) != complaint:  # Once, not at each look.
                logging.error("The configuration before stays in force: %s", error)
            complaint = str(error)


class Complaints:
    """What asyncio tells of errors: that there are no more files only once a minute."""

    def __init__(self):
        self._next = 0.0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """Tells one."""
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in (errno.EMFILE, errno.ENFILE):
            loop.default_exception_handler(context)
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + _SILENCE_S
            logging.error(
                "No more files can be opened: new connections wait. ulimit -n allows more, for "
                "models and connections"
            )


async def before(stopping: "asyncio.Future[str]", work: Awaitable[object]) -> bool:
    """Awaits the work unless the server must stop first; returns whether it was done.

    Raises:
      Exception: what the work raises.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if stopping.done():
            return False
        task.result()
        return True
    finally:
        task.cancel()
        # What it ends in is looked at: asyncio would log what nobody did.
        await asyncio.gather(task, return_exceptions=True)


def stop_signal(grace_s: float) -> "asyncio.Future[str]":
    """Done with the name of the first signal that asks the server to stop.

    A second signal ends the process at once; so does the time, whatever still runs then: a
    call that hangs, a model that loads.
    """
    loop = asyncio.get_running_loop()
    stopping: asyncio.Future[str] = loop.create_future()

    def leave() -> None:
        print("not everything ended in time: leaving", file=sys.stderr, flush=True)
        os._exit(1)

    def stop(number: int) -> None:
        if stopping.done():
            os._exit(128 + number)
        stopping.set_result(signal.Signals(number).name)
        last = threading.Timer(grace_s + _LEAVE_S, leave)
        last.daemon = True
        last.start()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    return stopping
