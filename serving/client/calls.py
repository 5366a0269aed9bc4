"""One call to a server: what is sent, what is read from the answer, and what can go wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import numpy as np
from google.protobuf.message import Message

from ...base.errors import UsageError, UserError
from ..core.servable import Signature
from ..protocol import messages
from .address import Address, Tls

T = TypeVar("T")

# What the system says where nothing listens.
_NOT_LISTENING = ("Connection refused", "No such file")


@dataclasses.dataclass(frozen=True)
class ModelSpec:
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
class VersionStatus:
    """One version of a model, as the server sees it.

    Attributes:
      version: its number.
      state: START, LOADING, AVAILABLE, UNLOADING or END.
      error_code: OK, or what went wrong.
      error_message: what the server says of it.
    """

    version: int
    state: str
    error_code: str
    error_message: str


@dataclasses.dataclass(frozen=True)
class Call(Generic[T]):
    """One exchange.

    Attributes:
      path: gRPC's name of the method, or the path of the URL.
      body: what is sent; None for an HTTP GET.
      read: from the bytes of the answer to what they say.
    """

    path: str
    body: bytes | None
    read: Callable[[bytes], T]


class Transport(Protocol):
    """Connections to one server."""

    async def send(self, path: str, body: bytes | None, seconds: float) -> bytes:
        """Sends what a call holds and gives the answer.

        Raises:
          CallError: there is none in that time, or it is an error.
        """
        ...

    async def close(self) -> None:
        """Closes the connections."""
        ...


class Interface(Protocol):
    """One of TF Serving's two interfaces: the modules `over_grpc` and `over_rest`.

    Attributes:
      NEEDS_SIGNATURE: whether Predict's outputs can be read only with the signature.
    """

    @property
    def NEEDS_SIGNATURE(self) -> bool: ...  # noqa: N802 (a module's constant)

    def predict(
        self,
        model: ModelSpec,
        name: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Sequence[str],
        signature: Signature | None,
    ) -> Call[dict[str, np.ndarray]]:
        """The call of Predict. Raises ValueError: an input cannot be sent."""
        ...

    def status(self, model: ModelSpec) -> Call[list[VersionStatus]]:
        """The call of GetModelStatus."""
        ...

    def metadata(self, model: ModelSpec) -> Call[dict[str, Signature]]:
        """The call of GetModelMetadata."""
        ...

    def connect(self, address: Address, tls: Tls) -> Transport:
        """Connections whose coroutines block the thread: they never suspend."""
        ...

    def connect_async(self, address: Address, tls: Tls) -> Transport:
        """Connections of one event loop, that of the first call."""
        ...


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


def explained(failure: CallError, server: str, model: ModelSpec, timeout: float) -> ServerError:
    """What failed, where, and what to do."""
    code, message = failure.code, failure.message
    where = f"{server}: {model}"
    if code == "UNAVAILABLE" and any(words in message for words in _NOT_LISTENING):
        text = (
            f"nothing listens at {server}; "
            "is `digitline serve` or tensorflow_model_server running there?"
        )
    elif code == "DEADLINE_EXCEEDED":
        text = f"{where}: no answer within {timeout:g} s; allow more time, or send less at once"
    elif failure.lost:
        text = f"{where}: {message}; the server may have acted on it, so it is not repeated"
    elif code == "UNAVAILABLE":
        text = f"{where}: not available now: {message}"
    elif code == "NOT_FOUND":
        text = (
            f"{where}: {message}; "
            "the server's --model_name or --model_config_file says what it serves"
        )
    else:
        text = f"{where}: {code}: {message}"
    return ServerError(code, text)


def statuses(response: messages.GetModelStatusResponse) -> list[VersionStatus]:
    """The versions in an answer."""

    def name_of(message: Message, field: str) -> str:
        number = getattr(message, field)
        enum = message.DESCRIPTOR.fields_by_name[field].enum_type
        value = enum.values_by_number.get(number) if enum else None
        return str(number) if value is None else value.name

    return [
        VersionStatus(
            version.version,
            name_of(version, "state"),
            name_of(version.status, "error_code"),
            version.status.error_message,
        )
        for version in response.model_version_status
    ]
