"""What has changed in a mirror, brought to its address, so that no reader sees a part of it.

Some files say that others are complete: a manifest, the record of a checkpoint. They are sealed
with last: while what they stand for changes, they are not there.
"""

import fnmatch
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from .. import addresses, progress
from ..errors import UserError
from . import known, staging
from .known import Known
from .store import Store, StoreError

_SAID_BYTES = 1 << 20


class TakenError(UserError):
    """Somebody else has written what was to be written."""


def push(
    folder: Path,
    seals: Sequence[str] = (),
    *,
    source: Path | None = None,
    wanted: staging.Wanted = staging.everything,
    once: Collection[str] = (),
) -> None:
    """Makes an address hold what its mirror does; nothing to do for any other folder.

    Args:
      folder: the mirror; hidden files in it stay here.
      seals: patterns of the names, below the folder, of files that are written last, in this
        order, and removed before what they stand for changes or goes.
      source: where the files are, if not in the mirror: a copy that does not change meanwhile.
      wanted: the part that is pushed, by the names below the folder; the rest is left alone.
      once: names that must not be there yet.

    Raises:
      StoreError: the store does not answer; the same call again goes on.
      TakenError: one of `once` is there.
    """
    address = addresses.address_of(folder)
    if address is None:
        return
    source = source or folder
    store, before = Store(address), known.read(folder)
    there = list(filter(wanted, staging.files_in(source)))
    changed = [
        name for name in there if not (name in before and before[name].is_still(source / name))
    ]
    gone = [name for name in before if wanted(name) and not (source / name).is_file()]
    if not changed and not gone:
        return
    states = {name: (source / name).stat() for name in changed}
    sealing = sorted(
        (name for name in changed if _rank(name, seals)), key=lambda name: _rank(name, seals)
    )
    # A seal that is to change goes first, and those that come after it too.
    first = min((_rank(name, seals) for name in sealing if name in before), default=len(seals) + 1)
    broken = [name for name in (*sealing, *gone) if name in before and _rank(name, seals) >= first]
    store.remove(sorted(broken, key=lambda name: -_rank(name, seals)))
    known.write(folder, {name: facts for name, facts in before.items() if name not in broken})
    _upload(store, source, [name for name in changed if name not in sealing], states)
    for name in sealing:
        if name in once:
            if not store.create(name, (source / name).read_bytes()):
                raise TakenError(f"{address}/{name}: somebody else has written it meanwhile")
        else:
            store.upload(source / name, name)
    left = [name for name in gone if name not in broken]
    store.remove(sorted(left, key=lambda name: -_rank(name, seals)))
    listed = store.listing()
    after = {name: facts for name, facts in before.items() if name not in gone}
    for name, status in states.items():
        if name not in listed or listed[name].size != status.st_size:
            raise StoreError(f"{address}/{name}: it is not there as it was written; try again")
        after[name] = Known(status.st_size, listed[name].tag, status.st_mtime_ns)
    known.write(folder, after)


def _rank(name: str, seals: Sequence[str]) -> int:
    """From 1 up in the order of the seals; 0 for what is none."""
    ranks = (rank for rank, seal in enumerate(seals, 1) if fnmatch.fnmatchcase(name, seal))
    return next(ranks, 0)


def _upload(
    store: Store, source: Path, names: list[str], states: Mapping[str, os.stat_result]
) -> None:
    total = sum(states[name].st_size for name in names)
    if not names:
        return
    if total >= _SAID_BYTES:
        progress.say(f"writing {len(names):,} files to {store.address} ({total / 1e6:,.0f} MB)")

    def upload(name: str) -> int:
        store.upload(source / name, name)
        return states[name].st_size

    with progress.Progress(f"writing {store.address}", total, unit="bytes") as bar:
        for size in staging.in_parallel(upload, names):
            bar.advance(size)
