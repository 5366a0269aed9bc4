"""Clients of TF Serving's interfaces, for `digitline serve` and the real one; no TensorFlow.

    from digitline.serving.client import Client

    with Client("grpc://127.0.0.1:8500") as client:
        client.predict(images, model="lenet5")["probabilities"]

`AsyncClient` has the same methods, to be awaited.
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ...base.export_layout import DEFAULT_SIGNATURE
from ..core.servable import Signature
from .calls import Call, CallError, Model, ServerError, Steps, Tls
from .images import Classified
from .plans import Inputs, Plans, VersionStatus

__all__ = ["AsyncClient", "Classified", "Client", "ServerError", "VersionStatus"]


class Client:
    """A client of one server; several threads may use it at once.

    Args of the constructor:
      server: `grpc://host:port`, `http://host:port`, with TLS `grpcs://` and `https://`,
        or `unix:///path` for gRPC over a Unix socket.
      timeout: seconds for each request to the server, retries included.
      retries: how often at most a request is repeated that found no server, or one that is
        busy (UNAVAILABLE, 503), with pauses that grow. One whose connection broke before the
        answer is not: the server may have acted on it.
      ca, cert, key: PEM files: who signs the server's certificate, and the client's own.

    All methods take `model` (a name), one of `version` and `label` or neither for the
    latest version, and a `timeout` of their own. They raise `ServerError` when the server
    gives no answer or an error, and `UserError` for what cannot be asked; both say what.
    """

    def __init__(
        self,
        server: str,
        timeout: float = 30.0,
        retries: int = 3,
        ca: Path | None = None,
        cert: Path | None = None,
        key: Path | None = None,
    ):
        self._plans = Plans(server, timeout, retries, Tls(ca, cert, key))
        self._transport = self._plans.transports.Transport(self._plans.address, self._plans.tls)

    def predict(
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
          inputs: by name, or only one where the signature has one. Arrays go as they are;
            what is none becomes an array of the type that the signature states. Strings
            are `bytes` or `str`.
          model, version, label: of the model.
          signature: its name.
          outputs: names of those that are wanted; empty for all.
          timeout: seconds.

        Returns:
          The outputs by name; strings are `bytes` in arrays with dtype object.
        """
        which = Model(model, version, label)
        return self._run(self._plans.predict(inputs, which, signature, outputs, timeout))

    def classify_images(
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
          model, version, label: of the model.
          signature: takes raw images, image files or `tf.Example`s, and gives
            `probabilities` or `scores`.
          batch: images in a request, at most.
          timeout: seconds, for each request.
        """
        which = Model(model, version, label)
        return self._run(self._plans.classify_images(pixels, which, signature, batch, timeout))

    def status(
        self,
        model: str = "default",
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> list[VersionStatus]:
        """The versions of a model that the server knows."""
        return self._run(self._plans.status(Model(model, version, label), timeout))

    def metadata(
        self,
        model: str = "default",
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> dict[str, Signature]:
        """The signatures of a model by name."""
        return self._run(self._plans.metadata(Model(model, version, label), timeout))

    def close(self) -> None:
        """Closes the connections; the client then takes no more calls."""
        self._plans.closed = True
        self._transport.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self, steps: Steps[Any]) -> Any:
        try:
            step = next(steps)
            while True:
                try:
                    got = None
                    if isinstance(step, Call):
                        got = self._transport.call(step)
                    else:
                        time.sleep(step)
                except CallError as failure:
                    step = steps.throw(failure)
                else:
                    step = steps.send(got)
        except StopIteration as stop:
            return stop.value


class AsyncClient:
    """`Client` for asyncio: the same arguments and methods. One event loop uses it."""

    def __init__(
        self,
        server: str,
        timeout: float = 30.0,
        retries: int = 3,
        ca: Path | None = None,
        cert: Path | None = None,
        key: Path | None = None,
    ):
        self._plans = Plans(server, timeout, retries, Tls(ca, cert, key))
        self._transport = self._plans.transports.AsyncTransport(
            self._plans.address, self._plans.tls
        )

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
        """As `Client.predict`."""
        which = Model(model, version, label)
        return await self._run(self._plans.predict(inputs, which, signature, outputs, timeout))

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
        """As `Client.classify_images`."""
        which = Model(model, version, label)
        return await self._run(
            self._plans.classify_images(pixels, which, signature, batch, timeout)
        )

    async def status(
        self,
        model: str = "default",
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> list[VersionStatus]:
        """As `Client.status`."""
        return await self._run(self._plans.status(Model(model, version, label), timeout))

    async def metadata(
        self,
        model: str = "default",
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> dict[str, Signature]:
        """As `Client.metadata`."""
        return await self._run(self._plans.metadata(Model(model, version, label), timeout))

    async def close(self) -> None:
        """As `Client.close`."""
        self._plans.closed = True
        await self._transport.close()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _run(self, steps: Steps[Any]) -> Any:
        try:
            step = next(steps)
            while True:
                try:
                    got = None
                    if isinstance(step, Call):
                        got = await self._transport.call(step)
                    else:
                        await asyncio.sleep(step)
                except CallError as failure:
                    step = steps.throw(failure)
                else:
                    step = steps.send(got)
        except StopIteration as stop:
            return stop.value
