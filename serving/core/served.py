"""What requests ask of the models: versions are leased, found by number or label, and told of."""

import abc
import threading
from collections.abc import Mapping

import grpc

from ..protocol.models import VersionStatus
from ..protocol.status import StatusError, invalid
from .executor import Lease
from .inference import Target
from .lifecycle import Model, Version


class Served(abc.ABC):
    """The models as they are now. Safe in any thread.

    Attributes:
      lock: guards the models and versions. Held for a moment only: requests wait for it.
      models: the configured ones by name.
      opened: whether the first configuration is in force.
    """

    def __init__(self, lock: threading.Lock):
        """There are none yet."""
        self.lock = lock
        self.models: dict[str, Model] = {}
        self.opened = False

    @abc.abstractmethod
    def shown(self, name: str) -> Mapping[int, VersionStatus]:
        """The versions of a model by number, also those that have ended. Under the lock."""

    @abc.abstractmethod
    def release(self, version: Version) -> None:
        """A request is done with a version. Under the lock."""

    def lease(self, target: Target) -> "_Held":
        """Holds a version while it answers a request. Quick, and without input or output.

        Raises:
          StatusError: when it is entered; NOT_FOUND or INVALID_ARGUMENT, in TF Serving's words.
        """
        return _Held(self, target)

    def hold(self, target: Target) -> Version:
        """A version that is not unloaded until it is released."""
        with self.lock:
            version = self._find(target)
            version.holders += 1
            return version

    def _find(self, target: Target) -> Version:
        number, model = self._number(target), self.models.get(target.name)
        version = None
        if model is not None:
            version = model.latest if number is None else model.serving.get(number)
        if version is None:
            if not target.name:
                raise invalid("ModelSpec has no name specified.")
            what = f"Latest({target.name})"
            if number is not None:
                what = f"Specific({target.name}, {number})"
            raise StatusError(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {what}")
        return version

    def _number(self, target: Target) -> int | None:
        """Of the version that is meant; None for the latest."""
        if not self.opened:
            raise StatusError(grpc.StatusCode.UNAVAILABLE, "The models are being loaded")
        if target.label is None:
            return target.version
        model = self.models.get(target.name)
        number = model.config.labels.get(target.label) if model else None
        if number is None:
            raise invalid(f"Unrecognized servable version label: {target.label}")
        return number

    def status(self, target: Target) -> list[VersionStatus]:
        """The versions of a model, the highest first, also those that have ended.

        Raises:
          StatusError: NOT_FOUND or INVALID_ARGUMENT, in TF Serving's words.
        """
        name = target.name
        with self.lock:
            number = self._number(target)
            shown = self.shown(name)
        if number is not None and number not in shown:
            raise StatusError(
                grpc.StatusCode.NOT_FOUND, f"Could not find version {number} of model {name}"
            )
        if not shown:
            raise StatusError(
                grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {name}"
            )
        numbers = sorted(shown, reverse=True) if number is None else [number]
        return [shown[number] for number in numbers]

    def ready(self) -> bool:
        """Whether there are models, and each has a version that answers.

        One that a later configuration adds counts when it has answered once: it must not
        take the others out of service while it loads.
        """
        with self.lock:
            models = self.models.values()
            loaded = bool(models) and all(model.serving for model in models if model.counts)
            return self.opened and loaded  # Until then requests are refused.

    def names(self) -> list[str]:
        """The configured models."""
        with self.lock:
            return sorted(self.models)


class _Held:
    """A lease that is held while this is entered: a generator would take twice as long."""

    __slots__ = ("_served", "_target", "_version")

    def __init__(self, served: Served, target: Target):
        self._served, self._target = served, target

    def __enter__(self) -> Lease:
        self._version = self._served.hold(self._target)
        assert self._version.lease is not None  # It is AVAILABLE.
        return self._version.lease

    def __exit__(self, *_: object) -> None:
        with self._served.lock:
            self._served.release(self._version)
