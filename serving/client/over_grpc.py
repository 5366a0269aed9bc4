"""The client over gRPC: what is sent and read, and the connections."""

import functools
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import grpc
import grpc.aio
import numpy as np
from google.protobuf.wrappers_pb2 import StringValue

from ..core.servable import Signature
from ..description import Description
from ..protocol import messages, tensors
from ..protocol.described import DESCRIPTION
from .address import Address, Tls
from .calls import Call, CallError, ModelSpec, VersionStatus, description, signatures, statuses

# Arrays carry their types with them.
NEEDS_SIGNATURE = False

_PREDICTION = "/tensorflow.serving.PredictionService"
_MODEL = "/tensorflow.serving.ModelService"
_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A server that comes back is met soon: the client itself paces its retries.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Model servers are neighbours; HTTP goes past the environment's proxies too.
    ("grpc.enable_http_proxy", 0),
]
# How gRPC's message begins where a connection breaks under a call.
_AGAIN = "try again"  # How our server ends a refusal that is none of the request itself.
_BROKEN = ("Stream removed", "Socket closed", "recvmsg:", "Connection reset")


def predict(
    model: ModelSpec,
    name: str,
    inputs: Mapping[str, np.ndarray],
    outputs: Sequence[str],
    signature: Signature | None,
) -> Call[dict[str, np.ndarray]]:
    """The call of Predict.

    Raises:
      ValueError: TensorProto has no place for an input.
    """
    del signature
    request = messages.PredictRequest(output_filter=outputs)
    _fill(request.model_spec, model, name)
    for key, array in inputs.items():
        tensors.encode(array, request.inputs[key])
    return Call(f"{_PREDICTION}/Predict", request.SerializeToString(), _read_predict)


def status(model: ModelSpec) -> Call[list[VersionStatus]]:
    """The call of GetModelStatus."""
    request = messages.GetModelStatusRequest()
    _fill(request.model_spec, model)
    return Call(
        f"{_MODEL}/GetModelStatus",
        request.SerializeToString(),
        lambda content: statuses(messages.GetModelStatusResponse.FromString(content)),
    )


def metadata(model: ModelSpec) -> Call[dict[str, Signature]]:
    """The call of GetModelMetadata."""
    request = messages.GetModelMetadataRequest(metadata_field=["signature_def"])
    _fill(request.model_spec, model)
    return Call(f"{_PREDICTION}/GetModelMetadata", request.SerializeToString(), _read_metadata)


def describe(model: ModelSpec) -> Call[Description]:
    """The call for what the files of a model say, which only `digitline serve` answers."""
    request = messages.GetModelMetadataRequest(metadata_field=[DESCRIPTION])
    _fill(request.model_spec, model)
    body = request.SerializeToString()
    return Call(f"{_PREDICTION}/GetModelMetadata", body, _read_description)


class Transport:
    """A channel; several threads may use it at once."""

    def __init__(self, address: Address, tls: Tls):
        self._channel = _channel(grpc, address, tls)
        self._method = functools.cache(self._channel.unary_unary)

    async def send(self, path: str, body: bytes | None, seconds: float) -> bytes:
        try:
            return self._method(path)(body, timeout=seconds)
        except grpc.RpcError as error:
            raise _failure(error) from None
        except ValueError as error:  # Another thread has closed the channel.
            raise CallError("CANCELLED", str(error)) from None

    async def close(self) -> None:
        self._channel.close()


class AsyncTransport:
    """The same for one event loop, that of the first call."""

    def __init__(self, address: Address, tls: Tls):
        tls.read()  # What is wrong with the files is said at once.
        # A channel binds itself to the loop that runs.
        self._channel = functools.cache(lambda: _channel(grpc.aio, address, tls))
        self._method = functools.cache(lambda path: self._channel().unary_unary(path))

    async def send(self, path: str, body: bytes | None, seconds: float) -> bytes:
        try:
            return await self._method(path)(body, timeout=seconds)
        except grpc.RpcError as error:
            raise _failure(error) from None

    async def close(self) -> None:
        if self._method.cache_info().currsize:
            await self._channel().close()


def _fill(spec: messages.ModelSpec, model: ModelSpec, signature: str = "") -> None:
    spec.name, spec.signature_name = model.name, signature
    if model.version is not None:
        spec.version.value = model.version
    elif model.label:
        spec.version_label = model.label


def _read_predict(content: bytes) -> dict[str, np.ndarray]:
    response = messages.PredictResponse.FromString(content)
    # Copies, since what is decoded may lie in the message and refuse to be changed.
    return {name: tensors.decode(value).copy() for name, value in response.outputs.items()}


def _read_metadata(content: bytes) -> dict[str, Signature]:
    stated = messages.GetModelMetadataResponse.FromString(content).metadata["signature_def"].value
    return signatures(messages.SignatureDefMap.FromString(stated))


def _read_description(content: bytes) -> Description:
    stated = messages.GetModelMetadataResponse.FromString(content).metadata[DESCRIPTION].value
    return description(StringValue.FromString(stated).value)


def _channel(module: ModuleType, address: Address, tls: Tls) -> Any:
    """A channel of `grpc` or `grpc.aio`."""
    ca, cert, key = tls.read()
    target = address.netloc if address.host else f"unix:{address.path}"
    if not address.secure:
        return module.insecure_channel(target, options=_OPTIONS)
    credentials = grpc.ssl_channel_credentials(ca, key, cert)
    return module.secure_channel(target, credentials, options=_OPTIONS)


def _failure(error: Any) -> CallError:
    code, message = error.code().name, error.details() or ""
    if code != "UNAVAILABLE":  # The server's words, whatever they are about.
        is_busy = code == "RESOURCE_EXHAUSTED" and message.endswith(_AGAIN)
        return CallError(code, message, busy=is_busy)
    if "http1.x" in message or "HTTP/1" in message:
        return CallError("INTERNAL", f"it speaks HTTP, not gRPC; http://…? ({message})")
    if "certificate" in message.lower() or "handshake" in message.lower():
        return CallError("UNAUTHENTICATED", f"the TLS handshake failed ({message})")
    if message.startswith(_BROKEN):
        return CallError(code, f"the connection broke before the answer ({message})", lost=True)
    return CallError(code, message)
