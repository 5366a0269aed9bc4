"""The workers of a cluster meet before TensorFlow connects them.

For workers that do not come TensorFlow waits an hour, without saying which they are, and hears no
Ctrl-C meanwhile. So each worker first tells the chief that it is there, at the port where the
chief's TensorFlow will listen; once all are, the chief lets them go on. A worker is gone when its
connection ends or is silent.

Lines are exchanged. A worker sends `digitline <its index> <number of workers>` each second. The
chief sends `wait <indices of the missing ones>` each second, and at last `go`, or `end <why>`.
"""

import contextlib
import re
import socket
import time
from collections.abc import Sequence

from ....base import progress
from ....base.errors import UserError
from ..interrupts import Interrupts, Stopped
from .cluster import Cluster
from .link import Link

# In seconds: between two looks; after how long it is said who is missing; how long one that came
# and left may take to come back; and how long the chief waits until all have heard its last word.
_LOOK_S, _SAID_S, _GONE_S, _PARTING_S = 0.1, 10.0, 25.0, 5.0
_HELLO = re.compile(r"digitline (\d{1,9}) (\d{1,9})")
_NAMED = 8  # Of more workers only the number is said.


def meet(cluster: Cluster, minutes: float) -> None:
    """Returns once all workers of the cluster are there.

    Args:
      minutes: how long this worker waits for others that have not come yet.

    Raises:
      Stopped: a signal came.
      UserError: one did not come in that time, or came and left; or the port is taken.
    """
    with Interrupts() as interrupts:
        wait = _Wait(cluster, minutes, interrupts)
        (_follow if cluster.index else _lead)(cluster, wait)


class _Wait:
    """How long it has been waited, for whom, and what is said of it."""

    def __init__(self, cluster: Cluster, minutes: float, interrupts: Interrupts):
        self._cluster, self._minutes, self._interrupts = cluster, minutes, interrupts
        self._begun = self._last_said = time.monotonic()
        self._said: list[int] = []
        self._came: set[int] = set()
        self._left: dict[int, float] = {}

    def is_here(self, index: int) -> None:
        """Notes that a worker has come."""
        self._came.add(index)
        self._left.pop(index, None)

    def say(self, missing: list[int]) -> None:
        """Says who is missing, after a while and when it has changed.

        Raises:
          Stopped: a signal came.
        """
        if number := self._interrupts.number:
            raise Stopped(
                f"{self._interrupts.name} while waiting for {self._names(missing)}: training has "
                "not begun here; the same command on all workers begins it, or resumes",
                number,
            )
        now = time.monotonic()
        if now - self._last_said >= _SAID_S and missing != self._said:
            self._last_said, self._said = now, missing
            limit = progress.duration(self._minutes * 60)
            progress.say(f"waits for {self._names(missing)}, {limit} at most (--join_minutes)")

    def go_on(self, missing: list[int]) -> None:
        """The same, unless it has been long enough.

        Raises:
          UserError: it has.
        """
        self.say(missing)
        now = time.monotonic()
        for index in self._came.intersection(missing):
            if now - self._left.setdefault(index, now) > _GONE_S:
                self._end(f"{self._names([index])} came, and left before all had come")
        if now - self._begun > self._minutes * 60:
            limit = progress.duration(self._minutes * 60)
            self._end(f"{self._names(missing)} did not come within {limit} (--join_minutes)")

    def _end(self, why: str) -> None:
        raise UserError(f"{why}: start all workers again, with the same command")

    def _names(self, missing: Sequence[int]) -> str:
        names = [f"worker {index} ({self._cluster.workers[index]})" for index in missing]
        more = [f"{len(names) - _NAMED} more"] if len(names) > _NAMED else []
        *names, last = names[:_NAMED] + more
        return f"{', '.join(names)} and {last}" if names else last


class _Guests:
    """The workers that have come to the chief."""

    def __init__(self, listener: socket.socket, count: int):
        listener.setblocking(False)
        self._listener, self._count = listener, count
        self._links: dict[int, Link] = {}
        self._strangers: list[Link] = []

    def missing(self) -> list[int]:
        """Those that are not there now."""
        with contextlib.suppress(OSError):
            while True:
                self._strangers.append(Link(self._listener.accept()[0]))
        for link in list(self._strangers):
            if lines := link.lines_or_end():
                self._admit(link, lines[0])
            if lines != []:  # It has said who it is, or is gone.
                self._strangers.remove(link)
        for index, link in list(self._links.items()):
            if link.lines_or_end() is None:
                del self._links[index]
        return [index for index in range(1, self._count) if index not in self._links]

    def _admit(self, link: Link, line: str) -> None:
        hello = _HELLO.fullmatch(line)
        index, count = map(int, hello.groups()) if hello else (0, 0)
        if not 0 < index < self._count:
            link.close()  # No worker of this cluster.
        elif count != self._count:
            link.part(f"end it was told of {count} workers, the chief of {self._count}")
        else:
            if index in self._links:
                self._links[index].part("end another process came to the chief with this number")
            self._links[index] = link

    def tell(self, line: str) -> None:
        """Tells all, once a second."""
        for link in self._links.values():
            with contextlib.suppress(OSError):  # It is seen at the next look.
                link.say_again(line)

    def part(self, line: str) -> None:
        """Tells all, and waits until they have heard it."""
        for link in self._links.values():
            with contextlib.suppress(OSError):
                link.say(line)
        end = time.monotonic() + _PARTING_S
        while any(link.lines_or_end() is not None for link in self._links.values()):
            if time.monotonic() > end:
                return
            time.sleep(_LOOK_S / 10)


def _lead(cluster: Cluster, wait: _Wait) -> None:
    """What the chief does."""
    count = len(cluster.workers)
    with _listener(cluster) as listener:
        guests = _Guests(listener, count)
        try:
            while missing := guests.missing():
                for index in set(range(1, count)).difference(missing):
                    wait.is_here(index)
                wait.go_on(missing)
                guests.tell(f"wait {' '.join(map(str, missing))}")
                time.sleep(_LOOK_S)
        except UserError as error:
            guests.part(f"end {error}")
            raise
    guests.part("go")


def _listener(cluster: Cluster) -> socket.socket:
    """At the chief's port; on all interfaces, as TensorFlow's, unless it is for this machine."""
    host, port = _place(cluster.workers[0])
    try:
        if is_here_only(cluster):
            return socket.create_server((host, port))
        with contextlib.suppress(OSError):
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        return socket.create_server(("", port))
    except OSError as error:
        raise UserError(f"the chief cannot listen at {cluster.workers[0]}: {error}") from None


def _follow(cluster: Cluster, wait: _Wait) -> None:
    """What the others do: a connection that ends is made again."""
    place = _place(cluster.workers[0])
    while True:
        with contextlib.suppress(OSError), socket.create_connection(place, 5) as connection:
            # On one machine a port that is free can be connected to itself.
            if connection.getsockname() != connection.getpeername():
                return _until_told(Link(connection), cluster, wait)
        wait.go_on([0])
        time.sleep(_LOOK_S)


def _until_told(link: Link, cluster: Cluster, wait: _Wait) -> None:
    """Returns when the chief lets this worker go on; raises `OSError` if it is gone."""
    index, count = cluster.index, len(cluster.workers)
    missing = [0]  # Until the chief has said something.
    while True:
        for line in link.lines():
            word, _, rest = line.partition(" ")
            if word == "go":
                return
            if word == "end":
                raise UserError(f"worker {index} of {count}: {rest}")
            if word == "wait":
                wait.is_here(0)
                missing = _numbers(rest, count)
        link.say_again(f"digitline {index} {count}")
        wait.go_on(missing) if missing == [0] else wait.say(missing)
        time.sleep(_LOOK_S)


def _numbers(words: str, below: int) -> list[int]:
    numbers = [int(word) for word in words.split() if word.isdecimal()]
    return [number for number in numbers if number < below]


def _place(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def is_here_only(cluster: Cluster) -> bool:
    """Whether all workers are on this machine, by their addresses."""
    hosts = [_place(worker)[0] for worker in cluster.workers]
    return all(host == "localhost" or host.startswith("127.") for host in hosts)
