"""Loads and unloads versions, so that one always answers: the threads behind the manager."""

import concurrent.futures
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import grpc
from absl import logging

from ...base.storage import staging
from ..flags import ServeOptions
from ..protocol.models import State, VersionStatus
from ..protocol.status import StatusError, from_exception
from . import loading
from .executor import Lease, MakeRun
from .lifecycle import Model, Version
from .servable import Servable

# Versions that have ended are still named in the status; this many of each model.
_ENDED = 100


class Swapper:
    """Takes models from the versions that they have to those that are aspired.

    Attributes:
      lock: guards all models and versions. Held for a moment only, never during input
        or output: requests wait for it. Methods say where their caller holds it.
      changed: notified, under the lock, of each new state.
      shown: what the status names: by model and number, the version that last had it.
    """

    def __init__(
        self,
        load: Callable[[Path, str], Servable],
        make_run: MakeRun,
        on_change: Callable[[str, VersionStatus], None],
        options: ServeOptions,
    ):
        """As `manager.Manager` says."""
        self._open, self._make_run, self._on_change = load, make_run, on_change
        self._options = options
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.shown: dict[str, dict[int, Version]] = {}
        self._closed = False
        self._loads = concurrent.futures.ThreadPoolExecutor(
            options.num_load_threads or min(4, os.cpu_count() or 1), thread_name_prefix="load"
        )
        self._unloads = concurrent.futures.ThreadPoolExecutor(
            options.num_unload_threads or 1, thread_name_prefix="unload"
        )

    def aspire(
        self,
        model: Model,
        wanted: Mapping[int, Path],
        fingerprints: Mapping[Path, loading.Fingerprint],
    ) -> None:
        """Starts to load what is missing and to unload what is replaced. Under the lock.

        Args:
          model: whose versions are meant.
          wanted: folders of the versions that it should have, by their numbers.
          fingerprints: by folder, the files, as they are now, of versions that did not load.
        """
        folders = set(wanted.values())
        for version in model.versions.values():
            version.aspired = version.folder in folders
        for number, folder in wanted.items():
            if folder not in model.versions:
                self._begin(Version(model, number, folder))
        for version in model.versions.values():
            now = fingerprints.get(version.folder)
            if version.aspired and now is not None and version.is_repaired(now):
                version.failures, version.error = 0, None
                self._begin(version)  # There is no reason to wait.
        self._settle(model)

    def drop(self, model: Model) -> None:
        """Unloads a whole model, which is no longer configured. Under the lock."""
        model.dropped = True
        for version in model.versions.values():
            version.aspired = False
        self._settle(model)

    def release(self, version: Version) -> None:
        """A request is done with a version. Under the lock."""
        version.holders -= 1
        if version.holders == 0 and version.state is State.UNLOADING:
            self._retire(version)

    def close(self) -> None:
        """Waits for loads and unloads that run; all models were dropped. Not under the lock."""
        with self.lock:
            self._closed = True
        self._loads.shutdown(cancel_futures=True)
        self._unloads.shutdown()
        with self.lock:
            versions = [version for shown in self.shown.values() for version in shown.values()]
            for version in versions:
                if version.state in (State.START, State.LOADING):
                    self._end(version)

    def _begin(self, version: Version) -> None:
        """Plans a load. Under the lock."""
        if self._closed:
            return
        version.model.versions[version.folder] = version
        self.shown.setdefault(version.model.config.name, {})[version.number] = version
        version.stop_retry()
        version.tried = version.seen = None
        if version.state is not State.LOADING:
            self._set(version, State.START)
        self._loads.submit(self._load, version)

    def _load(self, version: Version) -> None:
        """In a load thread: tries once."""
        with self.lock:
            if not version.aspired:
                self._end(version)
                return
            self._set(version, State.LOADING)
        tried, started = (), time.monotonic()
        try:
            staging.stage(version.folder)
            tried = loading.fingerprint(version.folder)
            lease = self._leased(version, tried)
        except Exception as error:
            status = from_exception(error)
            # A new error, without a traceback: that would hold what was loaded.
            self._failed(version, StatusError(status.code, status.message), tried)
        else:
            _log("Successfully loaded", version, started)
            self._loaded(version, lease)

    def _leased(self, version: Version, tried: loading.Fingerprint) -> Lease:
        config = version.model.config
        servable = self._open(version.folder, config.platform)
        try:
            if loading.fingerprint(version.folder) != tried:
                raise StatusError(
                    grpc.StatusCode.UNAVAILABLE,
                    f"The files of {version.folder} changed while they were loaded",
                )
            run = self._make_run(config.name, version.number, servable)
        except BaseException:
            servable.close()
            raise
        return Lease(config.name, version.number, version.folder, servable, run)

    def _loaded(self, version: Version, lease: Lease) -> None:
        model = version.model
        with self.lock:
            version.lease = lease
            version.failures, version.error = 0, None
            if model.dropped or (not version.aspired and model.serving):
                self._unload(version)
            else:
                self._set(version, State.AVAILABLE)
                model.publish()
                self._settle(model)

    def _failed(self, version: Version, error: StatusError, tried: loading.Fingerprint) -> None:
        with self.lock:
            version.failures += 1
            version.error, version.tried = error, tried
            when = ""
            if version.aspired and version.failures <= self._options.max_num_load_retries:
                seconds = self._options.load_retry_interval_micros / 1e6
                when = f"; it is tried again in {seconds:g} s"
                version.retry = threading.Timer(seconds, self._retry, [version])
                version.retry.daemon = True
                version.retry.start()
            else:
                self._set(version, State.END)
                self._settle(version.model)
        logging.error("Loading servable: %s failed: %s%s", version, error.message, when)

    def _retry(self, version: Version) -> None:
        """In a timer's thread."""
        with self.lock:
            if version.retry is threading.current_thread():  # Else it was stopped too late.
                self._begin(version)

    def _settle(self, model: Model) -> None:
        """Unloads what is not aspired, unless nothing else answers. Under the lock."""
        replaced = model.dropped or any(version.aspired for version in model.serving.values())
        for version in list(model.versions.values()):
            if version.aspired:
                continue
            if version.state is State.AVAILABLE and replaced:
                self._unload(version)
            elif version.retry is not None or version.failed:
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
        lease, version.lease, started = version.lease, None, time.monotonic()
        assert lease is not None
        try:
            lease.servable.close()
        except Exception:
            logging.exception("Unloading servable: %s failed", version)
        _log("Successfully unloaded", version, started)
        with self.lock:
            self._end(version)

    def _end(self, version: Version) -> None:
        """Its life is over. Under the lock."""
        model = version.model
        if version.state is not State.END:
            self._set(version, State.END)
        version.stop_retry()
        if model.versions.get(version.folder) is version:
            del model.versions[version.folder]
            if version.aspired:  # Again, since it was unloaded.
                self._begin(Version(model, version.number, version.folder))
        shown = self.shown[model.config.name]
        ended = sorted(number for number in shown if shown[number].state is State.END)
        for number in ended[:-_ENDED]:
            del shown[number]

    def _set(self, version: Version, state: State) -> None:
        version.state = state
        name = version.model.config.name
        if self.shown[name].get(version.number) is version:  # Else another took its place.
            try:
                self._on_change(name, version.status())
            except Exception:
                logging.exception("Reporting the state of %s failed", version)
        self.changed.notify_all()


def _log(what: str, version: Version, started: float) -> None:
    logging.info("%s servable version %s in %.2f s", what, version, time.monotonic() - started)
