"""How the server starts, serves and stops."""

import asyncio
import contextlib
import ctypes
import functools
import gc
import os
import sys
from collections.abc import Callable

from absl import logging

from ..base.errors import UserError
from ..base.tf import tf
from . import operations, welcome
from .core import config, loading, saved_model
from .core.executor import in_own_thread
from .core.manager import Manager
from .flags import ServeOptions
from .parts import Parts
from .process.ending import LEAVE_S, stop_signal
from .protocol import messages
from .protocol.status import StatusError
from .rest.server import Runner
from .rpc.server import GrpcServer
from .trials import Trials

# Threads hand Python's lock over after this many seconds: the default of 5 ms would be added
# to each answer that comes back to a busy event loop.
_SWITCH_INTERVAL_S = 0.0005
# Objects made between two collections of garbage; a request is a thousand or more.
_COLLECT_AFTER = 100_000
# What glibc calls its limit on arenas. It has eight for each core, and gives the end of none but
# the first back to the system: large requests would leave as many pieces.
_ARENA_MAX = -8


async def serve_until_signal(options: ServeOptions, trials: Trials) -> int:
    """Serves until SIGTERM or SIGINT; for a process that does nothing else.

    Args:
      options: what to serve and where.
      trials: of models that are loaded.

    Returns:
      How many requests to models were answered.

    Raises:
      UserError: the server cannot start.
    """
    tune()
    with stop_signal(options.shutdown_grace_seconds + LEAVE_S) as stopping:
        return await serve(options, stopping, trials=trials)


def tune() -> None:
    """Sets up a process that does nothing else than serve."""
    logging.get_absl_handler().setFormatter(operations.LogFormat())
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    # A collection goes over all objects of TensorFlow, which takes 0.2 s and stops all
    # threads: what is there now is left out of it for good, and it comes less often.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # Of glibc.
    if mallopt is not None:
        mallopt(_ARENA_MAX, max(os.cpu_count() or 1, 2))


def settle(options: ServeOptions) -> None:
    """Sets up the event loop and TensorFlow; raises UserError if a library does not load."""
    asyncio.get_running_loop().set_exception_handler(operations.Complaints())
    tf.get_logger().setLevel("ERROR")  # Of sessions it says that they are old.
    saved_model.load_libraries(options.load_library)  # Now, and not when a model comes.


async def serve(
    options: ServeOptions,
    stopping: "asyncio.Future[str]",
    say: Callable[[str], None] = operations.say,
    trials: Trials | None = None,
) -> int:
    """Serves until `stopping` has a result.

    Args:
      options: what to serve and where.
      stopping: its result says why the server stops.
      say: shows its user a text, first when the models are loaded.
      trials: of models that are loaded; made here if None.

    Returns:
      How many requests to models were answered.

    Raises:
      UserError: the server cannot start.
    """
    settle(options)
    models, content = operations.configured(options)
    trials = trials or Trials(options)
    async with contextlib.AsyncExitStack() as stack:
        parts = Parts(options, stack)
        manager = Manager(
            functools.partial(loading.load, options=options, trials=trials),
            parts.make_run,
            options,
            parts.metrics.version,
        )
        stack.push_async_callback(in_own_thread, manager.close)
        stack.callback(trials.close)  # Before: the manager waits for loads that run.
        apply = operations.one_by_one(manager.apply)

        async def reload(message: messages.ModelServerConfig) -> None:
            await apply(config.from_message(message))

        grpc_server = parts.grpc(manager, reload)
        rest = await parts.rest(manager, parts.own_metrics)
        try:
            loaded = await operations.before(stopping, apply(models))
        except StatusError as error:
            raise UserError(error.message) from error
        if loaded:
            await grpc_server.start()
            await grpc_server.set_serving(manager.ready())
            say("\n".join(welcome.lines(options, manager)))
            following = [operations.follow_health(manager, grpc_server.set_serving)]
            following += operations.following_config(options, content, apply)
            await operations.before(stopping, asyncio.gather(*following))
        say(f"{stopping.result()}: no new requests; those that run may finish")
        await end(parts, grpc_server, rest, options.shutdown_grace_seconds)
    return parts.metrics.requests


async def end(parts: Parts, grpc_server: GrpcServer, rest: Runner | None, grace_s: float) -> None:
    """Refuses new requests, lets those that run end within the grace, then refuses them too."""
    await grpc_server.set_serving(False)
    await parts.ending.begin()
    asyncio.get_running_loop().call_later(grace_s, parts.ending.finish)
    stopping = [grpc_server.stop(grace_s)]
    if rest is not None:
        stopping.append(rest.cleanup())
    await asyncio.gather(*stopping)
