"""The server that runs: models, gRPC, REST, metrics, and how it starts and stops."""

import asyncio
import contextlib
import functools
import gc
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from aiohttp import web

from ..base.errors import UserError
from ..base.tf import tf
from . import operations, settings, welcome
from .access_log import Answered, Observe, access_log
from .core import config, loading
from .core.batching import Batcher
from .core.executor import MakeRun, Run, direct, in_own_thread, threads, timed
from .core.lifecycle import ManagerOptions
from .core.manager import Manager
from .core.saved_model import SessionOptions
from .core.servable import Servable
from .flags import ServeOptions
from .metrics import Metrics
from .page import litert_js, routes
from .protocol import messages
from .protocol.models import VersionStatus
from .protocol.status import StatusError
from .rest.api import application
from .rest.limits import Limits
from .rest.server import Runner, allow_files, most_connections
from .rpc.api import Services
from .rpc.server import GrpcServer, Options

# Threads hand Python's lock over after this many seconds: the default of 5 ms would be added
# to each answer that comes back to a busy event loop.
_SWITCH_INTERVAL_S = 0.0005
# Objects made between two collections of garbage; a request is a thousand or more.
_COLLECT_AFTER = 100_000

Apply = Callable[[Sequence[config.ModelConfig]], Awaitable[None]]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


async def serve_until_signal(options: ServeOptions) -> int:
    """Serves until SIGTERM or SIGINT; for a process that does nothing else.

    Returns:
      How many requests to models were answered.

    Raises:
      UserError: the server cannot start.
    """
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    # A collection goes over all objects of TensorFlow, which takes 0.2 s and stops all
    # threads: what is there now is left out of it for good, and it comes less often.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
    return await serve(options, operations.stop_signal(options.shutdown_grace_seconds))


async def serve(
    options: ServeOptions, stopping: "asyncio.Future[str]", say: Callable[[str], None] = _say
) -> int:
    """Serves until `stopping` has a result.

    Args:
      options: what to serve and where.
      stopping: its result says why the server stops.
      say: shows its user a text, first when the models are loaded.

    Returns:
      How many requests to models were answered.

    Raises:
      UserError: the server cannot start.
    """
    tf.get_logger().setLevel("ERROR")  # Of sessions it says that they are old.
    async with contextlib.AsyncExitStack() as stack:  # Takes the parts down again.
        metrics = Metrics()
        manager = _manager(options, metrics, stack)
        apply = _apply(manager)
        log = stack.enter_context(access_log(options.access_log))
        observe = _observe(metrics, log)
        grpc_server = _grpc_server(options, manager, apply, observe)
        stack.push_async_callback(grpc_server.stop, 0)
        rest = await _rest(options, manager, metrics, observe, stack)
        content = config.read(path) if (path := _config_file(options)) else b""
        models = (
            config.parse(content, path)
            if path
            else config.from_flags(options.model_name, options.model_base_path)
        )
        if await _loaded(apply(models), stopping):
            await grpc_server.start()
            await grpc_server.set_serving(manager.ready())
            say("\n".join(welcome.lines(options, manager)))
            following = [operations.follow_health(manager, grpc_server.set_serving)]
            seconds = options.model_config_file_poll_wait_seconds
            if path and seconds > 0:
                following.append(operations.follow_config(path, content, seconds, apply))
            await operations.until(stopping, following)
        say(f"{stopping.result()}: no new requests; those that run may finish")
        await asyncio.gather(
            grpc_server.stop(options.shutdown_grace_seconds), *([rest.cleanup()] if rest else [])
        )
    return metrics.requests


def _config_file(options: ServeOptions) -> Path | None:
    return Path(options.model_config_file) if options.model_config_file else None


async def _loaded(loading_models: Awaitable[None], stopping: "asyncio.Future[str]") -> bool:
    """Waits for the models; False if the server must stop before they are there.

    Raises:
      UserError: one does not load.
    """
    task = asyncio.ensure_future(loading_models)
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if stopping.done():
        task.cancel()
        return False
    try:
        task.result()
    except StatusError as error:
        raise UserError(error.message) from error
    return True


def _manager(options: ServeOptions, metrics: Metrics, stack: contextlib.AsyncExitStack) -> Manager:
    """The manager, with no models yet."""
    both = options.tensorflow_session_parallelism
    session = SessionOptions(
        tags=options.saved_model_tags,
        intra_op=options.tensorflow_intra_op_parallelism or both,
        inter_op=options.tensorflow_inter_op_parallelism or both,
        xla=options.xla_cpu_compilation_enabled,
        mixed_precision=options.mixed_precision,
    )
    iterations = max(1, options.num_request_iterations_for_warmup)
    load_options = loading.LoadOptions(
        session=session,
        prefer_tflite=options.prefer_tflite_model,
        interpreters=options.num_tflite_pools * options.num_tflite_interpreters_per_pool,
        strict=options.enable_signature_method_name_check,
        warmup_iterations=iterations if options.enable_model_warmup else 0,
    )

    def changed(model: str, version: VersionStatus) -> None:
        metrics.version(model, version.version, int(version.state), version.error_code)

    allow_labels = options.allow_version_labels_for_unavailable_models
    manager = Manager(
        functools.partial(loading.load, options=load_options),
        _make_run(options, metrics, stack),
        ManagerOptions(
            file_system_poll_wait_seconds=options.file_system_poll_wait_seconds,
            num_load_threads=options.num_load_threads,
            num_unload_threads=options.num_unload_threads,
            max_num_load_retries=options.max_num_load_retries,
            load_retry_interval_seconds=options.load_retry_interval_micros / 1e6,
            allow_version_labels_for_unavailable_models=allow_labels,
        ),
        changed,
    )
    metrics.follow_models(manager.names)
    stack.push_async_callback(in_own_thread, manager.close)
    return manager


def _make_run(options: ServeOptions, metrics: Metrics, stack: contextlib.AsyncExitStack) -> MakeRun:
    """How calls of models run: joined into batches, or each by itself; and timed."""
    if options.enable_batching:
        parameters = settings.batching(options.batching_parameters_file)
        batcher = Batcher(parameters, metrics.batch)
        stack.callback(batcher.close)
        metrics.follow_queue(lambda: batcher.queued)
        make_run = batcher.run
    else:
        pool = threads()
        stack.callback(functools.partial(pool.shutdown, wait=False))

        def make_run(model: str, servable: Servable) -> Run:
            del model
            return direct(servable, pool)

    return lambda model, servable: timed(
        make_run(model, servable), functools.partial(metrics.runtime, model)
    )


def _apply(manager: Manager) -> Apply:
    """Puts a configuration in force, one after the other; waits for its models to load."""
    applying = asyncio.Lock()

    async def apply(models: Sequence[config.ModelConfig]) -> None:
        async with applying:
            await in_own_thread(manager.apply, models)

    return apply


def _observe(metrics: Metrics, log: Observe | None) -> Observe:
    """What is done with each request that was answered."""

    def observe(request: Answered) -> None:
        metrics.request(request)
        if log:
            log(request)

    return observe


def _grpc_server(
    options: ServeOptions, manager: Manager, apply: Apply, observe: Observe
) -> GrpcServer:
    """The gRPC server, bound to its addresses."""

    async def reload(message: messages.ModelServerConfig) -> None:
        await apply(config.from_message(message))

    services = Services(
        manager,
        reload,
        observe,
        options.enable_serialization_as_tensor_content,
        options.max_request_bytes,
        options.max_concurrent_requests,
    )
    return GrpcServer(
        services,
        Options(
            host=options.host,
            port=options.port,
            socket_path=options.grpc_socket_path,
            channel_arguments=options.grpc_channel_arguments,
            max_request_bytes=options.max_request_bytes,
            max_streams=options.max_concurrent_requests,
            health=options.enable_grpc_healthcheck_service,
            tls=settings.tls(options.ssl_config_file),
        ),
    )


async def _rest(
    options: ServeOptions,
    manager: Manager,
    metrics: Metrics,
    observe: Observe,
    stack: contextlib.AsyncExitStack,
) -> Runner | None:
    """The REST server, which listens; None if there is no port for it."""
    if not options.rest_api_port:
        return None
    limits = Limits(
        body_bytes=options.max_request_bytes,
        depth=options.max_json_depth,
        seconds=options.rest_api_timeout_in_ms / 1000,
        requests=options.max_concurrent_requests,
        bytes_in_flight=2 * options.max_request_bytes,
    )
    metrics_path = settings.metrics_path(options.monitoring_config_file)
    more = operations.routes(manager, metrics, metrics_path)
    if options.has_page:
        litert = options.litertjs or litert_js.default_folder()
        more += routes.routes(manager, litert, options.is_local)
    most = most_connections(allow_files())
    rest = Runner(
        application(
            manager,
            limits=limits,
            cors=options.rest_api_enable_cors_support,
            routes=more,
            observe=observe,
        ),
        connections=most,
        seconds=limits.seconds,
        shutdown_timeout=options.shutdown_grace_seconds,
    )
    await rest.setup()
    stack.push_async_callback(rest.cleanup)
    try:
        # As many as this are taken from the system at a time, before they are counted.
        backlog = min(most, 128)
        await web.TCPSite(rest, options.host, options.rest_api_port, backlog=backlog).start()
    except OSError as error:
        raise UserError(
            f"REST cannot listen at {options.host}:{options.rest_api_port}: {error.strerror} "
            "(another port: --rest_api_port=N)"
        ) from error
    return rest
