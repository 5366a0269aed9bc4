"""Connections over HTTP that block a thread and keep their deadline, whatever the server does.

HTTP libraries do not: their timeouts are for each read, so that a server that sends a byte now
and then keeps its client for ever. aiohttp has a deadline, but on the event loop of another
thread it makes a third fewer requests a second.
"""

import collections
import contextlib
import http.client
import select
import socket
import ssl
import time
from typing import TYPE_CHECKING

from .address import Address, Tls
from .calls import CallError
from .http_errors import HEADERS, call_error, checked, tls_context

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


class Transport:
    """Connections that are kept; each of several threads gets one of its own."""

    def __init__(self, address: Address, tls: Tls):
        self._address = address
        self._context = tls_context(address, tls)
        if self._context is not None:
            self._context.sslsocket_class = _TlsSocket
        self._idle: collections.deque[_Connection] = collections.deque()

    async def send(self, path: str, body: bytes | None, seconds: float) -> bytes:
        deadline = time.monotonic() + seconds
        connection = self._take()
        try:
            status, content = connection.exchange(self._address.path + path, body, deadline)
        except BaseException as error:
            connection.close()  # Half an answer may be under way.
            if isinstance(error, TimeoutError):
                raise CallError("DEADLINE_EXCEEDED", "") from None
            if isinstance(error, OSError | http.client.HTTPException):
                stale = connection.silent and isinstance(error, ConnectionError)
                raise call_error(error, lost=connection.sent and not stale) from None
            raise
        self._idle.append(connection)
        return checked(status, content)

    async def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> "_Connection":
        with contextlib.suppress(IndexError):  # There are none, or no more.
            while not (connection := self._idle.pop()).is_open():
                connection.close()
            return connection
        return _Connection(self._address.host, self._address.port, self._context)


class _Socket(socket.socket):
    """A socket that sends and receives until a deadline, in `time.monotonic`."""

    deadline = 0.0

    def recv_into(
        self, buffer: "WriteableBuffer", nbytes: int | None = None, flags: int = 0
    ) -> int:
        self.settimeout(_left(self.deadline))
        return super().recv_into(buffer, nbytes or 0, flags)

    def send(self, data: "ReadableBuffer", flags: int = 0) -> int:
        self.settimeout(_left(self.deadline))  # Over TLS, sendall is many sends.
        return super().send(data, flags)

    def sendall(self, data: "ReadableBuffer", flags: int = 0) -> None:
        self.settimeout(_left(self.deadline))
        super().sendall(data, flags)


class _TlsSocket(_Socket, ssl.SSLSocket):
    pass


class _Connection(http.client.HTTPConnection):
    """A connection that is made when it is first needed.

    Only the system's search for a host's name may outlast the deadline.

    Attributes:
      sent: whether the last request went out whole: the server may have acted on it.
      silent: whether the connection was kept from an earlier request, and nothing has come
        yet in answer to the last one. If it breaks, the server had closed it in between.
    """

    sock: _Socket | None

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None):
        if context is not None:
            self.default_port = http.client.HTTPS_PORT  # That is left out in `Host`.
        super().__init__(host, port)
        self.sent = self.silent = False
        self._tls = context
        self._deadline = 0.0

    def exchange(self, path: str, body: bytes | None, deadline: float) -> tuple[int, bytes]:
        """Sends a request: GET if it has no body, else POST.

        Returns:
          The answer's status and content.

        Raises:
          TimeoutError: it is not there before the deadline.
          OSError, http.client.HTTPException: the connection fails.
        """
        self._deadline = deadline
        self.sent, self.silent = False, self.sock is not None
        if self.sock is not None:
            self.sock.deadline = deadline
        self.request("GET" if body is None else "POST", path, body, HEADERS)
        self.sent = True
        response = self.getresponse()
        self.silent = False
        return response.status, response.read()

    def connect(self) -> None:
        """Connects to the first of the host's addresses that answers."""
        connected = self._connected()
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            connected.settimeout(_left(self._deadline))
            connected = self._tls.wrap_socket(connected, server_hostname=self.host)
            assert isinstance(connected, _TlsSocket)
        self.sock = connected
        self.sock.deadline = self._deadline

    def is_open(self) -> bool:
        """Whether a connection that should be silent is: else the server has closed it."""
        if self.sock is None:
            return False
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)

    def _connected(self) -> _Socket:
        addresses = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        failure = OSError(f"{self.host} has no address")
        for untried, (family, kind, protocol, _, address) in zip(
            range(len(addresses), 0, -1), addresses, strict=True
        ):
            connecting = _Socket(family, kind, protocol)
            try:
                # One that does not answer leaves time for the others.
                connecting.settimeout(_left(self._deadline) / untried)
                connecting.connect(address)
                return connecting
            except BaseException as error:
                connecting.close()
                if not isinstance(error, OSError):
                    raise
                failure = error
        raise failure


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
