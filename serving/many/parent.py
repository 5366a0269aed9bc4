"""The parent of several server processes: it decides on versions and tries them, and opens none."""

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from absl import logging

from ...base.errors import UserError
from .. import operations
from ..core import config, loading
from ..core.executor import in_own_thread
from ..core.manager import Manager
from ..core.servable import Servable
from ..flags import ServeOptions
from ..process.ending import LEAVE_S, stop_signal
from ..process.metrics import Metrics, in_text
from ..protocol import messages
from ..protocol.models import VersionStatus
from ..protocol.status import StatusError, invalid
from ..trials import Trials
from . import ports, sums
from .fleet import Fleet
from .orders import CollectAll, Question, Reload, Row, Shown, Table

# Of the time to leave, what is left for the parent itself.
_OWN_S = 1.0
_FAILED_S = 5.0  # For the processes to end where the server cannot start.


@dataclasses.dataclass(frozen=True)
class _Remote(Servable):
    """A version that the processes have loaded by this number, and the parent has not."""

    number: int = 0


def _not_here(
    signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
) -> list[np.ndarray]:
    raise NotImplementedError


async def _no_run(
    api: str, signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
) -> list[np.ndarray]:
    raise NotImplementedError


async def serve_until_signal(options: ServeOptions, trials: Trials) -> int:
    """As `service.serve_until_signal`, by `options.servers` processes."""
    logging.get_absl_handler().setFormatter(operations.LogFormat())
    with stop_signal(options.shutdown_grace_seconds + LEAVE_S) as stopping:
        return await serve(options, stopping, operations.say, trials)


async def serve(
    options: ServeOptions,
    stopping: "asyncio.Future[str]",
    say: Callable[[str], None],
    trials: Trials,
) -> int:
    """As `service.serve`, by `options.servers` processes."""
    asyncio.get_running_loop().set_exception_handler(operations.Complaints())
    models, content = operations.configured(options)
    async with contextlib.AsyncExitStack() as stack:
        ports.reserved(options, stack)
        parent = _Parent(options, trials)
        stack.push_async_callback(in_own_thread, parent.manager.close)
        stack.callback(trials.close)  # Before: the manager waits for loads that run.
        stack.push_async_callback(parent.fleet.stop, _FAILED_S)

        async def start() -> None:
            await parent.fleet.start()
            await parent.apply(models)
            say(await parent.fleet.welcome())

        try:
            started = await operations.before(stopping, start())
        except StatusError as error:
            raise UserError(error.message) from error
        if started:
            following = operations.following_config(options, content, parent.apply)
            await operations.before(stopping, asyncio.gather(parent.follow(), *following))
        say(f"{stopping.result()}: no new requests; those that run may finish")
        await parent.fleet.stop(options.shutdown_grace_seconds + LEAVE_S - _OWN_S)
        return sums.requests(await parent.total())


class _Parent:
    """What decides, and what carries it out.

    Attributes:
      manager: of the versions, which finds, tries, swaps and retries them.
      fleet: the processes, which load and serve them.
    """

    def __init__(self, options: ServeOptions, trials: Trials):
        self._options, self._trials = options, trials
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._metrics = Metrics()
        self.manager = Manager(self._load, lambda *_: _no_run, options, self._version)
        self.fleet = Fleet(options, options.servers, self._answer, self._snapshot)
        self._apply = operations.one_by_one(self.manager.apply)

    async def apply(self, models: Sequence[config.ModelConfig]) -> None:
        """Puts a configuration in force in all processes."""
        try:
            await self._apply(models)
        finally:
            await self.fleet.publish()

    async def follow(self) -> None:
        """Lets the processes follow each change of a version."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self.fleet.publish()

    async def total(self) -> sums.Metrics:
        """The metrics of all processes."""
        return self.fleet.sums.total(self._metrics.collect(), await self.fleet.metrics())

    def _version(self, model: str, status: VersionStatus) -> None:
        """A version has a new state. Under the manager's lock."""
        self._metrics.version(model, status)
        self._loop.call_soon_threadsafe(self._changed.set)

    def _load(self, folder: Path, platform: str) -> Servable:
        """In a load thread."""
        fingerprint = loading.fingerprint(folder)
        loading.check(folder, platform, self._options, self._trials)
        order = self.fleet.order(folder, platform, fingerprint)
        asyncio.run_coroutine_threadsafe(self.fleet.load(order), self._loop).result()

        def close() -> None:
            unloading = self.fleet.unload(order.number)
            asyncio.run_coroutine_threadsafe(unloading, self._loop).result()

        return _Remote({}, {}, _not_here, close, number=order.number)

    def _snapshot(self) -> tuple[Table, Shown]:
        with self.manager.lock:
            rows = tuple(
                Row(
                    model.config,
                    model.counts,
                    {
                        number: version.lease.servable.number
                        for number, version in model.serving.items()
                        if version.lease and isinstance(version.lease.servable, _Remote)
                    },
                )
                for model in self.manager.models.values()
            )
            shown = {name: dict(self.manager.shown(name)) for name in self.manager.known()}
            return Table(rows, self.manager.opened), Shown(shown)

    async def _answer(self, question: Question[object]) -> object:
        """What a process is answered."""
        if isinstance(question, CollectAll):
            return in_text(await self.total())
        assert isinstance(question, Reload)
        message = messages.ModelServerConfig.FromString(question.content)
        try:
            await self.apply(config.from_message(message))
        except UserError as error:
            raise invalid(str(error)) from error
        return None
