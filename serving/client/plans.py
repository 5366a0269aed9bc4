"""What the clients do, as steps that the sync and the async one run alike."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from google.protobuf import json_format
from google.protobuf.message import DecodeError

from ...base.errors import UsageError, UserError
from ...base.export_layout import DEFAULT_SIGNATURE
from ..core.servable import Signature
from ..protocol import tensors
from . import calls as client_calls
from . import http as client_http
from . import images as client_images
from . import over_grpc as client_grpc
from . import over_rest as client_rest
from .calls import Call, Model, Policy, ServerError, Steps, Tls
from .images import Classified

Inputs = Mapping[str, Any] | np.ndarray | Sequence[Any]
# Answers after which what is known of a model's signatures may be out of date.
_OUTDATED = ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "NOT_FOUND", "INTERNAL")
# What reading an answer raises that is not one of TF Serving's.
_UNREADABLE = (
    *(ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError),
    *(DecodeError, json_format.Error),
)


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


class Plans:
    """What the clients do, as steps that either of them can run.

    Attributes:
      address: of the server.
      tls: the files of certificates.
      protocol, transports: the modules that speak the server's protocol.
      closed: whether the client is; it asks nothing any more.
    """

    def __init__(self, server: str, timeout: float, retries: int, tls: Tls):
        self.address = client_calls.parse_address(server)
        self.tls = tls
        self.closed = False
        grpc = self.address.protocol == "grpc"
        self.protocol: Any = client_grpc if grpc else client_rest
        self.transports: Any = client_grpc if grpc else client_http
        self._policy = Policy(timeout, retries)
        self._signatures: dict[Model, dict[str, Signature]] = {}

    def predict(
        self,
        inputs: Inputs,
        model: Model,
        signature: str = DEFAULT_SIGNATURE,
        outputs: Sequence[str] = (),
        timeout: float | None = None,
    ) -> Steps[dict[str, np.ndarray]]:
        known = None
        plain = isinstance(inputs, Mapping) and all(
            isinstance(each, np.ndarray) for each in inputs.values()
        )
        if not plain or self.protocol.NEEDS_SIGNATURE:
            known = yield from self.signature(model, signature, timeout)
        try:
            arrays = _named(inputs, known, signature)
            call = self.protocol.predict(model, signature, arrays, outputs)
        except ValueError as error:
            raise UserError(f"{self.address.text}: {model}: {error}") from None
        content = yield from self._answer(call, model, timeout)
        found = self._read(model, self.protocol.read_predict, content, known)
        if missing := [name for name in outputs if name not in found]:
            raise UserError(f"{self.address.text}: {model}: it gives {sorted(found)}; no {missing}")
        return {name: found[name] for name in outputs or found}

    def classify_images(
        self,
        pixels: np.ndarray,
        model: Model,
        signature: str = DEFAULT_SIGNATURE,
        batch: int = 32,
        timeout: float | None = None,
    ) -> Steps[Classified]:
        known = yield from self.signature(model, signature, timeout)
        parts = []
        for count, inputs in client_images.batches(np.asarray(pixels), known, batch):
            outputs = yield from self.predict(inputs, model, signature, (), timeout)
            parts.append(client_images.read(outputs, count, self.address.text))
        return client_images.joined(parts)

    def status(self, model: Model, timeout: float | None = None) -> Steps[list[VersionStatus]]:
        content = yield from self._answer(self.protocol.status(model), model, timeout)
        found = self._read(model, self.protocol.read_status, content)
        return [
            VersionStatus(
                each.version,
                _enum_name(each, "state"),
                _enum_name(each.status, "error_code"),
                each.status.error_message,
            )
            for each in found.model_version_status
        ]

    def metadata(self, model: Model, timeout: float | None = None) -> Steps[dict[str, Signature]]:
        content = yield from self._answer(self.protocol.metadata(model), model, timeout)
        found = self._read(model, self.protocol.read_metadata, content)
        self._signatures[model] = found
        return found

    def signature(self, model: Model, name: str, timeout: float | None) -> Steps[Signature]:
        """One signature; the server is asked once, and again after what looks like a change."""
        known = self._signatures.get(model)
        if known is None or name not in known:
            known = yield from self.metadata(model, timeout)
        if name not in known:
            raise UserError(
                f"{self.address.text}: {model} has no signature '{name}' "
                f"(there are: {', '.join(sorted(known))})"
            )
        return known[name]

    def _answer(self, call: Call, model: Model, timeout: float | None) -> Steps[bytes]:
        if self.closed:
            raise UsageError(f"{self.address.text}: this client is closed")
        policy = self._policy
        if timeout is not None:
            policy = dataclasses.replace(policy, timeout=timeout)
        try:
            return (yield from client_calls.answer(call, self.address, model, policy))
        except ServerError as error:
            if error.code in _OUTDATED:
                self._signatures.pop(model, None)
            raise

    def _read(self, model: Model, function: Any, content: bytes, *more: Any) -> Any:
        try:
            return function(content, *more)
        except _UNREADABLE as error:
            self._signatures.pop(model, None)
            raise UserError(
                f"{self.address.text}: {model}: it does not answer as TF Serving does: "
                f"{type(error).__name__}: {error}"
            ) from error


def _named(inputs: Inputs, signature: Signature | None, name: str) -> dict[str, np.ndarray]:
    """The inputs by name, as arrays.

    Raises:
      ValueError: they cannot be; the message says why.
    """
    infos = {} if signature is None else signature.inputs
    if not isinstance(inputs, Mapping):
        if len(infos) != 1:
            raise ValueError(f"signature '{name}' takes {sorted(infos)}: give them by name")
        inputs = {next(iter(infos)): inputs}
    arrays = {}
    for key, value in inputs.items():
        if isinstance(value, np.ndarray):
            arrays[key] = value
            continue
        dtype = tensors.dtype_of(infos[key].dtype) if key in infos else None
        try:
            arrays[key] = np.array(value, dtype)
        except (ValueError, TypeError, OverflowError) as error:
            raise ValueError(f"input '{key}': {error}") from None
    return arrays


def _enum_name(message: Any, name: str) -> str:
    number = getattr(message, name)
    value = message.DESCRIPTOR.fields_by_name[name].enum_type.values_by_number.get(number)
    return str(number) if value is None else value.name
