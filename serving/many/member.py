"""A server process as its parent has it: started, talked to, ended."""

import asyncio
import os
import socket
import subprocess
from collections.abc import Awaitable, Callable

import prometheus_client

from ...base.errors import how_ended
from ..core.executor import in_own_thread
from ..flags import cores
from ..process import spawned
from .line import Line
from .orders import Farewell, Question

_PROCESS = f"{__package__}.child"
_LEAVE_S = 5.0  # From the end of a process's line to its end.

# What a process may ask of its parent.
Answer = Callable[[Question[object]], Awaitable[object]]


class Member:
    """A server process that runs.

    Attributes:
      metrics: the last ones that it has told.
      ending: done when it has ended; how.
    """

    def __init__(self, process: "subprocess.Popen[bytes]"):
        self.process = process
        self.line: Line
        self.metrics: list[prometheus_client.Metric] = []
        self.ending: asyncio.Future[str]

    @classmethod
    async def started(cls, servers: int, answer: Answer) -> "Member":
        """Starts one, which must be told its setup.

        Args:
          servers: how many processes share the machine.
          answer: of what it asks.
        """
        ours, theirs = socket.socketpair()
        # Each must not think that all cores are its own.
        threads = str(max(cores() // servers, 1))
        with theirs:
            process = subprocess.Popen(
                spawned.python(_PROCESS, str(theirs.fileno())),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for the parent, which tells the others.
                env={"TF_NUM_INTRAOP_THREADS": threads, **os.environ},
            )
        member = cls(process)

        async def answered(question: Question[object]) -> object:
            if isinstance(question, Farewell):
                member.metrics = question.metrics
                return None
            return await answer(question)

        member.line = await Line.opened(ours, answered)
        member.ending = asyncio.ensure_future(member._end())
        return member

    async def _end(self) -> str:
        await self.line.run()
        await self.line.close()
        try:
            status = await in_own_thread(self.process.wait, _LEAVE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = await in_own_thread(self.process.wait)
        return how_ended(status)
