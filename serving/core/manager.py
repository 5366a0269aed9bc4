"""Models and their versions: found, loaded, leased to requests, swapped and unloaded.

A version that appears is loaded and warmed up beside the one that answers. In one
step it then takes over, and the old one is unloaded when its last request is done.
"""

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import grpc
from absl import logging

from ...base.errors import UserError
from .. import remote
from ..flags import ServeOptions
from ..protocol.models import VersionStatus
from ..protocol.status import StatusError, invalid
from . import loading, versions
from .config import ModelConfig
from .executor import MakeRun
from .lifecycle import Model, Version
from .servable import Servable
from .served import Served
from .swap import Swapper


class Manager(Served):
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
        super().__init__(self._swapper.lock)
        self._options = options
        self._scanning = threading.Lock()  # Held during a look at the folders.
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="watch", daemon=True)

    def shown(self, name: str) -> dict[int, VersionStatus]:
        versions = self._swapper.shown.get(name, {})
        return {number: version.status() for number, version in versions.items()}

    def known(self) -> list[str]:
        """The models that are or were configured and have had a version. Under the lock."""
        return list(self._swapper.shown)

    def release(self, version: Version) -> None:
        self._swapper.release(version)

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
            with self.lock:
                labels_for_unavailable = self._options.allow_version_labels_for_unavailable_models
                _check(configs, self.models, labels_for_unavailable)
                known = {(name, model.config.base_path) for name, model in self.models.items()}
            for config in configs:
                name, path = config.name, config.base_path
                if (name, path) not in known and not _is_there(path):
                    raise invalid(f"Could not find base path {path} for servable {name}")
            with self.lock:
                awaited = self._install(configs)
            if self._options.file_system_poll_wait_seconds >= 0:
                self._scan()
        with self._swapper.changed:
            self._swapper.changed.wait_for(
                lambda: self._closing.is_set() or all(model.decided() for model in awaited)
            )
            self.opened = True
            _check_loaded(awaited)

    def _install(self, configs: Sequence[ModelConfig]) -> list[Model]:
        """Puts a configuration in force; returns the models that are new or do not load yet."""
        if self._closing.is_set():
            raise StatusError(grpc.StatusCode.UNAVAILABLE, "The server is stopping")
        names = {config.name for config in configs}
        for name in [name for name in self.models if name not in names]:
            self._swapper.drop(self.models.pop(name))
        awaited = []
        for config in configs:
            if config.name in self.models:
                model = self.models[config.name]
                model.config = config
                if not model.decided():
                    awaited.append(model)
            else:
                model = self.models[config.name] = Model(config, counts=not self.opened)
                awaited.append(model)
        if self._options.file_system_poll_wait_seconds > 0 and not self._watcher.ident:
            self._watcher.start()
        return awaited

    def close(self) -> None:
        """Unloads all; a version that a request still holds goes when that is done."""
        with self.lock:
            self._closing.set()
            for model in self.models.values():
                self._swapper.drop(model)
            self.models = {}
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
        with self.lock:
            models = list(self.models.values())
        for model in models:
            listing = versions.wanted(model.config)
            for note in listing.notes:
                if note not in model.notes:  # Once, not at each look.
                    logging.warning("Model %s: %s", model.config.name, note)
            model.notes = listing.notes
            with self.lock:
                broken = [
                    version.folder
                    for version in model.versions.values()
                    if version.tried is not None
                ]
            for folder in broken:
                with contextlib.suppress(UserError):  # It is tried again at the next look.
                    remote.refresh(folder)
            fingerprints = {folder: loading.fingerprint(folder) for folder in broken}
            with self.lock:
                used = list(model.versions)
                # A folder that is empty or away for a while must not stop the service.
                if listing.versions and not model.dropped:
                    self._swapper.aspire(model, listing.versions, fingerprints)
            if listing.versions:
                remote.tidy(model.config.base_path, used)


def _is_there(base_path: Path) -> bool:
    try:
        return remote.is_there(base_path)
    except UserError as error:  # Of an object store.
        raise invalid(str(error)) from error


# What a new configuration must satisfy, in TF Serving's words (its source, server_core.cc).


def _check(
    configs: Sequence[ModelConfig], models: Mapping[str, Model], labels_for_unavailable: bool
) -> None:
    """Refuses a configuration that contradicts the models in force. Under their lock.

    Args:
      configs: the new ones.
      models: those in force.
      labels_for_unavailable: whether a new label may name a version that is not loaded.

    Raises:
      StatusError: INVALID_ARGUMENT or FAILED_PRECONDITION.
    """
    for config in configs:
        name, model = config.name, models.get(config.name)
        if model is not None and model.config.platform != config.platform:
            raise invalid(
                f"Illegal to change a model's platform. For model {name} platform was "
                f"{model.config.platform} and new platform requested is {config.platform}"
            )
        for label, number in config.labels.items():
            # As in TF Serving: with the flag, a label may wait for its version, but
            # one that requests rely on does not move to a version that is not there.
            assigned = model.config.labels.get(label, number) if model else number
            waits = labels_for_unavailable and assigned == number
            if not waits and (model is None or number not in model.serving):
                raise StatusError(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    f"Request to assign label to version {number} of model {name}, which is "
                    "not currently available for inference",
                )


def _check_loaded(models: Sequence[Model]) -> None:
    """Names models of which no version loads. Under their lock.

    Raises:
      StatusError: UNKNOWN, in TF Serving's words.
    """
    failed = [
        version
        for model in models
        if not model.serving
        for version in model.versions.values()
        if version.failed
    ]
    if not failed:
        return
    reasons = ", ".join(f"{{{version} due to error: {version.error}}}" for version in failed)
    raise StatusError(
        grpc.StatusCode.UNKNOWN, f"{len(failed)} model(s) did not become available: {{{reasons}}}"
    )
