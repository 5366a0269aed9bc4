"""The gRPC server: its addresses, TLS, limits, health checks and reflection."""

import re
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from ...base.errors import UserError
from .. import settings
from ..flags import ServeOptions
from .api import SERVICES, Services
from .coming import Coming
from .errors import Parsing

# Made when they are imported: type checkers do not see what is in them.
_HEALTH: Any = health
_REFLECTION: Any = reflection
_MESSAGES: Any = health_pb2
_STATUS = _MESSAGES.HealthCheckResponse
# Until a connection has said that it speaks HTTP/2, and without a call.
_SILENT_MS, _IDLE_MS = 10_000, 300_000
_MOST = 2**31 - 1
_LONGEST_S = 3600


class GrpcServer:
    """A server that runs on the event loop."""

    def __init__(
        self,
        services: Services,
        options: ServeOptions,
        connections: int,
        coming: Coming,
        *,
        shared: bool = False,
    ):
        """Binds the addresses; nothing is answered before `start`.

        Args:
          services: what answers.
          options: the addresses, TLS and limits.
          connections: that are open at once.
          coming: messages that are being received.
          shared: whether other processes listen at the port too.

        Raises:
          UserError: an address is taken, a channel argument is not of the form key=value, or
            the file of TLS is wrong.
        """
        self._tls = settings.tls(options.ssl_config_file)
        self._server = grpc.aio.server(
            options=[
                # More are refused; those that say nothing, or no more, make room.
                ("grpc.max_allowed_incoming_connections", connections),
                ("grpc.server_handshake_timeout_ms", _SILENT_MS),
                ("grpc.max_connection_idle_ms", _IDLE_MS),
                *_channel_arguments(options.grpc_channel_arguments),
                ("grpc.max_receive_message_length", options.max_request_bytes),
                ("grpc.max_send_message_length", -1),
                # Of a connection; what is answered at once, `services` limits.
                ("grpc.max_concurrent_streams", options.max_concurrent_requests),
                # Else a second server could take half of the requests of the same port.
                ("grpc.so_reuseport", int(shared)),
                # What gRPC itself refuses of a burst, or of what waits for the event loop, it
                # calls CANCELLED: `services` answers all.
                ("grpc.server.max_pending_requests", _MOST),
                ("grpc.server.max_pending_requests_hard_limit", _MOST),
                ("grpc.server_max_unrequested_time_in_server", _LONGEST_S),
            ],
        )
        self._server.add_generic_rpc_handlers((services,))
        parsing: Any = Parsing(self._server, coming)
        names = [*SERVICES, reflection.SERVICE_NAME]
        self._health = _HEALTH.aio.HealthServicer()
        if options.enable_grpc_healthcheck_service:
            health_pb2_grpc.add_HealthServicer_to_server(self._health, parsing)
            names.append(health.SERVICE_NAME)
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(
            _REFLECTION.aio.ReflectionServicer(names), parsing
        )
        if options.port:
            host = f"[{options.host}]" if ":" in options.host else options.host  # IPv6.
            self._bind(f"{host}:{options.port}")
        if options.grpc_socket_path:
            self._bind(f"unix:{Path(options.grpc_socket_path).absolute()}")

    def _bind(self, address: str) -> None:
        try:
            if self._tls is None or address.startswith("unix:"):
                self._server.add_insecure_port(address)
            else:
                self._server.add_secure_port(address, self._tls)
        except RuntimeError as error:
            raise UserError(
                f"gRPC cannot listen at {address}: it is taken or not allowed (another port: "
                "--port=N)"
            ) from error

    async def start(self) -> None:
        """Begins to answer."""
        await self.set_serving(False)
        await self._server.start()

    async def set_serving(self, ready: bool) -> None:
        """What health checks are told, of the server and of each service."""
        for name in ("", *SERVICES):
            await self._health.set(name, _STATUS.SERVING if ready else _STATUS.NOT_SERVING)

    async def stop(self, grace_s: float) -> None:
        """Takes no new call, lets those that run end within `grace_s` seconds, then breaks them."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_s)


def _int32(text: str) -> int | str:
    """A number where it is one that gRPC's arguments hold; else the text."""
    if re.fullmatch(r"-?[0-9]{1,10}", text) and -(2**31) <= int(text) < 2**31:
        return int(text)
    return text


def _channel_arguments(text: str) -> list[tuple[str, int | str]]:
    """The arguments in `key=value,key=value`, numbers as such."""
    arguments: list[tuple[str, int | str]] = []
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals or not key:
            raise UserError(f"--grpc_channel_arguments: '{part}' is not of the form key=value")
        arguments.append((key, _int32(value)))
    return arguments
