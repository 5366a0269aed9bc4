"""Version numbers, and the rename by which a version appears whole or not at all.

    <export_dir>/saved_model/<model_name>/<version>/
    <export_dir>/tflite/<model_name>/<version>/
    <export_dir>/onnx/<model_name>/<version>/

A server that watches `saved_model/<model_name>` never sees a version that is
half written: it is made and verified in `<export_dir>/.staging`, on the same
file system, and renamed into place.
"""

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ...base import export_layout, files
from ...base.errors import UserError

_STAGING = ".staging"
# Below the export folder: what was rolled back, as <kind>/<model_name>/<version>.
ROLLED_BACK = ".rolled_back"


@contextlib.contextmanager
def staging(export_dir: Path) -> Iterator[Path]:
    """Gives an empty folder to make a version in; removes it whatever happens.

    What a killed export left there is removed first. The export folder is held
    against other exports until the block ends.

    Raises:
      UserError: another process exports there, or the folder is not writable.
    """
    with files.owned(export_dir, "exporting"):
        files.remove_leftovers(export_dir, _STAGING)
        folder = export_dir / _STAGING
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def next_version(export_dir: Path, model_name: str) -> int:
    """One more than the highest version of the model in any kind; the first is 1.

    Versions that were rolled back count too: a number stands for one model for ever.
    """
    versions = [0]
    for root in (export_dir, export_dir / ROLLED_BACK):
        for kind in export_layout.FORMATS:
            for path in (root / kind / model_name).glob("*"):
                if path.name.isdecimal():
                    versions.append(int(path.name))
    return max(versions) + 1


def targets(
    export_dir: Path, model_name: str, version: int, kinds: Iterable[str]
) -> dict[str, Path]:
    """Where a version goes, by kind.

    Raises:
      UserError: the version is there already.
    """
    found = {
        kind: export_layout.version_folder(export_dir, kind, model_name, version) for kind in kinds
    }
    for target in found.values():
        if target.exists():
            raise UserError(f"{target} is there already; versions are never changed")
    return found


def publish(staged: Path, targets: Mapping[str, Path]) -> None:
    """Makes the verified folders `staged/<kind>` appear at their places.

    Everything is on disk before the first rename. The SavedModel comes last:
    it is the one that servers watch. If a rename fails, those before it are
    taken back; a kill between two leaves a version of one kind, whole and
    verified, and the next export takes the next number.

    Args:
      staged: a folder of folders, on the same file system.
      targets: where each goes, by kind.
    """
    for kind, target in targets.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        files.sync_tree(staged / kind)
    done = []
    try:
        for kind in sorted(targets, key=lambda kind: kind == export_layout.SAVED_MODEL):
            os.rename(staged / kind, targets[kind])
            done.append(kind)
            files.sync(targets[kind].parent)
    except OSError:
        for kind in done:
            os.rename(targets[kind], staged / kind)
        raise
