"""One call to a server: what is sent, what is read from the answer, and what can go wrong.

TF Serving's two interfaces, the modules `over_grpc` and `over_rest`, hold the same: functions
`predict`, `status`, `metadata` and `describe` that make calls, and classes `Transport` and
`AsyncTransport`, connections to one server. The coroutines of `Transport` block the thread and
never suspend.
"""

import dataclasses
import json
from collections.abc import Callable
from typing import Generic, TypeVar

from google.protobuf.message import Message

from ...base import configs
from ...base.errors import UsageError, UserError
from ..core.servable import Signature
from ..description import Description
from ..protocol import messages

T_co = TypeVar("T_co", covariant=True)

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
      state: START, LOADING, AVAILABLE, UNLOADING or END.
      error_code: OK, or what went wrong.
    """

    version: int
    state: str
    error_code: str
    error_message: str


@dataclasses.dataclass(frozen=True)
class Call(Generic[T_co]):
    """One exchange.

    Attributes:
      path: gRPC's name of the method, or the path of the URL.
      body: what is sent; None for an HTTP GET.
      read: from the bytes of the answer to what they say.
    """

    path: str
    body: bytes | None
    read: Callable[[bytes], T_co]


@dataclasses.dataclass(eq=False)
class CallError(Exception):
    """A call that failed, as the transports report it.

    Attributes:
      code: name of gRPC's status code.
      message: the server's words, or the system's.
      lost: whether the request was sent and only the answer is missing: the server may have
        acted on it.
      busy: whether the server refused it only for now.
    """

    code: str
    message: str
    lost: bool = False
    busy: bool = False


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
    code, message, where = failure.code, failure.message, f"{server}: {model}"
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


def signatures(stated: messages.SignatureDefMap) -> dict[str, Signature]:
    """The signatures in an answer by name."""
    return {name: Signature.from_def(stated.signature_def[name]) for name in stated.signature_def}


def description(stated: str | bytes) -> Description:
    """What is in an answer of digitline's own about a model."""
    return configs.from_config(Description, json.loads(stated))


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
