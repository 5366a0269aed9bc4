"""What happens to versions after they are published: kept, rolled back, checked.

A version that is taken away goes by one rename, so a server sees it whole or not at
all. Its number is not used again.
"""

import dataclasses
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ...base import export_layout, files
from ...base.errors import UserError
from .publish import ROLLED_BACK, published

# In a version's folder: where its manifest is.
_MANIFESTS = (
    f"{export_layout.EXTRA}/{export_layout.SAVED_MODEL_MANIFEST}",
    export_layout.MANIFEST,
)


@dataclasses.dataclass(frozen=True)
class Checked:
    """The versions that were checked, and what is wrong with them, a line each."""

    checked: tuple[Path, ...]
    errors: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class RolledBack:
    """The version that was taken away, and the one that is the newest now."""

    model_name: str
    rolled_back: int
    version: int


@dataclasses.dataclass(frozen=True)
class File:
    """A published file."""

    bytes: int
    sha256: str


def digests(folder: Path) -> dict[str, File]:
    """Each file below `folder`, by its relative path."""
    return {
        path.relative_to(folder).as_posix(): File(path.stat().st_size, files.sha256(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def roll_back(export_dir: Path, model_name: str) -> RolledBack:
    """Takes the newest version away from where servers look; the one before answers again.

    The caller holds the folder (`files.owned`).

    Raises:
      UserError: there is no version before it.
    """
    folders = published(export_dir, model_name)
    if len(folders) < 2:
        raise UserError(
            f"{model_name} in {export_dir} has {len(folders)} version{'s' * (len(folders) != 1)}: "
            "nothing to roll back to"
        )
    before, newest = sorted(folders)[-2:]
    for folder in folders[newest]:  # The SavedModel first: it is the one that servers watch.
        away = export_dir / ROLLED_BACK / folder.relative_to(export_dir)
        away.parent.mkdir(parents=True, exist_ok=True)
        if away.exists():  # Of an export folder that was put together by hand.
            shutil.rmtree(away)
        os.rename(folder, away)
        files.sync(folder.parent)
    return RolledBack(model_name, newest, before)


def keep_newest(export_dir: Path, model_name: str, count: int) -> list[int]:
    """Deletes all versions but the newest `count`; returns the deleted ones, ascending."""
    folders = published(export_dir, model_name)
    deleted = sorted(folders)[:-count]
    for version in deleted:
        for folder in folders[version]:
            doomed = folder.with_name(f"{files.TEMPORARY}{folder.name}")  # No server takes that.
            os.rename(folder, doomed)
            shutil.rmtree(doomed)
    return deleted


def check(folder: Path) -> Checked:
    """Checks all versions below a folder against their manifests.

    Args:
      folder: of a version, of a model, or an export folder.

    Raises:
      UserError: there is no version with a manifest.
    """
    manifests = sorted(set(_manifests(folder)))
    if not manifests:
        raise UserError(f"{folder}: no version with a manifest in it ({' or '.join(_MANIFESTS)})")
    wrong = (line for version, path in manifests for line in _differences(version, path))
    return Checked(tuple(version for version, _ in manifests), tuple(wrong))


def _manifests(folder: Path) -> Iterator[tuple[Path, Path]]:
    """(version's folder, its manifest) of all versions below."""
    for name in _MANIFESTS:
        for path in folder.rglob(name):
            version = path.parents[name.count("/")]
            if not any(part.startswith(".") for part in version.relative_to(folder).parts):
                yield version, path


def _differences(version: Path, manifest: Path) -> Iterator[str]:
    content = files.read_json(manifest)
    try:
        stated = {name: File(**fact) for name, fact in content["files"].items()}
    except (KeyError, TypeError, AttributeError):
        yield f"{manifest}: not a manifest of digitline"
        return
    there = digests(version)
    for name, file in stated.items():
        path = version / name
        if name not in there:
            yield f"{path}: missing"
        elif there[name].bytes != file.bytes:
            yield f"{path}: {there[name].bytes:,} bytes, not {file.bytes:,}"
        elif there[name].sha256 != file.sha256:
            yield f"{path}: other content than was published"
    extra = set(there) - set(stated) - {manifest.relative_to(version).as_posix()}
    for name in sorted(extra):
        yield f"{version / name}: was not published with it"
