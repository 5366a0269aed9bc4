"""The client's gRPC: what is sent and read, and the connections."""

from collections.abc import Mapping, Sequence
from typing import Any

import grpc
import numpy as np

from ..core.servable import Signature, signature_from_def
from ..protocol import messages, tensors
from .calls import Address, Call, CallError, Model, Tls

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
# How gRPC begins where a connection breaks under a call.
_BROKEN = ("Stream removed", "Socket closed", "recvmsg:", "Connection reset")


def predict(
    model: Model,
    signature: str,
    inputs: Mapping[str, np.ndarray],
    outputs: Sequence[str],
) -> Call:
    """The call of Predict.

    Raises:
      ValueError: TensorProto has no place for an input.
    """
    request = messages.PredictRequest(output_filter=outputs)
    _fill(request.model_spec, model, signature)
    for name, array in inputs.items():
        tensors.encode(array, request.inputs[name])
    return Call(f"{_PREDICTION}/Predict", request.SerializeToString())


def read_predict(content: bytes, signature: Signature | None) -> dict[str, np.ndarray]:
    """The outputs in Predict's answer."""
    del signature
    response = messages.PredictResponse.FromString(content)
    # Copies, since what is decoded may lie in the message and refuse to be changed.
    return {name: tensors.decode(value).copy() for name, value in response.outputs.items()}


def status(model: Model) -> Call:
    """The call of GetModelStatus."""
    request = messages.GetModelStatusRequest()
    _fill(request.model_spec, model)
    return Call(f"{_MODEL}/GetModelStatus", request.SerializeToString())


def read_status(content: bytes) -> Any:
    """A `GetModelStatusResponse`."""
    return messages.GetModelStatusResponse.FromString(content)


def metadata(model: Model) -> Call:
    """The call of GetModelMetadata."""
    request = messages.GetModelMetadataRequest(metadata_field=["signature_def"])
    _fill(request.model_spec, model)
    return Call(f"{_PREDICTION}/GetModelMetadata", request.SerializeToString())


def read_metadata(content: bytes) -> dict[str, Signature]:
    """The signatures in GetModelMetadata's answer."""
    response = messages.GetModelMetadataResponse.FromString(content)
    found = messages.SignatureDefMap.FromString(response.metadata["signature_def"].value)
    return {name: signature_from_def(each) for name, each in found.signature_def.items()}


class Transport:
    """A channel; several threads may use it at once."""

    def __init__(self, address: Address, tls: Tls):
        self._channel = _channel(grpc, address, tls)
        self._methods: dict[str, Any] = {}

    def call(self, call: Call) -> bytes:
        """One exchange.

        Raises:
          CallError: it failed.
        """
        method = self._methods.get(call.path)
        if method is None:
            method = self._methods[call.path] = self._channel.unary_unary(call.path)
        try:
            return method(call.body, timeout=call.timeout)
        except grpc.RpcError as error:
            raise _failure(error) from None
        except ValueError as error:  # Another thread has closed the channel.
            raise CallError("CANCELLED", str(error)) from None

    def close(self) -> None:
        self._channel.close()


class AsyncTransport:
    """The same for one event loop, that of the first call."""

    def __init__(self, address: Address, tls: Tls):
        self._address, self._tls = address, tls
        self._channel: Any = None  # Binds itself to the loop that runs.
        self._methods: dict[str, Any] = {}
        tls.read()  # What is wrong with the files is said at once.

    async def call(self, call: Call) -> bytes:
        """One exchange.

        Raises:
          CallError: it failed.
        """
        if self._channel is None:
            self._channel = _channel(grpc.aio, self._address, self._tls)
        method = self._methods.get(call.path)
        if method is None:
            method = self._methods[call.path] = self._channel.unary_unary(call.path)
        try:
            return await method(call.body, timeout=call.timeout)
        except grpc.RpcError as error:
            raise _failure(error) from None

    async def close(self) -> None:
        if self._channel is not None:
            await self._channel.close()
            self._channel, self._methods = None, {}


def _fill(spec: Any, model: Model, signature: str = "") -> None:
    spec.name, spec.signature_name = model.name, signature
    if model.version is not None:
        spec.version.value = model.version
    elif model.label:
        spec.version_label = model.label


def _channel(module: Any, address: Address, tls: Tls) -> Any:
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
        return CallError(code, message)
    if "http1.x" in message or "HTTP/1" in message:
        return CallError("INTERNAL", f"it speaks HTTP, not gRPC; http://…? ({message})")
    if "certificate" in message.lower() or "handshake" in message.lower():
        return CallError("UNAUTHENTICATED", f"the TLS handshake failed ({message})")
    if message.startswith(_BROKEN):
        return CallError(code, f"the connection broke before the answer ({message})", lost=True)
    return CallError(code, message)
