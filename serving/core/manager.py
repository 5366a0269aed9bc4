"""Models and their versions: found, loaded, leased to requests, swapped and unloaded.

A version that appears is loaded and warmed up beside the one that answers. In one
step it then takes over, and the old one is unloaded when its last request is done.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
from absl import logging

from ..protocol.status import StatusError, invalid
from . import loading, reload
from .config import ModelConfig
from .executor import MakeExecutor
from .inference import Target
from .lifecycle import Lease, Model, State, Version, VersionStatus
from .servable import Servable
from .swap import Swapper

__all__ = ["Lease", "Manager", "State", "VersionStatus"]


class Manager:
    """Serves the versions that configuration and folders state. Safe in any thread."""

    def __init__(
        self,
        loader: Callable[[Path], Servable],
        make_executor: MakeExecutor,
        *,
        file_system_poll_wait_seconds: float = 1.0,
        num_load_threads: int = 0,
        num_unload_threads: int = 0,
        max_num_load_retries: int = 5,
        load_retry_interval_seconds: float = 60.0,
        allow_version_labels_for_unavailable_models: bool = False,
        warmup: Callable[[Path, Servable], Any] | None = None,
        on_change: Callable[[str, VersionStatus], None] | None = None,
    ):
        """Serves nothing yet: `apply` says what.

        Args:
          loader: opens a version, of its folder or a file in it. Called in load threads.
          make_executor: gives what runs the calls of a model's version. Called in load
            threads, and its `close` in unload threads.
          file_system_poll_wait_seconds: between two looks at the folders; 0 to look
            only when a configuration is applied, negative to never look.
          num_load_threads: how many versions load at once; 0 for up to 4.
          num_unload_threads: the same of unloading; 0 for one.
          max_num_load_retries: after a first load that failed.
          load_retry_interval_seconds: between two loads of a version that fails.
          allow_version_labels_for_unavailable_models: whether a new label may name a
            version that is not loaded.
          warmup: called with folder and servable before a version answers.
          on_change: told of each version's new state, with the model's name. Called in
            the manager's threads, in order, one call at a time; must not call `apply`.
        """
        self._swapper = Swapper(
            loader,
            make_executor,
            warmup,
            on_change,
            num_load_threads=num_load_threads,
            num_unload_threads=num_unload_threads,
            max_num_load_retries=max_num_load_retries,
            load_retry_interval_seconds=load_retry_interval_seconds,
        )
        self._lock = self._swapper.lock
        self._poll = file_system_poll_wait_seconds
        self._labels_for_unavailable = allow_version_labels_for_unavailable_models
        self._models: dict[str, Model] = {}
        self._applying = threading.Lock()  # One configuration after the other,
        self._scanning = threading.Lock()  # one look at the folders after the other.
        self._closed = False
        self._watcher: threading.Thread | None = None

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
        number, found, model = target.version, None, self._models.get(target.name)
        if target.label is not None:
            number = self._labelled(target)
        if model is not None:
            found = model.latest if number is None else model.serving.get(number)
        if found is None:
            if not target.name:
                raise invalid("ModelSpec has no name specified.")
            what = f"Latest({target.name})"
            if number is not None:
                what = f"Specific({target.name}, {number})"
            raise StatusError(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {what}")
        return found

    def _labelled(self, target: Target) -> int:
        model = self._models.get(target.name)
        number = model.config.labels.get(target.label or "") if model else None
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
            number = target.version if target.label is None else self._labelled(target)
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
            return [shown[each].status() for each in numbers]

    def folder(self, target: Target) -> Path:
        """Where the files of a version that answers lie.

        Raises:
          StatusError: NOT_FOUND or INVALID_ARGUMENT, in TF Serving's words.
        """
        with self._lock:
            return loading.folder_of(self._find(target).path)

    def ready(self) -> bool:
        """Whether there are models, and each has a version that answers.

        One that a later configuration adds counts when it has answered once: it must not
        take the others out of service while it loads.
        """
        with self._lock:
            models = self._models.values()
            return bool(models) and all(each.serving for each in models if each.counts)

    def names(self) -> list[str]:
        """The configured models."""
        with self._lock:
            return sorted(self._models)

    # What changes the models.

    def apply(self, configs: Sequence[ModelConfig]) -> None:
        """Replaces the whole configuration; models that stay the same are left alone.

        Waits until each new model has a version that answers, or none that will.

        Args:
          configs: all models that are served from now on.

        Raises:
          StatusError: the configuration is inconsistent, and nothing has changed; or
            UNKNOWN: it is in force, but a new model does not load.
        """
        with self._applying:
            with self._scanning:
                with self._lock:
                    reload.check(configs, self._models, self._labels_for_unavailable)
                    known = {(name, each.config.base_path) for name, each in self._models.items()}
                for config in configs:
                    if (config.name, config.base_path) not in known:
                        reload.check_folder(config)
                with self._lock:
                    new = self._install(configs)
                if self._poll >= 0:
                    self._scan()
            self._swapper.tell()
            with self._swapper.changed:
                self._swapper.changed.wait_for(
                    lambda: self._closed or all(model.decided() for model in new)
                )
                reload.check_loaded(new)

    def _install(self, configs: Sequence[ModelConfig]) -> list[Model]:
        """Puts a configuration in force; returns the models that are new."""
        if self._closed:
            raise StatusError(grpc.StatusCode.UNAVAILABLE, "The server is stopping")
        names = {config.name for config in configs}
        for name in [name for name in self._models if name not in names]:
            self._swapper.drop(self._models.pop(name))
        new = []
        for config in configs:
            if config.name in self._models:
                self._models[config.name].config = config
            else:
                self._models[config.name] = Model(config, counts=self._watcher is None)
                new.append(self._models[config.name])
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, name="watch", daemon=True)
            self._watcher.start()
        return new

    def close(self) -> None:
        """Unloads all; a version that a request still holds goes when that is done."""
        with self._lock:
            self._closed = True
            for model in self._models.values():
                self._swapper.drop(model)
            self._models = {}
            self._swapper.changed.notify_all()
        self._swapper.wake.set()
        if self._watcher is not None:
            self._watcher.join()
        self._swapper.close()

    # What follows the folders.

    def _watch(self) -> None:
        scanned = time.monotonic()
        while not self._closed:
            with self._lock:
                due = [
                    version.retry_at
                    for model in self._models.values()
                    for version in model.versions.values()
                    if version.retry_at is not None
                ]
            if self._poll > 0:
                due.append(scanned + self._poll)
            self._swapper.wake.wait(max(0.0, min(due) - time.monotonic()) if due else None)
            self._swapper.wake.clear()
            try:
                with self._lock:
                    for model in self._models.values():
                        self._swapper.retry(model)
                if 0 < self._poll <= time.monotonic() - scanned:
                    with self._scanning:
                        self._scan()
                    scanned = time.monotonic()
                self._swapper.tell()
            except Exception:  # Whatever it is, later versions must be found too.
                logging.exception("Looking for versions failed")
                scanned = time.monotonic()

    def _scan(self) -> None:
        """Looks at all models' folders once."""
        with self._lock:
            models = list(self._models.values())
        for model in models:
            listing = loading.list_versions(model.config)
            with self._lock:
                broken = [each.path for each in model.versions.values() if each.tried is not None]
            prints = {path: loading.fingerprint(path) for path in broken}
            for note in listing.notes:
                if note not in model.notes:  # Once, not at each look.
                    logging.warning("Model %s: %s", model.config.name, note)
            model.notes = listing.notes
            platform = model.config.platform
            wanted = {
                loading.source(path, platform): number for number, path in listing.versions.items()
            }
            with self._lock:
                # A folder that is empty or away for a while must not stop the service.
                if wanted and not model.dropped:
                    self._swapper.aspire(model, wanted, prints)
