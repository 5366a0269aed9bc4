"""One HTTP connection that keeps its deadline, whatever the server does."""

import http.client
import io
import socket
import ssl
import time
from typing import Any

# Bytes that are sent or read at once, at most.
_CHUNK = 1 << 20


class Connection(http.client.HTTPConnection):
    """A connection that is made when it is first needed.

    http.client's own takes a timeout for each address, each send and each read, so that a
    server that sends a byte now and then keeps its client for ever. Here a deadline holds for
    all together; only the system's search for a host's name goes on as long as it likes.

    Attributes:
      sent: whether the last request went out whole: the server may have acted on it.
      silent: whether the connection was kept from an earlier request, and nothing has come
        yet in answer to the last one. If it breaks, the server had closed it in between.
    """

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None):
        if context is not None:
            self.default_port = http.client.HTTPS_PORT  # That is left out in `Host`.
        super().__init__(host, port)
        self.sent = self.silent = False
        self._tls = context
        self._deadline = 0.0

    def exchange(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], deadline: float
    ) -> tuple[int, bytes]:
        """Sends a request.

        Args:
          method, path, body, headers: of the request.
          deadline: when the answer must be there, in `time.monotonic`.

        Returns:
          The answer's status and content.

        Raises:
          TimeoutError: it is not there in time.
          OSError, http.client.HTTPException: the connection fails.
        """
        self._deadline = deadline
        self.sent, self.silent = False, self.sock is not None
        self.request(method, path, body, headers)
        self.sent = True
        response = self.getresponse()
        self.silent = False
        parts = []
        while part := response.read1(_CHUNK):
            parts.append(part)
        if response.length:
            raise http.client.IncompleteRead(b"", response.length)
        response.close()  # Else the connection takes no other request.
        return response.status, b"".join(parts)

    def connect(self) -> None:
        """Connects to the first of the host's addresses that answers."""
        self.sock = self._connected()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            self.sock.settimeout(_left(self._deadline))
            self.sock = self._tls.wrap_socket(self.sock, server_hostname=self.host)

    def send(self, data: Any) -> None:
        """Sends bytes, all of them."""
        if self.sock is None:
            self.connect()
        sock: Any = self.sock
        rest = memoryview(data)
        while rest:
            sock.settimeout(_left(self._deadline))
            rest = rest[sock.send(rest[:_CHUNK]) :]

    def response_class(self, sock: socket.socket, **named: Any) -> http.client.HTTPResponse:
        """What http.client makes of a socket to read the answer."""
        timed: Any = _Timed(sock, self._deadline)
        return http.client.HTTPResponse(timed, **named)

    def _connected(self) -> socket.socket:
        addresses = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        for left, (family, kind, protocol, _, address) in zip(
            range(len(addresses), 0, -1), addresses, strict=True
        ):
            found = socket.socket(family, kind, protocol)
            try:
                # One that does not answer leaves time for the others.
                found.settimeout(_left(self._deadline) / left)
                found.connect(address)
                return found
            except BaseException as error:
                found.close()
                if left == 1 or not isinstance(error, OSError):
                    raise
        raise OSError(f"{self.host} has no address")


class _Timed(io.RawIOBase):
    """What a socket receives, until a deadline."""

    def __init__(self, sock: socket.socket, deadline: float):
        self._sock, self._deadline = sock, deadline
        # Keeps the socket open where the connection lets go of it before the answer ends.
        self._file = sock.makefile("rb", buffering=0)

    def makefile(self, mode: str) -> io.BufferedReader:
        """For http.client, which takes this for a socket."""
        del mode
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(_left(self._deadline))
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
