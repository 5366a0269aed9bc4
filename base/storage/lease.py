"""One writer for a folder in an object store, of whatever machine.

A writer holds the lease that has the highest number, `.digitline-lease-<n>`, and writes it again
every few seconds. A lease that is not written again for a while is taken to be of a writer that is
gone: the next one makes the lease n + 1, which only one can, where the store knows conditional
requests. No clocks are compared.

What it does not do: a writer that was asleep for longer (a suspended machine) notices before it
writes the next time; what it had begun to write then still comes.
"""

import contextlib
import dataclasses
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from .. import addresses, progress
from ..errors import UserError
from ..files import JsonObject
from .staging import HIDDEN
from .store import Store, StoreError

_NAME = f"{HIDDEN}lease-"
RENEW_S, GONE_S, LOOK_S = 10.0, 60.0, 2.0


class LostError(UserError):
    """Another process writes in a folder that was ours."""


@dataclasses.dataclass(frozen=True)
class _Seen:
    """The lease that counts: its number, its name, and what tells it from the one before."""

    number: int
    tag: str

    @property
    def name(self) -> str:
        return f"{_NAME}{self.number}"


class Lease:
    """The right to write below an address, until it is given back.

    Args:
      folder: the mirror of the address.
      doing: what for, in words that go before "in".

    Raises:
      UserError: another process has it; the store does not answer.
    """

    def __init__(self, folder: Path, doing: str):
        self._address = addresses.address_of(folder) or ""
        self._doing, self._store = doing, Store(self._address)
        self._owner = {**_process(), "doing": doing, "token": uuid.uuid4().hex}
        self._beats = 0
        self._number = self._take()
        self._ended = threading.Event()
        self._renewing = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._renewing.start()

    def check(self) -> None:
        """Raises `LostError` if another process has taken the lease since."""
        newest = self._newest()
        if newest is not None and newest.number > self._number:
            raise LostError(
                f"{self._address}: another process is {self._doing} there since this one did not "
                f"answer for {GONE_S:g} s; this one ends"
            )

    def close(self) -> None:
        """Gives it back."""
        self._ended.set()
        self._renewing.join()
        with contextlib.suppress(StoreError):  # Then it is taken to be gone, after a while.
            self._store.remove([f"{_NAME}{self._number}"])

    def _take(self) -> int:
        while True:
            newest = self._newest()
            if newest is not None and not self._is_gone(newest):
                continue  # It was given back, or taken over.
            number = newest.number + 1 if newest else 1
            if self._store.create(f"{_NAME}{number}", self._content()):
                if newest is not None:
                    self._store.remove([newest.name])
                return number

    def _is_gone(self, seen: _Seen) -> bool:
        """Whether a writer is gone; waits until that is known.

        Returns:
          False where the lease was given back meanwhile.

        Raises:
          UserError: it goes on.
        """
        owner = self._owner_of(seen)
        if _is_dead_here(owner):
            return True
        begun = time.monotonic()
        who = f"process {owner.get('pid', '?')} on {owner.get('host', '?')}"
        progress.say(
            f"{self._address} is being written by {who}: looking whether it goes on (if it does "
            f"not, it is taken over in {GONE_S:g} s)"
        )
        while time.monotonic() - begun < GONE_S:
            time.sleep(LOOK_S)
            now = self._newest()
            if now is None:
                return False
            if now != seen:
                raise UserError(
                    f"another process is {owner.get('doing', self._doing)} in {self._address} "
                    f"({who}); wait for it or use another folder"
                )
        return True

    def _newest(self) -> _Seen | None:
        leases = [
            _Seen(int(number), facts.tag)
            for name, facts in self._store.right_there().items()
            if name.startswith(_NAME) and (number := name.removeprefix(_NAME)).isdecimal()
        ]
        return max(leases, key=lambda seen: seen.number, default=None)

    def _owner_of(self, seen: _Seen) -> JsonObject:
        with contextlib.suppress(StoreError, ValueError):
            owner = json.loads(self._store.read(seen.name))
            return owner if isinstance(owner, dict) else {}
        return {}

    def _content(self) -> bytes:
        self._beats += 1
        return json.dumps({**self._owner, "beat": self._beats}).encode()

    def _renew(self) -> None:
        while not self._ended.wait(RENEW_S):
            with contextlib.suppress(UserError):  # It is tried again, and `check` comes before use.
                self.check()
                self._store.write(f"{_NAME}{self._number}", self._content())


@contextlib.contextmanager
def held(folder: Path, doing: str) -> Iterator[Lease | None]:
    """Holds the lease of a mirror's address while the block lasts; of any other folder, nothing."""
    if addresses.address_of(folder) is None:
        yield None
        return
    lease = Lease(folder, doing)
    try:
        yield lease
    finally:
        lease.close()


def _process() -> JsonObject:
    return {
        "host": socket.gethostname(),
        "boot": _boot(),
        "pid": os.getpid(),
        "started": _started(os.getpid()),
    }


def _is_dead_here(owner: JsonObject) -> bool:
    """Whether it is a process of this machine that has ended; False where that is not known."""
    boot = owner.get("boot")
    if not boot or (owner.get("host"), boot) != (socket.gethostname(), _boot()):
        return False
    return _started(int(owner.get("pid", 0))) != owner.get("started")


def _boot() -> str:
    """Tells this start of the machine, and this container, from others; empty if not known."""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    return ""


def _started(pid: int) -> str:
    """When a process was started, in ticks since the machine was; empty if there is none."""
    with contextlib.suppress(OSError, IndexError):
        state, *facts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if state == "Z" else facts[18]
    return ""
