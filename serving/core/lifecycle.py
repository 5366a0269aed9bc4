"""The life of a version from START to END, and what is known of it meanwhile."""

import dataclasses
import enum
from pathlib import Path

from .config import ModelConfig
from .executor import Executor
from .loading import Fingerprint
from .servable import Servable


class State(enum.IntEnum):
    """Of a version, numbered as `ModelVersionStatus.State` of TF Serving."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclasses.dataclass(frozen=True)
class VersionStatus:
    """What GetModelStatus says of a version.

    Attributes:
      version: its number.
      state: where it is in its life.
      error_code: gRPC's number; 0 where nothing is wrong.
      error_message: why it did not load, or "".
    """

    version: int
    state: State
    error_code: int = 0
    error_message: str = ""


@dataclasses.dataclass(frozen=True)
class Lease:
    """A version that is not unloaded while the lease is held."""

    name: str
    version: int
    servable: Servable
    executor: Executor


@dataclasses.dataclass(eq=False)
class Version:
    """One version, loaded or not. The swapper's lock guards it.

    Attributes:
      model: whose version it is.
      number: the version's.
      path: what it is loaded from: its folder, or a file in it.
      aspired: whether the policy takes it.
      state: where it is in its life.
      error_code: why its last load failed; 0 if it did not.
      error_message: the same in words.
      failures: how many loads in a row did.
      retry_at: when it is loaded again, on the monotonic clock; None if it does not wait.
      tried: its files when the load that failed began.
      seen: its files when they were last looked at after that.
      lease: what requests get; None where it is not loaded.
      holders: requests that have the lease.
    """

    model: "Model"
    number: int
    path: Path
    aspired: bool = True
    state: State = State.START
    error_code: int = 0
    error_message: str = ""
    failures: int = 0
    retry_at: float | None = None
    tried: Fingerprint | None = None
    seen: Fingerprint | None = None
    lease: Lease | None = None
    holders: int = 0

    @property
    def failed(self) -> bool:
        """Whether it is given up."""
        return self.state is State.END and self.error_code != 0

    def status(self) -> VersionStatus:
        """As others see it; like TF Serving, without the errors of loads that are retried."""
        if self.failed:
            return VersionStatus(self.number, self.state, self.error_code, self.error_message)
        return VersionStatus(self.number, self.state)

    def __str__(self) -> str:
        return f"{{name: {self.model.config.name} version: {self.number}}}"


@dataclasses.dataclass(eq=False)
class Model:
    """A configured model. The swapper's lock guards it.

    Attributes:
      config: as it is in force.
      versions: those that live or have failed, by what they are loaded from.
      serving: those that answer, by number.
      latest: the highest of these.
      notes: what was logged of its folder.
      dropped: whether it is configured no more.
      counts: whether the server is not ready without it: those of the first configuration,
        and others once they have answered.
    """

    config: ModelConfig
    versions: dict[Path, Version] = dataclasses.field(default_factory=dict)
    serving: dict[int, Version] = dataclasses.field(default_factory=dict)
    latest: Version | None = None
    notes: tuple[str, ...] = ()
    dropped: bool = False
    counts: bool = False

    def publish(self) -> None:
        """Lets requests find the versions that are AVAILABLE, and no others."""
        available = [each for each in self.versions.values() if each.state is State.AVAILABLE]
        # Of two with one number (the base path has changed) the aspired one counts.
        available.sort(key=lambda version: version.aspired)
        self.serving = {version.number: version for version in available}
        self.latest = self.serving[max(self.serving)] if self.serving else None
        self.counts = self.counts or bool(self.serving)

    def decided(self) -> bool:
        """Whether a version answers, or none that is there will."""
        return bool(self.serving) or all(each.failed for each in self.versions.values())
