"""The client for threads: each coroutine of the asynchronous one, done in one step."""

import functools
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from .clients import AsyncClient

P = ParamSpec("P")
T = TypeVar("T")


class _BlockingClient(AsyncClient):
    """Its coroutines block the thread and never suspend: one step runs each to its end."""

    _blocks = True


def _blocking(
    method: Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]],
) -> "Callable[Concatenate[Client, P], T]":
    """The method of `Client` that does what a coroutine of `AsyncClient` does."""

    @functools.wraps(method)
    def run(self: "Client", *arguments: P.args, **named: P.kwargs) -> T:
        try:
            method(self._client, *arguments, **named).send(None)
        except StopIteration as done:
            return done.value
        raise AssertionError("a blocking coroutine was suspended")

    return run


class Client:
    """A client of one server; several threads may use it at once.

    The constructor and the methods take what `AsyncClient`'s take.
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
        self._client = _BlockingClient(server, timeout, retries, ca, cert, key)

    predict = _blocking(AsyncClient.predict)
    classify_images = _blocking(AsyncClient.classify_images)
    classify_files = _blocking(AsyncClient.classify_files)
    status = _blocking(AsyncClient.status)
    metadata = _blocking(AsyncClient.metadata)
    description = _blocking(AsyncClient.description)
    close = _blocking(AsyncClient.close)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
