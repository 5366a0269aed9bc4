"""The server that runs: models, gRPC, REST, figures, and how it starts and stops."""

import asyncio
import contextlib
import dataclasses
import functools
import gc
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from absl import logging
from aiohttp import web

from ..base.errors import UserError
from ..base.tf import tf
from . import operations, settings, welcome
from .core import config, loading, warmup
from .core.batching import Batcher
from .core.executor import Direct, Executor, MakeExecutor, Timed, threads
from .core.manager import Manager, VersionStatus
from .core.saved_model import SessionOptions
from .core.servable import Servable
from .core.status import StatusError
from .grpc_api import Services
from .grpc_server import GrpcServer, Options
from .metrics import Metrics
from .rest import api as rest_api
from .rest.server import Runner

# Threads hand Python's lock over after so many seconds: the default of 5 ms would be added
# to each answer that comes back to a busy event loop.
_SWITCH_INTERVAL_S = 0.0005
# Objects made between two collections of garbage; a request is a thousand or more.
_COLLECT_AFTER = 100_000


async def serve(values: Any, started: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """Serves until SIGTERM or SIGINT.

    Args:
      values: the flags of `serve_flags`, checked.
      started: called when all models answer.

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
        models = _configs(values)
        loaded = asyncio.ensure_future(asyncio.to_thread(server.manager.apply, models))
        await asyncio.wait({loaded, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not stopping.done():
            try:
                loaded.result()
            except StatusError as error:
                raise UserError(error.message) from error
            await server.grpc.set_serving(server.manager.ready())
            _say("\n".join(welcome.lines(values, server.manager)))
            started()
            await _until(stopping, _following(values, server))
        _say(f"{signal.Signals(stopping.result()).name}: no new requests; those that run may end")
        await server.drain(values.shutdown_grace_seconds)
    return {"seconds": time.monotonic() - begun, "requests": server.metrics.requests}


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
    grpc: GrpcServer
    rest: Runner | None

    async def drain(self, grace_s: float) -> None:
        """Takes no new request, and lets those that run end."""
        ending = [self.grpc.stop(grace_s)]
        if self.rest is not None:
            ending.append(self.rest.cleanup())
        await asyncio.gather(*ending)


async def _assembled(values: Any, stack: contextlib.AsyncExitStack) -> _Server:
    """All parts, listening but with no models yet; the stack takes them apart."""
    metrics = Metrics()
    limits = rest_api.Limits(
        body_bytes=values.max_request_bytes,
        depth=values.max_json_depth,
        seconds=values.rest_api_timeout_in_ms / 1000,
        requests=values.max_concurrent_requests,
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
    stack.push_async_callback(asyncio.to_thread, manager.close)
    log = stack.enter_context(operations.access_log(values.access_log))
    grpc = GrpcServer(
        Services(
            manager,
            functools.partial(_reload, manager),
            functools.partial(metrics.request, entrypoint="GRPC"),
            log,
            values.enable_serialization_as_tensor_content,
        ),
        _grpc_options(values),
    )
    await grpc.start()
    stack.push_async_callback(grpc.stop, 0)
    rest = None
    if values.rest_api_port:
        app = rest_api.application(
            manager,
            limits=limits,
            cors=values.rest_api_enable_cors_support,
            routes=operations.routes(
                manager, metrics, settings.metrics_path(values.monitoring_config_file)
            ),
            observe=functools.partial(metrics.request, entrypoint="REST"),
            access_log=log,
        )
        rest = Runner(app, shutdown_timeout=values.shutdown_grace_seconds, access_log=None)
        await rest.setup()
        stack.push_async_callback(rest.cleanup)
        try:
            await web.TCPSite(rest, values.host, values.rest_api_port).start()
        except OSError as error:
            raise UserError(
                f"REST cannot listen at {values.host}:{values.rest_api_port}: {error.strerror} "
                "(another port: --rest_api_port=N)"
            ) from error
    return _Server(metrics, manager, grpc, rest)


def _following(values: Any, server: _Server) -> list[Coroutine[Any, Any, None]]:
    """What runs beside the requests."""
    following: list[Coroutine[Any, Any, None]] = [
        operations.follow_health(server.manager, server.grpc.set_serving)
    ]
    wait = values.model_config_file_poll_wait_seconds
    if values.model_config_file and wait > 0:
        path = Path(values.model_config_file)
        following.append(operations.follow_config(path, wait, server.manager))
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


def _reload(manager: Manager, message: Any) -> None:
    """Puts a ModelServerConfig in force; one that states nothing changes nothing."""
    if message.WhichOneof("config") is None:
        logging.info("Taking no action for empty config.")
        return
    manager.apply(config.from_message(message))


def _grpc_options(values: Any) -> Options:
    tls = settings.tls(values.ssl_config_file)
    return Options(
        host=values.host,
        port=values.port,
        socket_path=values.grpc_socket_path,
        channel_arguments=values.grpc_channel_arguments,
        max_request_bytes=values.max_request_bytes,
        max_concurrent=values.max_concurrent_requests,
        health=values.enable_grpc_healthcheck_service,
        tls=(tls.key, tls.certificates, tls.clients_authority) if tls else None,
        client_certificates=tls is not None and tls.verify_clients,
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


def _configs(values: Any) -> tuple[config.ModelConfig, ...]:
    if values.model_config_file:
        return config.read(Path(values.model_config_file))
    return config.from_flags(values.model_name, values.model_base_path)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
