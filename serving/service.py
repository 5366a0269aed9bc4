"""The server that runs: models, gRPC, REST, figures, and how it starts and stops."""

import asyncio
import contextlib
import dataclasses
import functools
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import grpc
from aiohttp import web

from ..base.errors import UserError
from ..base.tf import tf
from . import operations, settings, welcome
from .access_log import Answered, access_log
from .core import config, loading, warmup
from .core.batching import Batcher
from .core.executor import Direct, Executor, MakeExecutor, Timed, in_own_thread, threads
from .core.inference import Target
from .core.manager import Lease, Manager, VersionStatus
from .core.saved_model import SessionOptions
from .core.servable import Servable
from .metrics import Metrics
from .page import routes as page
from .protocol.status import StatusError
from .rest import api as rest_api
from .rest.server import Runner, allow_files, most_connections
from .rpc.api import Services
from .rpc.server import GrpcServer, Options

# Threads hand Python's lock over after so many seconds: the default of 5 ms would be added
# to each answer that comes back to a busy event loop.
_SWITCH_INTERVAL_S = 0.0005
# Objects made between two collections of garbage; a request is a thousand or more.
_COLLECT_AFTER = 100_000
# Seconds after the grace for unloading and saying goodbye.
_LEAVE_S = 10


async def serve(values: Any) -> dict[str, Any]:
    """Serves until SIGTERM or SIGINT.

    Args:
      values: the flags of `serve_flags`, checked.

    Returns:
      `seconds` of service and the number of `requests`.

    Raises:
      UserError: the server cannot start.
    """
    _tune_python()
    tf.get_logger().setLevel("ERROR")  # Of sessions it says that they are old.
    stopping = operations.stop_signal()
    begun = time.monotonic()
    async with contextlib.AsyncExitStack() as stack:
        server = await _assembled(values, stack)
        models, stated = _configs(values)
        loaded = asyncio.ensure_future(server.apply(models))
        await asyncio.wait({loaded, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not stopping.done():
            try:
                loaded.result()
            except StatusError as error:
                raise UserError(error.message) from error
            server.models.opened = True
            await server.grpc.start()
            await server.grpc.set_serving(server.manager.ready())
            _say("\n".join(welcome.lines(values, server.manager)))
            await _until(stopping, _following(values, stated, server))
        loaded.cancel()
        _say(f"{signal.Signals(stopping.result()).name}: no new requests; those that run may end")
        last = threading.Timer(values.shutdown_grace_seconds + _LEAVE_S, _leave)
        last.daemon = True
        last.start()
        stack.callback(last.cancel)
        await server.drain(values.shutdown_grace_seconds)
    return {"seconds": time.monotonic() - begun, "requests": server.metrics.requests}


def _leave() -> None:
    """Ends the process, whatever still runs: a call that hangs, a model that loads."""
    _say("not everything ended in time: leaving")
    os._exit(1)


def _tune_python() -> None:
    """Settings of the interpreter that a server needs, for the whole process."""
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    # A collection goes over all objects of TensorFlow, which takes 0.2 s and stops all
    # threads: what is there now is left out of it for good, and it comes less often.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)


@dataclasses.dataclass
class _Server:
    """The parts."""

    metrics: Metrics
    manager: Manager
    models: "_Models"
    grpc: GrpcServer
    rest: Runner | None
    applying: asyncio.Lock = dataclasses.field(default_factory=asyncio.Lock)

    async def apply(self, models: Sequence[config.ModelConfig]) -> None:
        """Puts a configuration in force, one after the other; waits for models to load."""
        async with self.applying:
            await in_own_thread(self.manager.apply, models)

    async def drain(self, grace_s: float) -> None:
        """Takes no new request, and lets those that run end."""
        ending = [self.grpc.stop(grace_s)]
        if self.rest is not None:
            ending.append(self.rest.cleanup())
        await asyncio.gather(*ending)


@dataclasses.dataclass
class _Models:
    """The manager, as the interfaces see it: closed until all models of the start are there."""

    manager: Manager
    opened: bool = False

    def lease(self, target: Target) -> contextlib.AbstractContextManager[Lease]:
        self._require()
        return self.manager.lease(target)

    def status(self, target: Target) -> list[VersionStatus]:
        self._require()
        return self.manager.status(target)

    def _require(self) -> None:
        if not self.opened:
            raise StatusError(grpc.StatusCode.UNAVAILABLE, "The models are being loaded")


async def _assembled(values: Any, stack: contextlib.AsyncExitStack) -> _Server:
    """All parts, with no models yet; the stack takes them apart."""
    files = allow_files()
    metrics = Metrics()
    limits = rest_api.Limits(
        body_bytes=values.max_request_bytes,
        depth=values.max_json_depth,
        seconds=values.rest_api_timeout_in_ms / 1000,
        requests=values.max_concurrent_requests,
        bytes_in_flight=2 * values.max_request_bytes,
    )
    if values.enable_batching:
        parameters = settings.batching(values.batching_parameters_file)
        batcher = Batcher(parameters, metrics.batch)
        stack.callback(batcher.close)
        make_executor: MakeExecutor = batcher.executor
        metrics.follow_queue(lambda: batcher.queued)
    else:
        pool = threads()
        stack.callback(functools.partial(pool.shutdown, wait=False))
        make_executor = lambda _, servable: Direct(servable, pool)  # noqa: E731

    def timed(model: str, servable: Servable) -> Executor:
        return Timed(make_executor(model, servable), functools.partial(metrics.runtime, model))

    manager = _manager(values, timed, metrics)
    metrics.follow_models(manager.names)
    stack.push_async_callback(in_own_thread, manager.close)
    models = _Models(manager)
    log = stack.enter_context(access_log(values.access_log))

    def observe(request: Answered) -> None:
        metrics.request(request)
        if log:
            log(request)

    server: _Server

    async def reload(message: Any) -> None:
        await server.apply(config.from_message(message))

    grpc_server = GrpcServer(
        Services(
            models,
            reload,
            observe,
            values.enable_serialization_as_tensor_content,
            values.max_request_bytes,
            values.max_concurrent_requests,
        ),
        _grpc_options(values),
    )
    stack.push_async_callback(grpc_server.stop, 0)
    rest = None
    if values.rest_api_port:
        app = rest_api.application(
            models,
            limits=limits,
            cors=values.rest_api_enable_cors_support,
            routes=[
                *operations.routes(
                    manager, metrics, settings.metrics_path(values.monitoring_config_file)
                ),
                *_page(values, manager),
            ],
            observe=observe,
        )
        rest = Runner(
            app,
            connections=most_connections(files),
            seconds=limits.seconds,
            shutdown_timeout=values.shutdown_grace_seconds,
        )
        await rest.setup()
        stack.push_async_callback(rest.cleanup)
        try:
            # As many as this are taken from the system at a time, before they are counted.
            backlog = min(most_connections(files), 128)
            site = web.TCPSite(rest, values.host, values.rest_api_port, backlog=backlog)
            await site.start()
        except OSError as error:
            raise UserError(
                f"REST cannot listen at {values.host}:{values.rest_api_port}: {error.strerror} "
                "(another port: --rest_api_port=N)"
            ) from error
    server = _Server(metrics, manager, models, grpc_server, rest)
    return server


def _page(values: Any, manager: Manager) -> list[web.RouteDef]:
    """The routes of the page, where it is wanted."""
    if not settings.page(values):
        return []
    return page.routes(manager, settings.litertjs(values), settings.is_loopback(values.host))


def _following(values: Any, stated: bytes, server: _Server) -> list[Coroutine[Any, Any, None]]:
    """What runs beside the requests."""
    following: list[Coroutine[Any, Any, None]] = [
        operations.follow_health(server.manager, server.grpc.set_serving)
    ]
    wait = values.model_config_file_poll_wait_seconds
    if values.model_config_file and wait > 0:
        path = Path(values.model_config_file)
        following.append(operations.follow_config(path, stated, wait, server.apply))
    return following


async def _until(stopping: "asyncio.Future[int]", following: list[Any]) -> None:
    tasks = [asyncio.ensure_future(each) for each in following]
    try:
        await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:  # They do not end by themselves, but by an error of ours.
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()


def _grpc_options(values: Any) -> Options:
    return Options(
        host=values.host,
        port=values.port,
        socket_path=values.grpc_socket_path,
        channel_arguments=values.grpc_channel_arguments,
        max_request_bytes=values.max_request_bytes,
        max_streams=values.max_concurrent_requests,
        health=values.enable_grpc_healthcheck_service,
        tls=settings.tls(values.ssl_config_file),
    )


def _manager(values: Any, make_executor: MakeExecutor, metrics: Metrics) -> Manager:
    both = values.tensorflow_session_parallelism
    options = SessionOptions(
        tags=tuple(values.saved_model_tags),
        intra_op=values.tensorflow_intra_op_parallelism or both,
        inter_op=values.tensorflow_inter_op_parallelism or both,
        xla=values.xla_cpu_compilation_enabled,
        mixed_precision=values.mixed_precision,
    )

    interpreters = values.num_tflite_pools * values.num_tflite_interpreters_per_pool

    def load(path: Path) -> Servable:
        servable = loading.open_version(path, options, values.prefer_tflite_model, interpreters)
        if not values.enable_signature_method_name_check:
            return servable
        signatures = {
            name: dataclasses.replace(signature, strict=True)
            for name, signature in servable.signatures.items()
        }
        return dataclasses.replace(servable, signatures=signatures)

    def changed(model: str, version: VersionStatus) -> None:
        metrics.version(model, version.version, int(version.state), version.error_code)

    return Manager(
        load,
        make_executor,
        file_system_poll_wait_seconds=values.file_system_poll_wait_seconds,
        num_load_threads=values.num_load_threads,
        num_unload_threads=values.num_unload_threads,
        max_num_load_retries=values.max_num_load_retries,
        load_retry_interval_seconds=values.load_retry_interval_micros / 1e6,
        allow_version_labels_for_unavailable_models=(
            values.allow_version_labels_for_unavailable_models
        ),
        warmup=functools.partial(warmup.replay, iterations=values.num_request_iterations_for_warmup)
        if values.enable_model_warmup
        else None,
        on_change=changed,
    )


def _configs(values: Any) -> tuple[tuple[config.ModelConfig, ...], bytes]:
    """The models, and what the config file held that states them."""
    if not values.model_config_file:
        return config.from_flags(values.model_name, values.model_base_path), b""
    path = Path(values.model_config_file)
    stated = path.read_bytes() if path.is_file() else b""
    return config.read(path), stated


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
