"""What keeps a running server observable: probes, metrics, health, its config file."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from absl import logging
from aiohttp import web

from .core import config
from .core.manager import Manager
from .metrics import Metrics

# Seconds between two looks at whether all models answer.
_HEALTH_INTERVAL = 0.5

Apply = Callable[[Sequence[config.ModelConfig]], Awaitable[None]]


def routes(manager: Manager, metrics: Metrics, metrics_path: str) -> list[web.RouteDef]:
    """What the REST port answers beside TF Serving's interface.

    Args:
      manager: of the models.
      metrics: of the server.
      metrics_path: where Prometheus is answered; empty for nowhere.
    """

    async def alive(_: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def ready(_: web.Request) -> web.Response:
        if manager.ready():
            return web.json_response({"status": "ready"})
        return web.json_response({"status": "not ready"}, status=503)

    async def figures(_: web.Request) -> web.Response:
        return web.Response(
            body=metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4"}
        )

    found = [web.get("/healthz", alive), web.get("/readyz", ready)]
    if metrics_path:
        found.append(web.get(metrics_path, figures))
    return found


async def follow_health(manager: Manager, tell: Callable[[bool], Awaitable[None]]) -> None:
    """Tells, now and at each change, whether all models answer."""
    told = None
    while True:
        ready = manager.ready()
        if ready != told:
            await tell(ready)
            told = ready
        await asyncio.sleep(_HEALTH_INTERVAL)


async def follow_config(path: Path, before: bytes, wait_s: float, apply: Apply) -> None:
    """Puts each change of a config file in force; one that is bad changes nothing.

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
            found = path.read_bytes()
            # One that was refused is tried again: a version that it labels may be there now.
            if found == before and not complaint:
                continue
            before = found
            await apply(config.read(path, again=True))
            complaint = ""
            logging.info("%s is in force", path)
        except Exception as error:  # Whatever it is, the models go on.
            if str(error) != complaint:  # Once, not at each look.
                logging.error("%s: the configuration before stays in force: %s", path, error)
            complaint = str(error)


def stop_signal() -> "asyncio.Future[int]":
    """Done with the number of the first signal that asks the server to stop."""
    loop = asyncio.get_running_loop()
    stopping: asyncio.Future[int] = loop.create_future()

    def stop(number: int) -> None:
        if stopping.done():  # A second one: now.
            os._exit(128 + number)
        stopping.set_result(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    return stopping
