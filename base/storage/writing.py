"""Writing in a folder that may be in an object store: by one process, pushed as it goes."""

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from .. import addresses, files, progress
from ..errors import UserError
from . import known, lease, staging
from .lease import Lease
from .patience import patiently
from .pushing import push
from .store import Store


@contextlib.contextmanager
def owned(folder: Path, doing: str, first: Callable[[], None] = lambda: None) -> Iterator[None]:
    """As `files.owned`; in an object store, against processes of other machines too.

    A mirror is not staged by others meanwhile.

    Args:
      folder: to hold.
      doing: what is done, in words that go before "in".
      first: done when it is held, where it is a mirror: fetches what is needed.
    """
    with lease.held(folder, doing), files.owned(folder, doing):
        if addresses.address_of(folder) is None:
            yield
            return
        first()
        with staging.being_written(folder):
            yield


@contextlib.contextmanager
def writing(
    folder: Path, doing: str, seals: Sequence[str], wanted: staging.Wanted
) -> Iterator[None]:
    """Lets a process write in a mirror, which is as its address at first, and pushed at the end.

    What was written here and did not come there is kept, if nobody else has written there since.
    Of any other folder, nothing is done.

    Args:
      folder: the mirror.
      doing: what is done, in words that go before "in".
      seals: as for `push`.
      wanted: as for `push`.

    Raises:
      UserError: another process writes there, or the store does not answer.
    """
    address = addresses.address_of(folder)
    if address is None:
        yield
        return
    with lease.held(folder, doing) as held:
        assert held is not None
        with staging.being_written(folder):
            _take_up(folder, Store(address), wanted)
            session = _Session(folder, held, seals, wanted)
            _SESSIONS[folder] = session
            try:
                yield
            except BaseException:
                try:
                    session.end()
                except UserError as error:
                    progress.say(f"note: {error}")
                raise
            else:
                session.end()
            finally:
                del _SESSIONS[folder]


def saved(folder: Path) -> None:
    """Tells that the files in a folder go together now; pushes them if it is being written.

    Returns at once: they are pushed by a thread, unless it is still busy with those before.

    Raises:
      UserError: for a long time none could be pushed, or another process has taken the folder.
    """
    session = _SESSIONS.get(folder)
    if session is not None:
        session.offer()


def _take_up(folder: Path, store: Store, wanted: staging.Wanted) -> None:
    listed = staging.visible(store.listing(), wanted)
    before = staging.visible(known.read(folder), wanted)
    same = before.keys() == listed.keys() and all(
        facts.is_of(listed[name]) for name, facts in before.items()
    )
    if not same:
        staging.bring(folder, store, listed, wanted)
        return
    # Nobody else has written there: what is newer here goes on, what is gone here is fetched.
    lost = {name for name in before if not (folder / name).is_file()}
    staging.bring(folder, store, {name: listed[name] for name in lost}, lost.__contains__)


class _Session:
    """Pushes a mirror in a thread."""

    def __init__(self, folder: Path, held: Lease, seals: Sequence[str], wanted: staging.Wanted):
        self._folder, self._lease = folder, held
        self._seals, self._wanted = seals, wanted
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self._error: Exception | None = None

    def offer(self) -> None:
        if self._error is not None:
            raise self._error
        if self._thread is not None and self._thread.is_alive():
            return
        held = contextlib.ExitStack()
        copy = held.enter_context(_copied(self._folder, self._wanted))
        self._thread = threading.Thread(target=self._push_copy, args=[copy, held], name="push")
        self._thread.start()

    def end(self) -> None:
        """Pushes all; what has begun comes to its end first."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
        if isinstance(self._error, lease.LostError):
            raise self._error
        patiently(lambda: self._push(self._folder))

    def _push_copy(self, copy: Path, held: contextlib.ExitStack) -> None:
        with held:
            try:
                patiently(lambda: self._push(copy), self._wait)
            except _Ended:
                pass
            except Exception as error:  # Whoever offers the next one is told.
                self._error = error

    def _push(self, source: Path) -> None:
        self._lease.check()
        push(self._folder, self._seals, source=source, wanted=self._wanted)

    def _wait(self, seconds: float) -> None:
        if self._ending.wait(seconds):
            raise _Ended


class _Ended(Exception):  # noqa: N818 (it is not an error)
    """The last push does all that is left."""


_SESSIONS: dict[Path, _Session] = {}


@contextlib.contextmanager
def _copied(folder: Path, wanted: staging.Wanted) -> Iterator[Path]:
    """A folder that stays as the mirror is now; a file is the same one, unless it is written on."""
    with staging.incoming() as copy:
        for name in filter(wanted, staging.files_in(folder)):
            source, target = folder / name, copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.suffix in (".keras", ".index", ".json") or ".data-" in source.name:
                os.link(source, target)  # These are replaced, and never changed.
            else:
                shutil.copy2(source, target)
        yield copy
