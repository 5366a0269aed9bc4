"""Loads and unloads versions, so that one always answers: the threads behind the manager."""

import collections
import concurrent.futures
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
from absl import logging

from ..protocol.status import StatusError, from_exception
from . import loading
from .executor import MakeExecutor
from .lifecycle import Lease, Model, State, Version, VersionStatus
from .servable import Servable

# Versions that have ended are still named in the status; so many of each model.
_ENDED = 100


class Swapper:
    """Takes models from the versions that they have to those that are aspired.

    Attributes:
      lock: guards all models and versions. Held for a moment only, never during input
        or output: requests wait for it. Methods say where their caller holds it.
      changed: notified, under the lock, of each new state.
      wake: set when a load has failed, so that somebody looks when to retry it.
      shown: what the status names: by model and number, the version that last had it.
    """

    def __init__(
        self,
        loader: Callable[[Path], Servable],
        make_executor: MakeExecutor,
        warmup: Callable[[Path, Servable], Any] | None,
        on_change: Callable[[str, VersionStatus], None] | None,
        *,
        num_load_threads: int,
        num_unload_threads: int,
        max_num_load_retries: int,
        load_retry_interval_seconds: float,
    ):
        """As `manager.Manager` says."""
        self._loader, self._make_executor, self._warmup = loader, make_executor, warmup
        self._max_retries, self._retry_interval = max_num_load_retries, load_retry_interval_seconds
        self._on_change = on_change
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.wake = threading.Event()
        self.shown: dict[str, dict[int, Version]] = {}
        self._closed = False
        self._telling = threading.Lock()  # One call of `on_change` after the other.
        self._changes: collections.deque[tuple[str, VersionStatus]] = collections.deque()
        self._loads = concurrent.futures.ThreadPoolExecutor(
            num_load_threads or min(4, os.cpu_count() or 1), thread_name_prefix="load"
        )
        self._unloads = concurrent.futures.ThreadPoolExecutor(
            num_unload_threads or 1, thread_name_prefix="unload"
        )

    def aspire(
        self,
        model: Model,
        wanted: Mapping[Path, int],
        prints: Mapping[Path, loading.Fingerprint],
    ) -> None:
        """Starts to load what is missing and to unload what is replaced. Under the lock.

        Args:
          model: whose versions are meant.
          wanted: numbers of the versions that it should have, by what they are loaded from.
          prints: the files, as they are now, of versions that did not load.
        """
        for version in model.versions.values():
            version.aspired = version.path in wanted
        for path, number in wanted.items():
            if path not in model.versions:
                self._begin(Version(model, number, path))
        for version in model.versions.values():
            now = prints.get(version.path)
            if now is None or version.tried is None or not version.aspired:
                continue
            # Repaired or completed, and no longer being written: no reason to wait.
            if now != version.tried and now == version.seen:
                version.failures, version.error_code, version.error_message = 0, 0, ""
                self._begin(version)
            else:
                version.seen = now
        self._settle(model)

    def drop(self, model: Model) -> None:
        """Unloads a whole model, which is no longer configured. Under the lock."""
        model.dropped = True
        for version in model.versions.values():
            version.aspired = False
        self._settle(model)

    def retry(self, model: Model) -> None:
        """Loads again what has waited long enough. Under the lock."""
        for version in model.versions.values():
            if version.retry_at is not None and version.retry_at <= time.monotonic():
                self._begin(version)

    def release(self, version: Version) -> None:
        """A request is done with a version. Under the lock."""
        version.holders -= 1
        if version.holders == 0 and version.state is State.UNLOADING:
            self._retire(version)

    def tell(self) -> None:
        """Reports new states, in their order. Not under the lock."""
        with self._telling:
            while self._changes:
                change = self._changes.popleft()
                if self._on_change is not None:
                    try:
                        self._on_change(*change)
                    except Exception:
                        logging.exception("Reporting %s failed", change)

    def close(self) -> None:
        """Waits for loads and unloads that run; all models were dropped. Not under the lock."""
        with self.lock:
            self._closed = True
        self._loads.shutdown(cancel_futures=True)
        self._unloads.shutdown()
        with self.lock:
            for versions in self.shown.values():
                for version in versions.values():
                    if version.state in (State.START, State.LOADING):
                        self._end(version)
        self.tell()

    def _begin(self, version: Version) -> None:
        if self._closed:
            return
        version.model.versions[version.path] = version
        self.shown.setdefault(version.model.config.name, {})[version.number] = version
        version.retry_at = version.tried = version.seen = None
        if version.state is not State.LOADING:
            self._set(version, State.START)
        self._loads.submit(self._load, version)

    def _load(self, version: Version) -> None:
        """In a load thread: tries once."""
        with self.lock:
            wanted = version.aspired
            if wanted:
                self._set(version, State.LOADING)
            else:
                self._end(version)
        self.tell()
        if not wanted:
            return
        tried = loading.fingerprint(version.path)
        started = time.monotonic()
        try:
            lease = self._open(version, tried)
        except Exception as error:
            status = from_exception(error)
            # Its numbers and text alone: the traceback holds what was loaded.
            self._failed(version, status.code.value[0], status.message, tried)
        else:
            seconds = time.monotonic() - started
            logging.info("Successfully loaded servable version %s in %.2f s", version, seconds)
            self._loaded(version, lease)
        self.tell()

    def _open(self, version: Version, tried: loading.Fingerprint) -> Lease:
        servable = self._loader(version.path)
        try:
            if self._warmup is not None:
                self._warmup(loading.folder_of(version.path), servable)
            if loading.fingerprint(version.path) != tried:
                raise StatusError(
                    grpc.StatusCode.UNAVAILABLE,
                    f"The files of {version.path} changed while they were loaded",
                )
            executor = self._make_executor(version.model.config.name, servable)
        except BaseException:
            servable.close()
            raise
        return Lease(version.model.config.name, version.number, servable, executor)

    def _loaded(self, version: Version, lease: Lease) -> None:
        model = version.model
        with self.lock:
            version.lease = lease
            version.failures, version.error_code, version.error_message = 0, 0, ""
            if model.dropped or (not version.aspired and model.serving):
                self._unload(version)
            else:
                self._set(version, State.AVAILABLE)
                model.publish()
                self._settle(model)

    def _failed(
        self, version: Version, code: int, message: str, tried: loading.Fingerprint
    ) -> None:
        with self.lock:
            version.failures += 1
            version.error_code, version.error_message, version.tried = code, message, tried
            again = version.aspired and version.failures <= self._max_retries
            if again:
                version.retry_at = time.monotonic() + self._retry_interval
                self.wake.set()
            else:
                self._set(version, State.END)
                self._settle(version.model)
        when = f"; it is tried again in {self._retry_interval:g} s" if again else ""
        logging.error("Loading servable: %s failed: %s%s", version, message, when)

    def _settle(self, model: Model) -> None:
        """Unloads what is not aspired, unless nothing else answers. Under the lock."""
        replaced = model.dropped or any(each.aspired for each in model.serving.values())
        for version in list(model.versions.values()):
            if version.aspired:
                continue
            if version.state is State.AVAILABLE and replaced:
                self._unload(version)
            elif version.retry_at is not None or version.failed:
                self._end(version)
        model.publish()

    def _unload(self, version: Version) -> None:
        self._set(version, State.UNLOADING)
        if version.holders == 0:
            self._retire(version)

    def _retire(self, version: Version) -> None:
        """Nobody holds it any more. Under the lock, once for each version."""
        try:
            self._unloads.submit(self._free, version)
        except RuntimeError:  # All is closed, and this was the last request.
            threading.Thread(target=self._free, args=[version], name="unload").start()

    def _free(self, version: Version) -> None:
        """In an unload thread."""
        started = time.monotonic()
        lease, version.lease = version.lease, None
        try:
            assert lease is not None
            lease.executor.close()
            lease.servable.close()
        except Exception:
            logging.exception("Unloading servable: %s failed", version)
        seconds = time.monotonic() - started
        logging.info("Successfully unloaded servable version %s in %.2f s", version, seconds)
        with self.lock:
            self._end(version)
        self.tell()

    def _end(self, version: Version) -> None:
        """It lives no more. Under the lock."""
        model = version.model
        if version.state is not State.END:
            self._set(version, State.END)
        version.retry_at = None
        if model.versions.get(version.path) is version:
            del model.versions[version.path]
            if version.aspired:  # Anew, since it was unloaded.
                self._begin(Version(model, version.number, version.path))
        shown = self.shown[model.config.name]
        ended = sorted(each for each in shown if shown[each].state is State.END)
        for number in ended[:-_ENDED]:
            del shown[number]

    def _set(self, version: Version, state: State) -> None:
        version.state = state
        name = version.model.config.name
        if self.shown[name].get(version.number) is version:  # Else another took its place.
            self._changes.append((name, version.status()))
        self.changed.notify_all()
