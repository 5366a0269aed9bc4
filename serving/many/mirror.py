"""The models of a process that its parent tells what to serve."""

import asyncio
import dataclasses
import threading
from collections.abc import Callable, Mapping

import grpc

from ..core import loading
from ..core.executor import Lease, MakeRun, in_own_thread
from ..core.lifecycle import Model, Version
from ..core.servable import Servable
from ..core.served import Served
from ..flags import ServeOptions
from ..protocol.models import State, VersionStatus
from ..protocol.status import StatusError
from .orders import Load, Row, Table

_AT_ONCE = 4  # Loads.
_LOOK_S = 0.05  # Between two looks at whether a version is still held.


class Mirror(Served):
    """Loads, serves and unloads what it is told, on one event loop.

    Attributes:
      has_opened: set once there are models that answer.
    """

    def __init__(
        self, options: ServeOptions, make_run: MakeRun, forget: Callable[[str, int], None]
    ):
        """There are no models yet.

        Args:
          options: of loads. The parent has verified and tried what is to be loaded.
          make_run: gives what runs the calls of a model's version.
          forget: told of a version that is unloaded.
        """
        super().__init__(threading.Lock())
        self._options = dataclasses.replace(options, verify=False)
        self._make_run, self._forget = make_run, forget
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._loads: dict[int, tuple[Load, asyncio.Task[Servable]]] = {}
        self._versions: dict[int, Version] = {}  # Those that were in a table, by number of load.
        self._shown: Mapping[str, Mapping[int, VersionStatus]] = {}
        self.has_opened = asyncio.Event()

    def shown(self, name: str) -> Mapping[int, VersionStatus]:
        return self._shown.get(name, {})

    def release(self, version: Version) -> None:
        version.holders -= 1

    async def load(self, order: Load) -> None:
        """Loads a version; raises what the runtime raises."""
        task = asyncio.ensure_future(self._opened(order))
        self._loads[order.number] = order, task
        await asyncio.shield(task)

    async def _opened(self, order: Load) -> Servable:
        async with self._turns:
            return await in_own_thread(self._open, order)

    def _open(self, order: Load) -> Servable:
        servable = loading.load(order.folder, order.platform, self._options)
        if loading.fingerprint(order.folder) != order.fingerprint:
            servable.close()
            raise StatusError(
                grpc.StatusCode.UNAVAILABLE,
                f"The files of {order.folder} have changed since the version was first loaded",
            )
        return servable

    def take(self, table: Table) -> None:
        """Replaces the models; what it names was loaded."""
        with self.lock:
            self.models = {row.config.name: self._model(row) for row in table.rows}
            self.opened = table.opened

    def _model(self, row: Row) -> Model:
        model = Model(row.config, counts=row.counts)
        model.serving = {
            version: self._version(model, version, number)
            for version, number in row.serving.items()
        }
        model.latest = model.serving[max(model.serving)] if model.serving else None
        return model

    def _version(self, model: Model, number: int, load_number: int) -> Version:
        if load_number not in self._versions:
            order, task = self._loads[load_number]
            name, servable = model.config.name, task.result()
            run = self._make_run(name, number, servable)
            lease = Lease(name, number, order.folder, servable, run)
            version = Version(model, number, order.folder, state=State.AVAILABLE, lease=lease)
            self._versions[load_number] = version
        return self._versions[load_number]

    def show(self, versions: Mapping[str, Mapping[int, VersionStatus]]) -> None:
        """Replaces what the status says."""
        with self.lock:
            self._shown = versions
        if self.opened:
            self.has_opened.set()

    async def unload(self, number: int) -> None:
        """Unloads a version, which no table names any more, when no request holds it."""
        _, task = self._loads.pop(number)
        version = self._versions.pop(number, None)
        while version is not None and version.holders:
            await asyncio.sleep(_LOOK_S)
        try:
            servable = await task
        except Exception:  # It did not load.
            return
        if version is not None:
            version.lease = None
            self._forget(version.model.config.name, version.number)
        await in_own_thread(servable.close)

    async def close(self) -> None:
        """Unloads all."""
        with self.lock:
            self.models = {}
        await asyncio.gather(*map(self.unload, list(self._loads)))
