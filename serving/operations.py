"""What keeps a running server observable: probes, metrics, health, its config file."""

import asyncio
import copy
import errno
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from logging import LogRecord
from pathlib import Path

from absl import logging
from aiohttp import web

from ..base import addresses
from ..base.errors import printable, printable_lines
from .core import config
from .core.executor import in_own_thread
from .core.served import Served
from .flags import ServeOptions
from .process.ending import Ending

# Seconds between two looks at whether all models answer.
_HEALTH_INTERVAL = 0.5
_SILENCE_S = 60  # Between two complaints of the same.


def say(text: str) -> None:
    """Shows a text to whoever started the server."""
    print(addresses.shown(text), file=sys.stderr, flush=True)


class LogFormat(logging.PythonFormatter):
    """absl's, where names of models and files, which requests and configs state, move no cursor.

    Nor does one make a further line, which could look like another message.
    """

    def format(self, record: LogRecord) -> str:
        """The lines of a message."""
        record = copy.copy(record)
        record.msg, record.args = printable(record.getMessage()), None
        return addresses.shown(printable_lines(super().format(record)))


def routes(
    manager: Served, metrics: Callable[[], Awaitable[bytes]], ending: Ending, metrics_path: str
) -> list[web.RouteDef]:
    """What the REST port answers beside TF Serving's interface; no path for no Prometheus."""

    async def alive(_: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def ready(_: web.Request) -> web.Response:
        if manager.ready() and not ending.has_begun:
            return web.json_response({"status": "ready"})
        return web.json_response({"status": "not ready"}, status=503)

    async def prometheus(_: web.Request) -> web.Response:
        headers = {"Content-Type": "text/plain; version=0.0.4"}
        return web.Response(body=await metrics(), headers=headers)

    probes = [web.get("/healthz", alive), web.get("/readyz", ready)]
    return [*probes, web.get(metrics_path, prometheus)] if metrics_path else probes


async def follow_health(manager: Served, tell: Callable[[bool], Awaitable[None]]) -> None:
    """Tells, now and at each change, whether all models answer."""
    told = None
    while True:
        ready = manager.ready()
        if ready != told:
            await tell(ready)
            told = ready
        await asyncio.sleep(_HEALTH_INTERVAL)


def configured(options: ServeOptions) -> tuple[tuple[config.ModelConfig, ...], bytes]:
    """The models that the flags state, and what their config file holds; raises UserError."""
    if not options.model_config_file:
        return config.from_flags(options.model_name, options.model_base_path), b""
    path = Path(options.model_config_file)
    content = config.read(path)
    return config.parse(content, path), content


def following_config(
    options: ServeOptions,
    before: bytes,
    apply: Callable[[Sequence[config.ModelConfig]], Awaitable[None]],
) -> list[Coroutine[object, object, None]]:
    """What follows the config file, if there is one and it is to be followed."""
    seconds = options.model_config_file_poll_wait_seconds
    if not options.model_config_file or seconds <= 0:
        return []
    return [follow_config(Path(options.model_config_file), before, seconds, apply)]


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
            content = config.read(path)
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


def one_by_one(
    apply: Callable[[Sequence[config.ModelConfig]], None],
) -> Callable[[Sequence[config.ModelConfig]], Awaitable[None]]:
    """What puts configurations in force, one after the other; it waits for models to load."""
    lock = asyncio.Lock()

    async def apply_one(models: Sequence[config.ModelConfig]) -> None:
        async with lock:
            await in_own_thread(apply, models)

    return apply_one


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
