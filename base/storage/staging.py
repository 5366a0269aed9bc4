"""What an address holds, brought to its mirror: complete, or the mirror stays as it was.

What is there already and unchanged is not fetched again. Two processes that want the same at once
take turns: the second finds it there.
"""

import concurrent.futures
import contextlib
import fcntl
import fnmatch
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from .. import addresses, files, progress
from ..errors import DataError
from ..process import temporary
from . import known
from .known import Known
from .store import Object, Store

# Objects that are not part of what an address holds: leases, and what is being written.
HIDDEN = ".digitline-"
# Transfers at once: a small object is all waiting.
THREADS = 16
# A store may be written to while it is read: then it is read again, this many times in all.
_TRIES = 3
# Larger fetches are announced, and show their progress.
_SAID_BYTES = 1 << 20

Wanted = Callable[[str], bool]
Facts = TypeVar("Facts")


def everything(name: str) -> bool:
    """Wants all that an address holds."""
    return True


def stage(path: Path, wanted: Wanted = everything) -> None:
    """Makes a mirror hold what its address does now; nothing to do for any other path.

    A folder that this machine itself writes at the moment (`writing`) is left as it is.

    Args:
      path: of a folder, or of a file.
      wanted: the part that is wanted, by the names below the folder; the rest is left alone.

    Raises:
      StoreError: the store does not answer; the mirror is as it was.
      DataError: there is nothing at the address, or it changes all the time.
    """
    address = addresses.address_of(path)
    if address is None:
        return
    with _own_turn(path, address), _unless_written(path) as is_free:
        if is_free:
            _stage(path, Store(address), wanted)


def listing(folder: Path) -> dict[str, Object]:
    """What the address of a mirror holds; raises as `Store.listing`."""
    return visible(Store(addresses.address_of(folder) or "").listing())


def _stage(path: Path, store: Store, wanted: Wanted) -> None:
    for _ in range(_TRIES):
        listed = store.listing()
        if not listed:
            raise DataError(f"{store.address}: there is nothing")
        if "" in listed:  # One object: its folder is what the rest is told of.
            store = Store(store.address.rpartition("/")[0])
            listed, wanted, path = {path.name: listed[""]}, {path.name}.__contains__, path.parent
            bring(path, store, listed, wanted)
            return
        listed = visible(listed, wanted)
        bring(path, store, listed, wanted)
        if visible(store.listing(), wanted) == listed:
            return
    raise DataError(f"{store.address} is written to while it is read: try again when that is over")


def but(patterns: Sequence[str]) -> Wanted:
    """Wants all but what is called by a pattern."""
    return lambda name: not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def visible(listed: Mapping[str, Facts], wanted: Wanted = everything) -> dict[str, Facts]:
    """What is wanted, by its name, without what is hidden."""
    return {name: facts for name, facts in listed.items() if not is_hidden(name) and wanted(name)}


def is_hidden(name: str) -> bool:
    """Whether it is a file or an object of nobody's but the writer's."""
    return any(part.startswith((HIDDEN, temporary.TEMPORARY, ".lock")) for part in name.split("/"))


def bring(folder: Path, store: Store, listed: Mapping[str, Object], wanted: Wanted) -> None:
    """Fetches what a mirror lacks of a listing, and removes what is not listed.

    Args:
      folder: the mirror.
      store: of its address.
      listed: what there is to be of what is `wanted`.
      wanted: as for `stage`.
    """
    before = known.read(folder)
    missing = {
        name: facts
        for name, facts in listed.items()
        if not (
            name in before and before[name].is_of(facts) and before[name].is_still(folder / name)
        )
    }
    superfluous = [name for name in files_in(folder) if wanted(name) and name not in listed]
    after = {name: facts for name, facts in before.items() if not wanted(name) or name in listed}
    if not missing and not superfluous and after == before:
        return
    with incoming() as come:
        _fetch(store, missing, come)
        for name in superfluous:
            (folder / name).unlink(missing_ok=True)
        _remove_empty(folder, superfluous)
        for name, facts in missing.items():
            after[name] = _put(come / name, folder / name, facts)
    known.write(folder, after)


def files_in(folder: Path) -> list[str]:
    """The files of a mirror's folder and below, by their paths from there; without hidden ones."""
    return [
        name
        for place, _, names in os.walk(folder)
        for file in names
        if not is_hidden(name := Path(place, file).relative_to(folder).as_posix())
    ]


def _fetch(store: Store, missing: Mapping[str, Object], incoming: Path) -> None:
    total = sum(facts.size for facts in missing.values())

    def fetch(name: str) -> int:
        target = incoming / name
        target.parent.mkdir(parents=True, exist_ok=True)
        store.download(name, target)
        size = target.stat().st_size
        if size != missing[name].size:
            raise DataError(
                f"{store.address}/{name}: {size:,} bytes came of {missing[name].size:,}; try again"
            )
        return size

    if total >= _SAID_BYTES:
        progress.say(f"fetching {len(missing):,} files of {store.address} ({total / 1e6:,.0f} MB)")
    with progress.Progress(f"fetching {store.address}", total, unit="bytes") as bar:
        for size in in_parallel(fetch, list(missing)):
            bar.advance(size)


def in_parallel(work: Callable[[str], int], names: list[str]) -> Iterator[int]:
    """The results for names, in whatever order; after an error none is begun any more."""
    with concurrent.futures.ThreadPoolExecutor(min(THREADS, max(len(names), 1)), "store") as pool:
        futures = [pool.submit(work, name) for name in names]
        try:
            for future in concurrent.futures.as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _put(source: Path, target: Path, facts: Object) -> Known:
    """Moves a file that has come into its place, with the object's time.

    Stores tell whole seconds: the rest is of the object's tag, so that one that was written twice
    in a second, with as many bytes, has another time.
    """
    if facts.time:
        part = int.from_bytes(hashlib.sha256(facts.tag.encode()).digest()[:8], "big") % 10**9
        time_ns = int(facts.time) * 10**9 + part
        os.utime(source, ns=(time_ns, time_ns))
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(source, target)
    return Known(facts.size, facts.tag, target.stat().st_mtime_ns)


def _remove_empty(folder: Path, names: list[str]) -> None:
    for name in names:
        parent = (folder / name).parent
        while parent != folder and parent.is_dir() and not any(parent.iterdir()):
            with contextlib.suppress(OSError):
                parent.rmdir()
            parent = parent.parent


def incoming() -> contextlib.AbstractContextManager[Path]:
    """A temporary folder beside the mirrors, in the same file system."""
    return temporary.folder(files.ensure_folder(addresses.cache() / "incoming"))


@contextlib.contextmanager
def _own_turn(path: Path, address: str) -> Iterator[None]:
    """Lets one process at a time change a mirror."""
    with _opened(path, "turn") as lock:
        begun, said = time.monotonic(), False
        while not _locked(lock, fcntl.LOCK_EX):
            if not said and time.monotonic() - begun > 1:
                progress.say(f"waiting for another process that fetches {address}")
                said = True
            time.sleep(0.1)
        yield


@contextlib.contextmanager
def _unless_written(path: Path) -> Iterator[bool]:
    """Whether no process of this machine writes the mirror, or the folder that it is in."""
    with contextlib.ExitStack() as stack:
        for folder in (path, *path.parents):
            if addresses.address_of(folder) is None:
                break
            lock = _place(folder, "writer")
            if lock.exists():
                file = stack.enter_context(open(lock))
                if not _locked(file.fileno(), fcntl.LOCK_SH):
                    yield False
                    return
        yield True


@contextlib.contextmanager
def being_written(path: Path) -> Iterator[None]:
    """Keeps a mirror from being staged by others while the block lasts."""
    with _opened(path, "writer") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _opened(path: Path, kind: str) -> Iterator[int]:
    place = _place(path, kind)
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(place, "a", encoding="utf-8") as file:
        yield file.fileno()


def _place(path: Path, kind: str) -> Path:
    return addresses.beside(path, "locks") / f".{kind}"


def _locked(lock: int, how: int) -> bool:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
