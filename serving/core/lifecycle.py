"""The life of a version from START to END, and what is known of it and of its model."""

import dataclasses
import threading
from pathlib import Path

from ..protocol.models import State, VersionStatus
from ..protocol.status import StatusError
from .config import ModelConfig
from .executor import Lease
from .loading import Fingerprint


@dataclasses.dataclass(eq=False)
class Version:
    """One version, loaded or not. The swapper's lock guards it.

    Attributes:
      aspired: whether the policy takes it.
      error: why its last load failed; None if it did not.
      failures: how many loads in a row did.
      retry: starts the next load; None if none is planned.
      tried: its files when the load that failed began.
      seen: its files when they were last looked at after that.
      lease: what requests get; None where it is not loaded.
      holders: requests that have the lease.
    """

    model: "Model"
    number: int
    folder: Path
    aspired: bool = True
    state: State = State.START
    error: StatusError | None = None
    failures: int = 0
    retry: threading.Timer | None = None
    tried: Fingerprint | None = None
    seen: Fingerprint | None = None
    lease: Lease | None = None
    holders: int = 0

    @property
    def failed(self) -> bool:
        """Whether it is given up."""
        return self.state is State.END and self.error is not None

    def is_repaired(self, now: Fingerprint) -> bool:
        """Whether its files have changed since a load failed, and are no longer being written."""
        before, self.seen = self.seen, now
        return self.tried is not None and now != self.tried and now == before

    def stop_retry(self) -> None:
        """Plans no further load."""
        if self.retry is not None:
            self.retry.cancel()
            self.retry = None

    def status(self) -> VersionStatus:
        """As others see it; like TF Serving, without the errors of loads that are retried."""
        if self.error is None or self.state is not State.END:
            return VersionStatus(self.number, self.state)
        code, message = self.error.code.value[0], self.error.message
        return VersionStatus(self.number, self.state, code, message)

    def __str__(self) -> str:
        return f"{{name: {self.model.config.name} version: {self.number}}}"


@dataclasses.dataclass(eq=False)
class Model:
    """A configured model. The swapper's lock guards it.

    Attributes:
      versions: those that live or have failed, by their folders.
      serving: those that answer, by number.
      latest: the highest of these.
      notes: what was logged of its base path.
      dropped: whether it is no longer configured.
      counts: whether the server is not ready without it: true for the models of the first
        configuration, and for others once they have answered.
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
        # Of two with one number (the base path has changed) the aspired one counts.
        available = sorted(
            (version for version in self.versions.values() if version.state is State.AVAILABLE),
            key=lambda version: version.aspired,
        )
        self.serving = {version.number: version for version in available}
        self.latest = self.serving[max(self.serving)] if self.serving else None
        self.counts = self.counts or bool(self.serving)

    def decided(self) -> bool:
        """Whether a version answers, or none that is there will."""
        return bool(self.serving) or all(version.failed for version in self.versions.values())
