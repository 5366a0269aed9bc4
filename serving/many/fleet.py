"""The server processes as their parent has them: each does what all do, and is replaced."""

import asyncio
import contextlib
import dataclasses
import itertools
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import grpc
from absl import logging

from ...base.errors import UserError
from ..core.loading import Fingerprint
from ..flags import ServeOptions
from ..protocol.status import StatusError
from .line import LostError
from .member import Answer, Member
from .orders import (
    Collect,
    Load,
    Question,
    Setup,
    Shown,
    Table,
    Unload,
    Welcome,
)
from .sums import Metrics, Sums

# Within which a process that lives says that it has got a table, or what it has counted.
_TABLE_S, _COLLECT_S = 30.0, 5.0
_LOOK_S = 0.1  # Between two looks at whether there is a process.
# Before a process is replaced: twice as long each time, unless it has lived for so long.
_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0


class Fleet:
    """The processes of a server. Lives on one event loop.

    Attributes:
      sums: what the processes counted that have ended.
    """

    def __init__(
        self,
        options: ServeOptions,
        servers: int,
        answer: Answer,
        snapshot: Callable[[], tuple[Table, Shown]],
    ):
        """Starts nothing yet.

        Args:
          options: of the server.
          servers: how many processes share its ports.
          answer: of what they ask.
          snapshot: what they should serve, and what the status says, at this moment.
        """
        self._options, self._servers = options, servers
        self._answer, self._snapshot = answer, snapshot
        self._all: set[Member] = set()
        self._loading: list[Member] = []  # Those that can load.
        self._serving: list[Member] = []  # Those that have the table.
        self._live: dict[int, Load] = {}
        self._numbers = itertools.count()
        self._publishing = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._keepers: list[asyncio.Task[None]] = []
        self.sums = Sums()

    async def start(self) -> None:
        """Starts all processes; returns when they can load.

        Raises:
          UserError: one cannot start.
        """
        slots = range(self._servers)
        starting = [self._started(slot) for slot in slots]
        try:
            members = await asyncio.gather(*starting)
        except LostError:
            (how, *_) = [await member.ending for member in self._all if member.line.is_lost]
            raise UserError(f"a server process ended {how} before it could load models") from None
        except StatusError as error:
            raise UserError(error.message) from error
        for slot, member in zip(slots, members, strict=True):
            self._loading.append(member)
            self._serving.append(member)
            self._keepers.append(asyncio.ensure_future(self._keep(slot, member)))

    async def _started(self, slot: int) -> Member:
        member = await Member.started(self._servers, self._answer)
        self._all.add(member)
        await self._set_up(slot, member, is_first=True)
        return member

    async def _set_up(self, slot: int, member: Member, *, is_first: bool) -> None:
        options = self._options
        if slot > 0:  # Such a socket cannot be shared.
            options = dataclasses.replace(options, grpc_socket_path="")
        await member.line.ask(Setup(options, self._servers, is_first))

    async def _keep(self, slot: int, member: Member) -> None:
        """Replaces the process in a slot whenever it has ended."""
        pause = _PAUSE_S
        while True:
            begun = time.monotonic()
            how = await member.ending
            self._forget(member)
            if self._stopping.is_set():
                return
            if time.monotonic() - begun > _LONGEST_PAUSE_S:
                pause = _PAUSE_S
            logging.error(
                "Server process %d of %d (process ID %d) ended %s: another takes its place in %g s",
                *(slot + 1, self._servers, member.process.pid, how, pause),
            )
            replacement = None
            while replacement is None:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), pause)
                    return
                pause = min(2 * pause, _LONGEST_PAUSE_S)
                replacement = await self._replacement(slot)
            member = replacement

    def _forget(self, member: Member) -> None:
        self._all.discard(member)
        for members in (self._loading, self._serving):
            if member in members:
                members.remove(member)
        self.sums.retire(member.metrics)

    async def _replacement(self, slot: int) -> Member | None:
        """A process that serves what the others do, or that has ended; None: there can be none."""
        try:
            member = await Member.started(self._servers, self._answer)
        except OSError as error:
            logging.error("A server process cannot be started: %s", error.strerror)
            return None
        self._all.add(member)
        if self._stopping.is_set():
            member.process.kill()
        try:
            await self._set_up(slot, member, is_first=False)
            self._loading.append(member)  # It loads what comes from now on, and what is there.
            await asyncio.gather(*map(member.line.ask, [*self._live.values()]))
            async with self._publishing:
                self._serving.append(member)
                await self._publish([member])
        except LostError:  # Its end is told.
            pass
        except StatusError as error:
            logging.error("A server process cannot take its place: %s", error.message)
            member.process.kill()
        return member

    # What all processes do.

    def order(self, folder: Path, platform: str, fingerprint: Fingerprint) -> Load:
        """What is to be loaded, with a number of its own."""
        return Load(next(self._numbers), folder, platform, fingerprint)

    async def load(self, order: Load) -> None:
        """Loads a version in all processes, or in none.

        Raises:
          StatusError: what the first raised that could not; or one ended.
        """
        while not self._loading:  # They are being replaced.
            if self._stopping.is_set():
                raise StatusError(grpc.StatusCode.UNAVAILABLE, "The server is stopping")
            await asyncio.sleep(_LOOK_S)
        members = [*self._loading]
        self._live[order.number] = order
        outcomes = await asyncio.gather(
            *(member.line.ask(order) for member in members), return_exceptions=True
        )
        for member, outcome in zip(members, outcomes, strict=True):
            if outcome is None:
                continue
            await self._unload(order.number)
            if isinstance(outcome, LostError):
                how = await asyncio.shield(member.ending)
                raise StatusError(
                    grpc.StatusCode.INTERNAL,
                    f"A server process ended {how} while it loaded {order.folder}",
                )
            raise outcome

    async def unload(self, number: int) -> None:
        """Unloads a version in all processes, when no request holds it any more."""
        await self.publish()  # From now on it gets none.
        await self._unload(number)

    async def _unload(self, number: int) -> None:
        del self._live[number]
        await asyncio.gather(
            *(member.line.ask(Unload(number)) for member in self._loading), return_exceptions=True
        )

    async def publish(self) -> None:
        """Lets all processes serve what they should; returns when they do.

        Only then the status of any of them says so.
        """
        async with self._publishing:
            await self._publish(self._serving)

    async def _publish(self, members: Iterable[Member]) -> None:
        for message in self._snapshot():
            await asyncio.gather(*(self._tell(member, message) for member in members))

    async def _tell(self, member: Member, message: Question[None]) -> None:
        try:
            await asyncio.wait_for(member.line.ask(message), _TABLE_S)
        except LostError:
            pass
        except asyncio.TimeoutError:
            logging.error("The server process %d hangs: it is killed", member.process.pid)
            member.process.kill()

    async def welcome(self) -> str:
        """What the first process says that serves."""
        asking = [member.line.ask(Welcome()) for member in self._serving]
        said = await asyncio.gather(*asking, return_exceptions=True)
        return next((text for text in said if isinstance(text, str)), "")

    async def metrics(self) -> list[Metrics]:
        """Those of each process, as they are now or as it told them last."""
        members = [*self._serving]
        await asyncio.gather(*map(self._collect, members))
        return [member.metrics for member in members]

    async def _collect(self, member: Member) -> None:
        with contextlib.suppress(LostError, asyncio.TimeoutError):
            member.metrics = await asyncio.wait_for(member.line.ask(Collect()), _COLLECT_S)

    async def stop(self, seconds: float) -> None:
        """Lets all processes end, and kills those that have not after so many seconds."""
        self._stopping.set()
        for member in self._all:
            member.line.finish()
        endings = [member.ending for member in self._all]
        if endings:
            await asyncio.wait(endings, timeout=seconds)
        for member in [*self._all]:
            if not member.ending.done():
                logging.error("The server process %d did not end in time", member.process.pid)
                member.process.kill()
            await member.ending
        await asyncio.gather(*self._keepers)
