"""The folder that a dataset is prepared in: one process's, and whole or not there at all."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ...base import addresses, files, progress
from ...base.errors import DataError
from ...base.storage.patience import patiently
from ...base.storage.pushing import push
from ...base.storage.writing import owned

# What says that the rest is there; without the last, readers look no further.
_SEALS = ("metadata.json", "features.json", "dataset_info.json")


@contextlib.contextmanager
def making(data_dir: Path, name: str, version: str, overwrite: bool) -> Iterator[Path]:
    """Gives a folder to make a dataset in, as `<name>/<version>`; puts it in place at the end.

    It appears whole, by one rename, or not at all; one that is to be replaced stays until
    then. What a killed run left there is removed first.

    In an object store there is no renaming: the file that says that it is a dataset is written
    last, and until then readers find none, or the version before. Of one that is replaced, it is
    removed first.

    Raises:
      DataError: something else is in its place.
      UserError: another process is preparing it, or the folder is not writable.
    """
    parent = data_dir / name
    target, root = parent / version, parent / "incomplete.making"
    made, replaced = root / name / version, parent / "incomplete.replaced"
    with owned(parent, f"preparing {name}"):
        if addresses.address_of(parent) is not None and not overwrite:
            shutil.rmtree(target, ignore_errors=True)  # The store has none, or nobody would ask.
        if files.remove_leftovers(parent, "incomplete.*"):
            progress.say(f"removed what an interrupted run left in {parent}")
        if target.exists() and not overwrite:
            raise DataError(
                f"{target} exists, but is not a dataset; delete it, or replace it with --overwrite",
                option="overwrite",
            )
        try:
            yield root
            files.sync_tree(made)
            if target.exists():
                os.rename(target, replaced)
            os.rename(made, target)
            files.sync(parent)
            patiently(lambda: push(target, _SEALS))
        finally:
            shutil.rmtree(root, ignore_errors=True)
            files.remove_if_unused(parent)
        shutil.rmtree(replaced, ignore_errors=True)
