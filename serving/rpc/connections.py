"""Ends a connection of the gRPC port, which gRPC has no call for.

A call that is cancelled keeps its answer in memory until its client takes it or goes.
"""

import contextlib
import ipaddress
import os
import socket
import urllib.parse

_FILES = "/dev/fd"  # Of this process, on Linux and macOS.


def close(peer: str, port: int) -> bool:
    """Closes the connection of a client. Looks at all open files.

    Args:
      peer: as gRPC states it: `ipv4:127.0.0.1:40001` or `ipv6:%5B::1%5D:40001`; others (those of
        a Unix socket have no name) are left alone.
      port: that it came to.

    Returns:
      Whether it was found.
    """
    kind, _, address = peer.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return False
    host, _, number = urllib.parse.unquote(address).rpartition(":")
    wanted = _plain(host.strip("[]")), int(number)
    for name in os.listdir(_FILES):
        with contextlib.suppress(OSError, ValueError), _opened(int(name)) as found:
            host, number = found.getpeername()[:2]
            if (_plain(host), number) == wanted and found.getsockname()[1] == port:
                found.shutdown(socket.SHUT_RDWR)
                return True
    return False


def _opened(file: int) -> socket.socket:
    """A socket by its number; of its own, so that another thread cannot close it meanwhile."""
    file = os.dup(file)
    try:
        return socket.socket(fileno=file)
    except OSError:
        os.close(file)
        raise


def _plain(host: str) -> str:
    """An address as gRPC writes it: IPv4 as such."""
    address = ipaddress.ip_address(host)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
