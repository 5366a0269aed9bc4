"""Where a server listens, and the certificates to reach it with."""

import dataclasses
import urllib.parse
from pathlib import Path

from ...base.errors import UsageError, UserError

_DEFAULT_PORTS = {"grpc": 8500, "http": 8501}


@dataclasses.dataclass(frozen=True)
class Address:
    """Where a server listens.

    Attributes:
      protocol: "grpc" or "http".
      secure: whether over TLS.
      host, port: empty and 0 for a Unix socket.
      path: of the Unix socket; over HTTP, what comes before `/v1`.
    """

    protocol: str
    secure: bool
    host: str
    port: int
    path: str

    @property
    def netloc(self) -> str:
        """`host:port`, as in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclasses.dataclass(frozen=True)
class Tls:
    """Files of certificates, PEM.

    Attributes:
      ca: the authorities that may have signed the server's; the system's by default.
      cert, key: of the client, where the server wants them.
    """

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def read(self) -> tuple[bytes | None, bytes | None, bytes | None]:
        """The contents of ca, cert and key.

        Raises:
          UserError: a file cannot be read, or there is only one of cert and key.
        """
        if (self.cert is None) != (self.key is None):
            raise UsageError("a client's certificate needs its key, and the key the certificate")
        try:
            ca, cert, key = (
                None if path is None else Path(path).read_bytes()
                for path in (self.ca, self.cert, self.key)
            )
        except OSError as error:
            raise UserError(f"{error.filename}: {error.strerror}") from None
        return ca, cert, key


def parse_address(text: str) -> Address:
    """Reads `grpc://host:port`, `grpcs://…`, `http://…`, `https://…` or `unix:///path`.

    Raises:
      UsageError: it is none of these.
    """
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if colon and scheme == "unix" and rest.strip("/"):
        path = rest[2:] if rest.startswith("//") else rest
        return Address("grpc", secure=False, host="", port=0, path=path)
    protocol = scheme.removesuffix("s")
    if not colon or protocol not in _DEFAULT_PORTS:
        raise UsageError(
            f"server '{text}': expected grpc://host:port or http://host:port "
            "(grpcs:// and https:// with TLS, unix:///path for a Unix socket)"
        )
    try:
        url = urllib.parse.urlsplit(text)
        host, port, path = url.hostname or "", url.port, url.path.rstrip("/")
    except ValueError as error:
        raise UsageError(f"server '{text}': {error}") from None
    if not host or url.query or url.fragment or (path and protocol == "grpc"):
        raise UsageError(f"server '{text}': expected {scheme}://host:port")
    if port is None:
        # A secure HTTP server without a port is one behind a proxy.
        port = 443 if scheme == "https" else _DEFAULT_PORTS[protocol]
    return Address(protocol, scheme != protocol, host, port, path)
