"""Version numbers, and the rename by which a version appears whole or not at all.

A server that watches `saved_model/<model_name>` never sees a version that is half
written: it is made and verified in `<export_dir>/.staging`, on the same file system, and
renamed into place.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from ...base import addresses, export_layout, files, manifests, progress
from ...base.errors import UserError
from ...base.manifests import File
from ...base.process import temporary
from ...base.storage import records
from ...base.storage.writing import owned
from . import remote

_STAGING = ".staging"
# In it, from when all is verified: where each format goes, and its files' digests.
_VERIFIED = "verified.json"
# Below the export folder: what was rolled back, as <format>/<model_name>/<version>.
ROLLED_BACK = ".rolled_back"


@contextlib.contextmanager
def held(export_dir: Path, fetch: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Holds an export folder against other exports.

    A version that a killed one had published in some formats only gets the others; what else it
    left is removed.

    Args:
      export_dir: the root folder of exports.
      fetch: in an object store, brings what is needed of it, when it is held.

    Raises:
      UserError: another process exports there, or the folder is not writable.
    """
    with owned(export_dir, "exporting", fetch):
        # Where the rest has changed since, the version stays as it is.
        with contextlib.suppress(UserError, KeyError, TypeError, AttributeError):
            _complete(export_dir / _STAGING)
        temporary.remove_leftovers(export_dir, _STAGING)
        for export_format in export_layout.FORMATS:  # Versions that it was deleting.
            temporary.remove_leftovers(export_dir / export_format, f"*/{temporary.TEMPORARY}*")
        yield


@contextlib.contextmanager
def staging(export_dir: Path, fetch: Callable[[], None] = lambda: None) -> Iterator[Path]:
    """Gives an empty folder to make a version in; removes it whatever happens.

    The export folder is `held` until the block ends.
    """
    with held(export_dir, fetch):
        folder = export_dir / _STAGING
        folder.mkdir()
        try:
            with files.naming(folder):
                yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def published(export_dir: Path, model_name: str) -> dict[int, list[Path]]:
    """The folders of each version that is there, in the order of the formats."""
    versions: dict[int, list[Path]] = {}
    for export_format in export_layout.FORMATS:
        for path in (export_dir / export_format / model_name).glob("*"):
            if path.name.isdecimal() and path.is_dir():
                versions.setdefault(int(path.name), []).append(path)
    return versions


def next_version(export_dir: Path, model_name: str) -> int:
    """One more than the highest version of the model in any format; the first is 1.

    Versions that were rolled back count too: a number stands for one model for ever.
    """
    roots = (export_dir, export_dir / ROLLED_BACK)
    return 1 + max((number for root in roots for number in published(root, model_name)), default=0)


def targets(
    export_dir: Path, model_name: str, version: int, formats: Iterable[str]
) -> dict[str, Path]:
    """Where a version goes, by format.

    Raises:
      UserError: the version is there already, or was, and was rolled back.
    """
    folders = {}
    if away := published(export_dir / ROLLED_BACK, model_name).get(version):
        raise UserError(
            f"version {version} of {model_name} was rolled back, into {away[0]}; a number stands "
            "for one model for ever: take another --version, or none for the next"
        )
    for name in formats:
        folder = export_layout.version_folder(export_dir, name, model_name, version)
        if folder.exists():
            raise UserError(f"{folder} is there already; versions are never changed")
        folders[name] = folder
    return folders


def publish(
    staged: Path, targets: Mapping[str, Path], verified: Mapping[str, Mapping[str, File]]
) -> None:
    """Makes the verified folders `staged/<format>` appear at their places.

    Everything is on disk before the first rename. The SavedModel comes last:
    it is the one that servers watch. If a rename fails, or a file is not what was
    verified, those before it are taken back. A kill between two leaves a version of
    one format, whole and verified; the next export publishes the others first. In an
    object store, each follows its folder here, in the same order (see `remote`).

    Args:
      staged: the folder of the folders.
      targets: where they go, by format.
      verified: the digests of their files, by format.

    Raises:
      VerificationError: a file has changed since.
      UserError: of an object store, as `remote.publish`.
    """
    for name, target in targets.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        files.sync_tree(staged / name)
    manifests.require_unchanged({name: staged / name for name in targets}, verified)
    record = {
        name: {
            "target": target.relative_to(staged.parent).as_posix(),
            **manifests.stating(verified[name]),
        }
        for name, target in targets.items()
    }
    records.write(staged / _VERIFIED, record)
    renamed = []
    try:
        for name in _in_order(targets):
            os.rename(staged / name, targets[name])
            renamed.append(name)
            files.sync(targets[name].parent)
        manifests.require_unchanged(targets, verified)
        remote.publish({name: targets[name] for name in renamed})
    except (OSError, UserError):
        (staged / _VERIFIED).unlink(missing_ok=True)  # Nobody is to complete it.
        for name in reversed(renamed):
            os.rename(targets[name], staged / name)
        raise


def _in_order(formats: Iterable[str]) -> list[str]:
    """The SavedModel last."""
    return sorted(formats, key=lambda name: name == export_layout.SAVED_MODEL)


def _complete(staged: Path) -> None:
    """Publishes the rest of a version of which a killed export had published a part.

    Raises:
      VerificationError: its files have changed since.
      DataError: the record of them is damaged.
    """
    export_dir, path = staged.parent, staged / _VERIFIED
    # An object store has no renames: there, what is unfinished is removed.
    if addresses.address_of(export_dir) is not None or not path.exists():
        return
    record = records.read_object(path, "delete it: what is left of that version is not published")
    left = [name for name in _in_order(record) if (staged / name).is_dir()]
    if len(left) == len(record):
        return
    folders = {name: staged / name for name in left}
    manifests.require_unchanged(folders, {name: manifests.stated(record[name]) for name in left})
    for name in left:
        target = export_dir / record[name]["target"]
        os.rename(staged / name, target)
        files.sync(target.parent)
        progress.say(f"{target}: published now, by an export that was interrupted")
