"""Models and their versions: found, loaded, leased to requests, swapped and unloaded.

A version that appears is loaded and warmed up beside the one that answers. In one
step it then takes over, and the old one is unloaded when its last request is done.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import grpc
from absl import logging

from ..flags import ServeOptions
from ..protocol.models import VersionStatus
from ..protocol.status import StatusError, invalid
from . import loading, reload, versions
from .config import ModelConfig
from .executor import Lease, MakeRun
from .inference import Target
from .lifecycle import Model, Version
from .servable import Servable
from .swap import Swapper


class Manager:
    """Serves the versions that configuration and folders state. Safe in any thread."""

    def __init__(
        self,
        load: Callable[[Path, str], Servable],
        make_run: MakeRun,
        options: ServeOptions,
        on_change: Callable[[str, VersionStatus], None] = lambda name, status: None,
    ):
        """Serves nothing yet: `apply` says what.

        Args:
          load: opens a version of a folder and a platform, and warms it up. Called in load
            threads.
          make_run: gives what runs the calls of a model's version. Called in load threads.
          options: those of versions, labels and loads are used.
          on_change: told of each version's new state, with the model's name. Called in order
            while requests wait: it must be quick, and not call the manager.
        """
        self._swapper = Swapper(load, make_run, on_change, options)
        self._lock = self._swapper.lock
        self._options = options
        self._models: dict[str, Model] = {}
        self._scanning = threading.Lock()  # Held during a look at the folders.
        self._opened = False  # Whether the first configuration is in force.
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="watch", daemon=True)

    # What requests call.

    @contextlib.contextmanager
    def lease(self, target: Target) -> Iterator[Lease]:
        """Holds a version while it answers a request. Quick, and without input or output.

        Raises:
          StatusError: NOT_FOUND or INVALID_ARGUMENT, in TF Serving's words.
        """
        with self._lock:
            version = self._find(target)
            version.holders += 1
            lease = version.lease
        try:
            assert lease is not None  # It is AVAILABLE.
            yield lease
        finally:
            with self._lock:
                self._swapper.release(version)

    def _find(self, target: Target) -> Version:
        number, model = self._number(target), self._models.get(target.name)
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
        if not self._opened:
            raise StatusError(grpc.StatusCode.UNAVAILABLE, "The models are being loaded")
        if target.label is None:
            return target.version
        model = self._models.get(target.name)
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
        with self._lock:
            number = self._number(target)
            shown = self._swapper.shown.get(name, {})
            if number is not None and number not in shown:
                raise StatusError(
                    grpc.StatusCode.NOT_FOUND, f"Could not find version {number} of model {name}"
                )
            if not shown:
                raise StatusError(
                    grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {name}"
                )
            numbers = sorted(shown, reverse=True) if number is None else [number]
            return [shown[number].status() for number in numbers]

    def ready(self) -> bool:
        """Whether there are models, and each has a version that answers.

        One that a later configuration adds counts when it has answered once: it must not
        take the others out of service while it loads.
        """
        with self._lock:
            models = self._models.values()
            return bool(models) and all(model.serving for model in models if model.counts)

    def names(self) -> list[str]:
        """The configured models."""
        with self._lock:
            return sorted(self._models)

    # What changes the models.

    def apply(self, configs: Sequence[ModelConfig]) -> None:
        """Replaces the whole configuration; models that stay the same are left alone.

        Waits until each model that is new, or is still being loaded, has a version that
        answers, or none that will.

        Args:
          configs: all models that are served from now on.

        Raises:
          StatusError: the configuration is inconsistent, and nothing has changed; or
            UNKNOWN: it is in force, but one of these models does not load.
        """
        with self._scanning:
            with self._lock:
                labels_for_unavailable = self._options.allow_version_labels_for_unavailable_models
                reload.check(configs, self._models, labels_for_unavailable)
                known = {(name, model.config.base_path) for name, model in self._models.items()}
            for config in configs:
                name, path = config.name, config.base_path
                if (name, path) not in known and not path.is_dir():
                    raise invalid(f"Could not find base path {path} for servable {name}")
            with self._lock:
                awaited = self._install(configs)
            if self._options.file_system_poll_wait_seconds >= 0:
                self._scan()
        with self._swapper.changed:
            self._swapper.changed.wait_for(
                lambda: self._closing.is_set() or all(model.decided() for model in awaited)
            )
            self._opened = True
            reload.check_loaded(awaited)

    def _install(self, configs: Sequence[ModelConfig]) -> list[Model]:
        """Puts a configuration in force; returns the models that are new or do not load yet."""
        if self._closing.is_set():
            raise StatusError(grpc.StatusCode.UNAVAILABLE, "The server is stopping")
        names = {config.name for config in configs}
        for name in [name for name in self._models if name not in names]:
            self._swapper.drop(self._models.pop(name))
        awaited = []
        for config in configs:
            if config.name in self._models:
                model = self._models[config.name]
                model.config = config
                if not model.decided():
                    awaited.append(model)
            else:
                model = self._models[config.name] = Model(config, counts=not self._opened)
                awaited.append(model)
        if self._options.file_system_poll_wait_seconds > 0 and not self._watcher.ident:
            self._watcher.start()
        return awaited

    def close(self) -> None:
        """Unloads all; a version that a request still holds goes when that is done."""
        with self._lock:
            self._closing.set()
            for model in self._models.values():
                self._swapper.drop(model)
            self._models = {}
            self._swapper.changed.notify_all()
        if self._watcher.ident:
            self._watcher.join()
        self._swapper.close()

    # What follows the folders.

    def _watch(self) -> None:
        while not self._closing.wait(self._options.file_system_poll_wait_seconds):
            try:
                with self._scanning:
                    self._scan()
            except Exception:  # Whatever it is, later versions must be found too.
                logging.exception("Looking for versions failed")

    def _scan(self) -> None:
        """Looks at all models' folders once."""
        with self._lock:
            models = list(self._models.values())
        for model in models:
            listing = versions.wanted(model.config)
            for note in listing.notes:
                if note not in model.notes:  # Once, not at each look.
                    logging.warning("Model %s: %s", model.config.name, note)
            model.notes = listing.notes
            with self._lock:
                broken = [
                    version.folder
                    for version in model.versions.values()
                    if version.tried is not None
                ]
            fingerprints = {folder: loading.fingerprint(folder) for folder in broken}
            with self._lock:
                # A folder that is empty or away for a while must not stop the service.
                if listing.versions and not model.dropped:
                    self._swapper.aspire(model, listing.versions, fingerprints)
