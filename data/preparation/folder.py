"""The folder that a dataset is prepared in: one process's, and whole or not there at all."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ...base import addresses, files, progress
from ...base.errors import DataError, UserError
from ...base.process import temporary
from ...base.storage.patience import patiently
from ...base.storage.pushing import push
from ...base.storage.writing import owned
from .. import metadata

# What is being made; and what was replaced, where the two cannot be exchanged, with its version.
_MAKING, _REPLACED = "incomplete.making", "incomplete.replaced."
# What says that the rest is there; without the last, readers look no further.
_SEALS = ("metadata.json", "features.json", "dataset_info.json")


@contextlib.contextmanager
def making(data_dir: Path, name: str, version: str, overwrite: bool) -> Iterator[Path]:
    """Gives a folder to make a dataset in, as `<name>/<version>`; puts it in place at the end.

    It appears whole, by one rename, or not at all; one that is to be replaced stays until
    then. What a killed run left there is removed first, as `recover` does.

    In an object store there is no renaming: the file that says that it is a dataset is written
    last, and until then readers find none, or the version before. Of one that is replaced, it is
    removed first.

    Raises:
      DataError: something else is in its place.
      UserError: another process is preparing it, or the folder is not writable.
    """
    parent = data_dir / name
    target, root = parent / version, parent / _MAKING
    with owned(parent, f"preparing {name}"):
        if addresses.address_of(parent) is not None and not overwrite:
            shutil.rmtree(target, ignore_errors=True)  # The store has none, or nobody would ask.
        _clear(parent, name)
        if target.exists() and not overwrite:
            raise DataError(
                f"{target} exists, but is not a dataset; delete it, or replace it with --overwrite",
                option="overwrite",
            )
        try:
            with files.naming(target):  # Or what is made for it.
                yield root
            metadata.seal(root / name / version)
            files.sync_tree(root / name / version)
            _put(root / name / version, target)
            files.sync(parent)
            patiently(lambda: push(target, _SEALS))
        finally:
            with contextlib.suppress(OSError):
                _clear(parent, name)
            files.remove_if_unused(parent)


def recover(data_dir: Path, name: str) -> None:
    """Puts a dataset back that a killed run was about to replace, and removes what that run left.

    Nothing is done while another process prepares it, or where nothing can be written.
    """
    parent = data_dir / name
    if addresses.address_of(parent) is None and any(parent.glob("incomplete.*")):
        with contextlib.suppress(UserError), owned(parent, f"preparing {name}"):
            progress.say(f"removing what an interrupted run left in {parent}")
            _clear(parent, name)
            files.remove_if_unused(parent)


def _put(made: Path, target: Path) -> None:
    """Puts a dataset in place, whole and on disk, instead of the one that may be there."""
    if not target.exists():
        os.rename(made, target)
    elif not files.exchange(made, target):
        # Killed between the two, it has to be recovered.
        os.rename(target, target.with_name(_REPLACED + target.name))
        os.rename(made, target)


def _clear(parent: Path, name: str) -> None:
    """Removes what is incomplete; but for a dataset whose place is empty, which goes there."""
    for replaced in parent.glob(f"{_REPLACED}*"):
        target = parent / replaced.name.removeprefix(_REPLACED)
        if not target.exists():
            made = parent / _MAKING / name / target.name  # Whole, since the other one had to go.
            os.rename(made if made.exists() else replaced, target)
            files.sync(parent)
            progress.say(f"{target} is in its place again, which a killed run had left empty")
    temporary.remove_leftovers(parent, "incomplete.*")
