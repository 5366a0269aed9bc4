"""What the clients have in common: addresses, calls, retries, errors.

What a client does is written once, as steps: a generator that gives the calls to make
and the seconds to wait, and takes the answers. The sync and the async client run the
same steps over their own connections.
"""

import dataclasses
import random
import time
import urllib.parse
from collections.abc import Generator
from pathlib import Path
from typing import Any, TypeVar

from ...base.errors import UsageError, UserError

_T = TypeVar("_T")

_DEFAULT_PORTS = {"grpc": 8500, "http": 8501}
# Seconds before the first retry, at most; each next one waits twice as long.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
# What the system says where nothing listens.
_NOBODY = ("Connection refused", "No such file")


@dataclasses.dataclass(frozen=True)
class Address:
    """Where a server listens.

    Attributes:
      text: as the user wrote it.
      protocol: "grpc" or "http".
      secure: whether over TLS.
      host, port: empty and 0 for a Unix socket.
      path: of the Unix socket; over HTTP, what comes before `/v1`.
    """

    text: str
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
      ca: of those who may have signed the server's; the system's where it is left out.
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


@dataclasses.dataclass(frozen=True)
class Model:
    """Which model is meant: the latest version where neither version nor label is given."""

    name: str = "default"
    version: int | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        if self.version is not None and self.label:
            raise UsageError("give a version or a label, not both")

    def __str__(self) -> str:
        if self.version is not None:
            return f"model '{self.name}', version {self.version}"
        return f"model '{self.name}'" + (f", label '{self.label}'" if self.label else "")


@dataclasses.dataclass(frozen=True)
class Policy:
    """How patient a client is.

    Attributes:
      timeout: seconds for each call, retries included.
      retries: how often at most a call is made again that did not reach a server, or met
        one that has no place for it.
    """

    timeout: float
    retries: int


@dataclasses.dataclass(frozen=True)
class Call:
    """One exchange.

    Attributes:
      path: gRPC's name of the method, or the path of the URL.
      body: what is sent; None for an HTTP GET.
      timeout: seconds until it must be answered.
    """

    path: str
    body: bytes | None
    timeout: float = 0.0


# Gives calls, and seconds to wait; takes the answers of calls.
Steps = Generator[Call | float, Any, _T]


class CallError(Exception):
    """A call that failed, as the transports report it.

    Attributes:
      code: name of gRPC's status code.
      message: the server's words, or the system's.
      lost: whether the request was sent and only the answer is missing: the server may have
        acted on it.
    """

    def __init__(self, code: str, message: str, lost: bool = False):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.lost = lost


class ServerError(UserError):
    """A call that was not answered, or answered with an error.

    Attributes:
      code: name of gRPC's status code: `UNAVAILABLE`, `NOT_FOUND`, `DEADLINE_EXCEEDED` …
    """

    def __init__(self, code: str, message: str):
        super().__init__(message, {"code": code})
        self.code = code


def parse_address(text: str) -> Address:
    """Reads `grpc://host:port`, `grpcs://…`, `http://…`, `https://…` or `unix:///path`.

    Raises:
      UsageError: it is none of these.
    """
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if colon and scheme == "unix" and rest.strip("/"):
        path = rest[2:] if rest.startswith("//") else rest
        return Address(text, "grpc", secure=False, host="", port=0, path=path)
    protocol = scheme.removesuffix("s")
    if not colon or protocol not in _DEFAULT_PORTS:
        raise UsageError(
            f"server '{text}': expected grpc://host:port or http://host:port "
            "(grpcs:// and https:// with TLS, unix:///path for a Unix socket)"
        )
    try:
        parts = urllib.parse.urlsplit(text)
        host, port, path = parts.hostname or "", parts.port, parts.path.rstrip("/")
    except ValueError as error:
        raise UsageError(f"server '{text}': {error}") from None
    if not host or parts.query or parts.fragment or (path and protocol == "grpc"):
        raise UsageError(f"server '{text}': expected {scheme}://host:port")
    if port is None:
        # A secure HTTP server without a port is one behind a proxy.
        port = 443 if scheme == "https" else _DEFAULT_PORTS[protocol]
    return Address(text, protocol, scheme != protocol, host, port, path)


def answer(call: Call, address: Address, model: Model, policy: Policy) -> Steps[bytes]:
    """The answer of one call, made again while that helps and there is time.

    Raises:
      ServerError: there is none, or it is an error.
    """
    if policy.retries < 0:
        raise UsageError(f"expected 0 or more retries, got {policy.retries}")
    deadline, attempt = time.monotonic() + policy.timeout, 0
    while True:
        left = deadline - time.monotonic()
        try:
            if left <= 0:  # The transports have meanings of their own for that.
                raise CallError("DEADLINE_EXCEEDED", "")
            return (yield dataclasses.replace(call, timeout=left))
        except CallError as failure:
            # Random, so that clients that failed at once do not come back at once.
            pause = min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE) * random.uniform(0.5, 1)
            out_of_time = time.monotonic() + pause >= deadline
            helps = failure.code == "UNAVAILABLE" and not failure.lost
            if not helps or attempt == policy.retries or out_of_time:
                raise _explained(failure, address, model, policy) from None
        yield pause
        attempt += 1


def _explained(failure: CallError, address: Address, model: Model, policy: Policy) -> ServerError:
    """What failed and what to do."""
    code, message = failure.code, failure.message
    where = address.text
    if code == "UNAVAILABLE" and any(each in message for each in _NOBODY):
        text = (
            f"nothing listens at {where}; "
            "is `digitline serve` or tensorflow_model_server running there?"
        )
    elif code == "DEADLINE_EXCEEDED":
        text = (
            f"{where}: {model}: no answer within {policy.timeout:g} s; "
            "allow more time, or send less at once"
        )
    elif failure.lost:
        text = (
            f"{where}: {model}: {message}; it may have done what was asked, so it is not repeated"
        )
    elif code == "UNAVAILABLE":
        text = f"{where}: {model}: not available now: {message}"
    elif code == "NOT_FOUND":
        text = (
            f"{where}: {model}: {message}; "
            "what the server serves is in its --model_name or --model_config_file"
        )
    else:
        text = f"{where}: {model}: {code}: {message}"
    return ServerError(code, text)
