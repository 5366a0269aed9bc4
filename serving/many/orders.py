"""What the parent and the server processes ask of one another."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Generic, TypeVar

import prometheus_client

from ..core.config import ModelConfig
from ..core.loading import Fingerprint
from ..flags import ServeOptions
from ..protocol.models import VersionStatus

T = TypeVar("T")


class Question(Generic[T]):
    """Whoever asks it gets a T."""


@dataclasses.dataclass(frozen=True)
class Setup(Question[None]):
    """The first: what the process is to be. Answered when it can load.

    Attributes:
      options: of the server.
      servers: how many processes share the ports.
      is_first: whether it starts with the server: it then listens before it has models, so that
        its health can be asked for. One that takes another's place must not get requests so soon.
    """

    options: ServeOptions
    servers: int
    is_first: bool


@dataclasses.dataclass(frozen=True)
class Load(Question[None]):
    """Load a version, and serve it when a table says so. Answered when it is loaded.

    Attributes:
      number: of this load; the same in all processes.
      fingerprint: of the files that the parent has looked at.
    """

    number: int
    folder: Path
    platform: str
    fingerprint: Fingerprint


@dataclasses.dataclass(frozen=True)
class Unload(Question[None]):
    """Unload what was loaded by this number. Answered when no request holds it any more."""

    number: int


@dataclasses.dataclass(frozen=True)
class Row:
    """A model of a table; `serving` has the number of the load by version."""

    config: ModelConfig
    counts: bool
    serving: Mapping[int, int]


@dataclasses.dataclass(frozen=True)
class Table(Question[None]):
    """From now on these models answer, in place of those before."""

    rows: tuple[Row, ...]
    opened: bool


@dataclasses.dataclass(frozen=True)
class Shown(Question[None]):
    """From now on the status of versions is this, by model and number."""

    versions: Mapping[str, Mapping[int, VersionStatus]]


@dataclasses.dataclass(frozen=True)
class Welcome(Question[str]):
    """The lines that say what is served. Answered when it is."""


@dataclasses.dataclass(frozen=True)
class Collect(Question[list[prometheus_client.Metric]]):
    """The metrics of the process."""


@dataclasses.dataclass(frozen=True)
class Farewell(Question[None]):
    """Of a process that ends: its last metrics."""

    metrics: list[prometheus_client.Metric]


@dataclasses.dataclass(frozen=True)
class Reload(Question[None]):
    """Of a process that got this call: put a serialized ModelServerConfig in force everywhere."""

    content: bytes


@dataclasses.dataclass(frozen=True)
class CollectAll(Question[bytes]):
    """Of a process that was asked: the metrics of all, in Prometheus's text."""
