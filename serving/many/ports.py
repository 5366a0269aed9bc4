"""The ports that several processes share, kept by their parent."""

import contextlib
import errno
import os
import socket
from typing import Any

from ...base.errors import UserError
from ..flags import ServeOptions


def reserved(options: ServeOptions, stack: contextlib.AsyncExitStack) -> None:
    """Takes the ports, so that only processes of this user that share them can listen there.

    Args:
      options: whose ports are meant.
      stack: gives them up.

    Raises:
      UserError: one is taken.
    """
    for name, flag, port in (
        ("gRPC", "port", options.port),
        ("REST", "rest_api_port", options.rest_api_port),
    ):
        if port:
            try:
                _reserve(options.host, port, stack)
            except OSError as error:
                raise UserError(
                    f"{name} cannot listen at {options.host}:{port}: {_reason(error)} (another "
                    f"port: --{flag}=N)"
                ) from error


def _reason(error: OSError) -> str:
    # What asyncio makes of it is longer.
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror)


def _reserve(host: str, port: int, stack: contextlib.AsyncExitStack) -> None:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    failure, count = None, 0
    for family, kind, _, _, address in found:
        try:
            # Unless it is shared, it is refused where anybody listens, a second server too.
            with _bound(family, kind, address, shared=False):
                pass
            stack.enter_context(_bound(family, kind, address, shared=True))
            count += 1
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise
            failure = error  # localhost may state an address that this machine lacks.
    if failure is not None and not count:
        raise failure


def _bound(family: int, kind: int, address: Any, *, shared: bool) -> socket.socket:
    made = socket.socket(family, kind)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
    except BaseException:
        made.close()
        raise
    return made
