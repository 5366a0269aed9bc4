"""The client for asyncio; the other one, in `blocking.py`, does what its coroutines say."""

import asyncio
import random
import time
from collections.abc import Iterable, Mapping, Sequence, Sized
from pathlib import Path
from typing import TypeVar

import numpy as np
from google.protobuf import json_format
from google.protobuf.message import DecodeError

from ...base.errors import UsageError, UserError
from ...base.export_layout import DEFAULT_SIGNATURE
from ..core.servable import Signature
from ..description import Description
from ..protocol import tensors
from . import images
from .address import Tls, parse_address
from .calls import Call, CallError, ModelSpec, ServerError, VersionStatus, explained
from .images import Classified

T = TypeVar("T")
Inputs = Mapping[str, object] | Sequence[object] | np.ndarray

# Seconds before the first retry, at most; each next one waits twice as long.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
# Answers after which what is known of a model's signatures may be out of date.
_OUTDATED = ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "NOT_FOUND", "INTERNAL")
# Answers to a question that the server does not know.
_NOT_TOLD = ("INVALID_ARGUMENT", "NOT_FOUND", "UNIMPLEMENTED")
# What reading an answer raises that is not one of TF Serving's.
_UNREADABLE = (
    *(ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError),
    *(DecodeError, json_format.Error),
)


class AsyncClient:
    """A client of one server for asyncio; one event loop uses it.

    Args of the constructor:
      server: `grpc://host:port`, `http://host:port`, with TLS `grpcs://` and `https://`,
        or `unix:///path` for gRPC over a Unix socket.
      timeout: seconds for each request to the server, retries included.
      retries: how often at most a request is repeated that reached no server, or a busy one
        (UNAVAILABLE, 503, 429), with growing pauses. One whose connection broke before the answer
        is not repeated: the server may have acted on it.
      ca, cert, key: PEM files: the authority of the server's certificate, and the client's own
        certificate and key.

    All methods take `model` (a name), one of `version` and `label` or neither for the
    latest version, and a `timeout` of their own. They raise `ServerError` when the server
    gives no answer or an error, and `UserError` for what cannot be asked; both say what.
    """

    # Whether the coroutines block the thread and never suspend.
    _blocks = False

    def __init__(
        self,
        server: str,
        timeout: float = 30.0,
        retries: int = 3,
        ca: Path | None = None,
        cert: Path | None = None,
        key: Path | None = None,
    ):
        if retries < 0:
            raise UsageError(f"expected 0 or more retries, got {retries}")
        address = parse_address(server)
        self._server, self._timeout, self._retries = server, timeout, retries
        self._interface = _interface(address.protocol)
        interface = self._interface
        connect = interface.Transport if self._blocks else interface.AsyncTransport
        self._transport = connect(address, Tls(ca, cert, key))
        self._signatures: dict[ModelSpec, dict[str, Signature]] = {}
        self._closed = False

    async def predict(
        self,
        inputs: Inputs,
        model: str = "default",
        signature: str = DEFAULT_SIGNATURE,
        version: int | None = None,
        label: str | None = None,
        outputs: Sequence[str] = (),
        timeout: float | None = None,
    ) -> dict[str, np.ndarray]:
        """Runs a signature.

        Args:
          inputs: by name, or only one where the signature has one. Arrays are sent as they
            are; what is not an array becomes one of the type that the signature states.
            Strings are `bytes` or `str`.
          signature: its name.
          outputs: names of those that are wanted; empty for all.

        Returns:
          The outputs by name; strings are `bytes` in arrays with dtype object.
        """
        spec = ModelSpec(model, version, label)
        known = None
        arrays_by_name = isinstance(inputs, Mapping) and all(
            isinstance(value, np.ndarray) for value in inputs.values()
        )
        if self._interface.NEEDS_SIGNATURE or not arrays_by_name:
            known = await self._signature(spec, signature, timeout)
        try:
            arrays = _as_arrays(inputs, known, signature)
            call = self._interface.predict(spec, signature, arrays, outputs, known)
        except ValueError as error:
            raise UserError(f"{self._server}: {spec}: {error}") from None
        answer = await self._answer(call, spec, timeout)
        if missing := [name for name in outputs if name not in answer]:
            raise UserError(f"{self._server}: {spec}: it gives {sorted(answer)}, and not {missing}")
        return {name: answer[name] for name in outputs or answer}

    async def classify_images(
        self,
        pixels: np.ndarray,
        model: str = "default",
        signature: str = DEFAULT_SIGNATURE,
        version: int | None = None,
        label: str | None = None,
        batch: int = 32,
        timeout: float | None = None,
    ) -> Classified:
        """The classes of images.

        Args:
          pixels: uint8 [N, H, W, C], of the size that the model takes.
          signature: takes raw images, image files or `tf.Example`s, and gives
            `probabilities` or `scores`.
          batch: images in a request, at most.
          timeout: seconds, for each request.
        """
        spec, array = ModelSpec(model, version, label), np.asarray(pixels)
        known = await self._signature(spec, signature, timeout)
        requests = images.batches(array, known, batch)
        return await self._classified(requests, array, spec, signature, timeout)

    async def classify_files(
        self,
        contents: Sequence[bytes],
        model: str = "default",
        signature: str = "predict_bytes",
        version: int | None = None,
        label: str | None = None,
        batch: int = 32,
        timeout: float | None = None,
    ) -> Classified:
        """The classes of picture files.

        Args:
          contents: of the files, in a format that the server's graph reads.
          signature: takes image files, string [N], and gives `probabilities` or `scores`.
          batch: files in a request, at most; fewer where they are large.
          timeout: seconds, for each request.
        """
        spec = ModelSpec(model, version, label)
        known = await self._signature(spec, signature, timeout)
        requests = images.file_batches(contents, known, batch)
        return await self._classified(requests, contents, spec, signature, timeout)

    async def _classified(
        self,
        requests: Iterable[Mapping[str, np.ndarray]],
        sent: Sized,
        spec: ModelSpec,
        signature: str,
        timeout: float | None,
    ) -> Classified:
        """The classes of the images `sent`, in several requests."""
        model, version, label = spec.name, spec.version, spec.label
        outputs = [
            await self.predict(inputs, model, signature, version, label, timeout=timeout)
            for inputs in requests
        ]
        return images.classified(outputs, len(sent), self._server)

    async def status(
        self,
        model: str = "default",
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> list[VersionStatus]:
        """The versions of a model that the server knows."""
        spec = ModelSpec(model, version, label)
        return await self._answer(self._interface.status(spec), spec, timeout)

    async def metadata(
        self,
        model: str = "default",
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> dict[str, Signature]:
        """The signatures of a model by name."""
        spec = ModelSpec(model, version, label)
        signatures = await self._answer(self._interface.metadata(spec), spec, timeout)
        self._signatures[spec] = signatures
        return signatures

    async def description(
        self,
        model: str = "default",
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> Description | None:
        """What a model's files say of it; None of a server that does not tell, as TF Serving."""
        spec = ModelSpec(model, version, label)
        try:
            return await self._answer(self._interface.describe(spec), spec, timeout)
        except ServerError as error:
            if error.code not in _NOT_TOLD:
                raise
            return None

    async def close(self) -> None:
        """Closes the connections; the client then takes no more calls."""
        self._closed = True
        await self._transport.close()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _signature(self, spec: ModelSpec, name: str, timeout: float | None) -> Signature:
        """One signature; the server is asked once, and again after what looks like a change."""
        known = self._signatures.get(spec)
        if known is None or name not in known:
            known = await self.metadata(spec.name, spec.version, spec.label, timeout)
        if name not in known:
            raise UserError(
                f"{self._server}: {spec} has no signature '{name}' "
                f"(there are: {', '.join(sorted(known))})"
            )
        return known[name]

    async def _answer(self, call: Call[T], spec: ModelSpec, timeout: float | None) -> T:
        if self._closed:
            raise UsageError(f"{self._server}: this client is closed")
        try:
            return call.read(
                await self._content(call, spec, self._timeout if timeout is None else timeout)
            )
        except ServerError as error:
            if error.code in _OUTDATED:
                self._signatures.pop(spec, None)
            raise
        except _UNREADABLE as error:
            self._signatures.pop(spec, None)
            raise UserError(
                f"{self._server}: {spec}: it does not answer as TF Serving does: "
                f"{type(error).__name__}: {error}"
            ) from error

    async def _content(self, call: Call[object], spec: ModelSpec, timeout: float) -> bytes:
        """The answer of a call, which is repeated while that helps and there is time."""
        deadline = time.monotonic() + timeout
        attempt = 0
        while True:
            left = deadline - time.monotonic()
            try:
                if left <= 0:  # The transports have meanings of their own for that.
                    raise CallError("DEADLINE_EXCEEDED", "")
                return await self._transport.send(call.path, call.body, left)
            except CallError as failure:
                # Random, so that clients that failed at once do not come back at once.
                spread = random.uniform(0.5, 1)  # noqa: S311 (no secret)
                pause = min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE) * spread
                out_of_time = time.monotonic() + pause >= deadline
                helps = (failure.code == "UNAVAILABLE" and not failure.lost) or failure.busy
                if not helps or attempt == self._retries or out_of_time:
                    raise explained(failure, self._server, spec, timeout) from None
            attempt += 1
            if self._blocks:
                time.sleep(pause)
            else:
                await asyncio.sleep(pause)


def _interface(protocol: str):  # Of the types of both modules.
    if protocol == "grpc":
        from . import over_grpc  # Only what is used is imported.

        return over_grpc
    from . import over_rest

    return over_rest


def _as_arrays(inputs: Inputs, signature: Signature | None, name: str) -> dict[str, np.ndarray]:
    """The inputs by name, as arrays; raises ValueError where they cannot be."""
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
