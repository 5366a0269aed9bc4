"""Versions of models in object stores: which are complete, and their mirrors on this machine.

A version of digitline is complete when its manifest is there, which is written last. Somebody
else's has none: it is when its objects have been the same for `SETTLED_S`.
"""

import re
import shutil
import threading
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from ..base import addresses, export_layout
from ..base.errors import UserError
from ..base.storage import known, staging
from ..base.storage.store import Object, Store

SETTLED_S = 2.0

_Objects = Mapping[str, Object]
# By the folder of a version: its objects when they were last listed, and since when they are so.
_SEEN: dict[Path, tuple[_Objects, float]] = {}
_LOCK = threading.Lock()


def versions(base_path: Path) -> dict[Path, frozenset[str]]:
    """The numbered folders in the mirror of a base path, with the names of their objects.

    One that is not complete yet has none.

    Raises:
      StoreError: the store does not answer.
    """
    is_first = not any(folder.parent == base_path for folder in _SEEN)
    listed = _listed(base_path)
    if is_first and not all(map(_is_complete, listed, listed.values())):
        time.sleep(SETTLED_S)  # Somebody else's is there as likely as not.
        listed = _listed(base_path)
    return {
        folder: frozenset(objects if _is_complete(folder, objects) else ())
        for folder, objects in listed.items()
    }


def is_there(base_path: Path) -> bool:
    """Whether a base path exists; raises as `versions` where it is an address."""
    if addresses.address_of(base_path) is None:
        return base_path.is_dir()
    return bool(staging.listing(base_path))


def refresh(folder: Path) -> None:
    """Brings a version again if its objects are others than those that were brought.

    Raises:
      StoreError: the store does not answer.
    """
    if folder not in _SEEN:
        return
    objects, _ = _SEEN[folder]
    there = known.read(folder)
    listed = staging.visible(objects)
    if any(name not in there or not there[name].is_of(facts) for name, facts in listed.items()):
        staging.stage(folder)


def tidy(base_path: Path, used: Collection[Path]) -> None:
    """Deletes the mirrors of versions that are gone from the store, and not used."""
    if addresses.address_of(base_path) is None:
        return
    for folder in base_path.glob("[0-9]*"):
        if folder not in used and folder not in _SEEN:
            shutil.rmtree(folder, ignore_errors=True)


def saved_model(path: Path) -> Path:
    """The mirror of a SavedModel, brought; of a folder of versions, of the highest complete one.

    Any other path stays as it is.

    Raises:
      UserError: there is none, or the store does not answer.
    """
    address = addresses.address_of(path)
    if address is None:
        return path
    if export_layout.SAVED_MODEL_FILE not in Store(address).right_there():
        complete = {
            int(folder.name): folder
            for folder, names in versions(path).items()
            if export_layout.SAVED_MODEL_FILE in names
        }
        if not complete:
            raise UserError(f"{path}: neither a SavedModel nor a folder of its versions")
        path = complete[max(complete)]
    staging.stage(path)
    return path


def tflite(path: Path) -> Path:
    """The mirror of a TFLite file, brought with what lies beside it; other paths stay."""
    if addresses.address_of(path) is not None:
        staging.stage(path.parent, lambda name: "/" not in name)
    return path


def _listed(base_path: Path) -> dict[Path, _Objects]:
    """The objects of each version, with the marks of those that are not finished."""
    folders: dict[Path, dict[str, Object]] = {}
    for name, facts in Store(addresses.address_of(base_path) or "").listing().items():
        version, slash, inner = name.partition("/")
        if slash and re.fullmatch("[0-9]+", version):
            folders.setdefault(base_path / version, {})[inner] = facts
    now = time.monotonic()
    with _LOCK:
        for folder in [folder for folder in _SEEN if folder.parent == base_path]:
            if folder not in folders:
                del _SEEN[folder]
        for folder, objects in folders.items():
            if folder not in _SEEN or _SEEN[folder][0] != objects:
                _SEEN[folder] = objects, now
    return dict(folders)


def _is_complete(folder: Path, objects: _Objects) -> bool:
    manifest = f"{export_layout.EXTRA}/{export_layout.SAVED_MODEL_MANIFEST}"
    if manifest in objects or export_layout.MANIFEST in objects:
        return True
    _, since = _SEEN.get(folder, ({}, time.monotonic()))
    return export_layout.UNFINISHED not in objects and time.monotonic() - since >= SETTLED_S
