"""The parts of a server process, made from its options: calls of models, gRPC and REST."""

import concurrent.futures
import contextlib
import functools
import os
import threading
from collections.abc import Awaitable, Callable

from aiohttp import web

from ..base.errors import UserError
from . import operations, settings
from .bounds.limits import Limits
from .bounds.shared import Shared
from .core.batching import Batcher
from .core.executor import MakeRun, Run, direct, in_pieces, limited, timed
from .core.servable import Servable
from .core.served import Served
from .flags import ServeOptions
from .page import litert_js, routes
from .process.access_log import Answered, access_log
from .process.ending import Ending
from .process.metrics import Metrics
from .protocol import messages
from .rest.api import application
from .rest.server import Runner, allow_files, most_connections
from .rpc.api import Services
from .rpc.calls import Calls
from .rpc.coming import Coming
from .rpc.server import GrpcServer

# Seconds for the refusals of requests that still run after the grace.
_SAY_S = 1.0


class Parts:
    """What a server is made of; `stack` takes the parts down again, the last one first.

    Attributes:
      metrics: of all parts.
      make_run: how calls of models run.
      ending: whether requests are taken.
    """

    def __init__(self, options: ServeOptions, stack: contextlib.AsyncExitStack, servers: int = 1):
        """Makes the metrics, what bounds requests, and the access log.

        Args:
          options: what to serve and where.
          stack: takes the parts down.
          servers: processes that share the ports, and what all requests together may take.
        """
        self._options, self._stack, self._servers = options, stack, servers
        self.metrics = Metrics()
        self.ending = Ending()
        self.make_run = self._make_run()
        self._shared = Shared(_limits(options, servers))
        stack.callback(self._shared.close)
        self._connections = max(most_connections(allow_files()) // servers, 1)
        self._log = stack.enter_context(access_log(options.access_log))

    def _make_run(self) -> MakeRun:
        """How calls of models run: joined into batches, or each by itself; and timed.

        Each model has threads of its own.
        """
        if self._options.enable_batching:
            parameters = settings.batching(self._options.batching_parameters_file)
            batchers: dict[str, Batcher] = {}
            lock = threading.Lock()
            self.metrics.follow_queue(lambda: sum(one.queued for one in [*batchers.values()]))

            def make_run(model: str, servable: Servable) -> Run:
                with lock:  # Called in load threads.
                    if model not in batchers:
                        batchers[model] = Batcher(parameters, self.metrics.batch)
                        self._stack.callback(batchers[model].close)
                return batchers[model].run(model, servable)
        else:

            def make_run(model: str, servable: Servable) -> Run:
                # Two threads for each core, since one call can leave cores idle; and of its own,
                # since a slow model must not keep others waiting. They end with the pool, which
                # goes when the version does.
                threads = max(2 * (os.cpu_count() or 1) // self._servers, 2)
                pool = concurrent.futures.ThreadPoolExecutor(threads, "call")
                return in_pieces(model, servable, direct(servable, pool))

        most = self._options.max_request_rows
        return lambda model, version, servable: timed(
            limited(servable, make_run(model, servable), most),
            functools.partial(self.metrics.runtime, model, version),
        )

    def _observe(self, request: Answered) -> None:
        self.metrics.request(request)
        if self._log:
            self._log(request)

    def grpc(
        self, models: Served, reload: Callable[[messages.ModelServerConfig], Awaitable[None]]
    ) -> GrpcServer:
        """The gRPC server, bound to its addresses; `reload` puts a configuration in force."""
        self.metrics.follow_models(models.names)
        options, bounds = self._options, self._shared
        coming = Coming(bounds.budget, bounds.limits.requests, bounds.limits.seconds)
        calls = Calls(self._observe, self.ending, options, bounds, coming)
        services = Services(models, reload, options, bounds, calls)
        server = GrpcServer(services, options, self._connections, coming, shared=self._servers > 1)
        self._stack.push_async_callback(server.stop, 0)
        return server

    async def own_metrics(self) -> bytes:
        """Those of this process, for Prometheus."""
        return self.metrics.text()

    async def rest(self, models: Served, metrics: Callable[[], Awaitable[bytes]]) -> Runner | None:
        """The REST server, which listens; None if there is no port for it.

        Args:
          models: that answer.
          metrics: gives those of all processes, for Prometheus.
        """
        options = self._options
        if not options.rest_api_port:
            return None
        metrics_path = settings.metrics_path(options.monitoring_config_file)
        more = operations.routes(models, metrics, self.ending, metrics_path)
        local = options.is_local and options.check_host
        if options.has_page:
            litert = options.litertjs or litert_js.default_folder()
            more += routes.routes(models, litert, self._shared, local)
        app = application(
            models,
            shared=self._shared,
            cors=options.rest_api_enable_cors_support,
            routes=more,
            observe=self._observe,
            ending=self.ending,
            local=local,
        )
        most = self._connections
        runner = Runner(
            app,
            connections=most,
            seconds=self._shared.limits.seconds,
            shutdown_timeout=options.shutdown_grace_seconds + _SAY_S,
            budget=self._shared.budget,
        )
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        # As many as this are taken from the system at a time, before they are counted.
        backlog = min(most, 128)
        try:
            await web.TCPSite(
                *(runner, options.host, options.rest_api_port),
                backlog=backlog,
                reuse_port=self._servers > 1,
            ).start()
        except OSError as error:
            raise UserError(
                f"REST cannot listen at {options.host}:{options.rest_api_port}: {error.strerror} "
                "(another port: --rest_api_port=N)"
            ) from error
        return runner


def _limits(options: ServeOptions, servers: int) -> Limits:
    return Limits(
        body_bytes=options.max_request_bytes,
        depth=options.max_json_depth,
        rows=options.max_request_rows,
        filled_bytes=options.max_filled_bytes,
        seconds=options.rest_api_timeout_in_ms / 1000,
        requests=options.max_concurrent_requests,
        bytes_in_flight=2 * options.max_request_bytes // servers,
    )
