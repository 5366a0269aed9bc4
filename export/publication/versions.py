"""What happens to versions after they are published: kept, rolled back, checked.

A version that is taken away goes by one rename, so a server sees it whole or not at
all. Its number is not used again.
"""

import dataclasses
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from ...base import export_layout, files
from ...base.errors import UserError
from ...base.manifests import File, digests
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
    """The version that was taken away, and the one that is the newest now, also by format."""

    model_name: str
    rolled_back: int
    version: int
    newest: dict[str, int]


def roll_back(export_dir: Path, model_name: str) -> RolledBack:
    """Takes the newest version away from where servers look; the one before answers again.

    A kill leaves it in some formats; the next call takes these away.

    The caller holds the folder (`files.owned`).

    Raises:
      UserError: there is no version before it, or none in one of its formats.
    """
    folders = published(export_dir, model_name)
    if len(folders) < 2:
        raise UserError(
            f"{model_name} in {export_dir} has {len(folders)} version{'s' * (len(folders) != 1)}: "
            "nothing to roll back to"
        )
    newest = max(folders)
    left: dict[str, int] = {}
    for number in sorted(folders.keys() - {newest}):
        left.update(dict.fromkeys(_formats(folders[number]), number))
    for export_format in _formats(folders[newest]):
        if export_format not in left:
            raise UserError(
                f"version {newest} is the only one of {model_name} in {export_dir} with "
                f"{export_layout.TITLES[export_format]}: nothing to roll back to; whoever serves "
                "it would be left without a model"
            )
    for folder in folders[newest]:  # The SavedModel first: it is the one that servers watch.
        away = export_dir / ROLLED_BACK / folder.relative_to(export_dir)
        away.parent.mkdir(parents=True, exist_ok=True)
        if away.exists():  # Of an export folder that was put together by hand.
            shutil.rmtree(away)
        os.rename(folder, away)
        files.sync(folder.parent)
    by_format = {name: left[name] for name in export_layout.FORMATS if name in left}
    return RolledBack(model_name, newest, max(folders.keys() - {newest}), by_format)


def keep_newest(export_dir: Path, model_name: str, count: int) -> list[int]:
    """Deletes versions; returns them, ascending.

    The newest `count` of each format are kept, with all that was published under their numbers:
    of versions that are TFLite files only, however many, no server's SavedModel is deleted. A
    folder without a model is left alone.
    """
    folders = published(export_dir, model_name)
    numbers: dict[str, list[int]] = {}
    for number in sorted(folders):
        for export_format in _formats(folders[number]):
            numbers.setdefault(export_format, []).append(number)
    kept = {number for each in numbers.values() for number in each[-count:]}
    deleted = sorted({number for each in numbers.values() for number in each} - kept)
    for folder in (folder for version in deleted for folder in folders[version]):
        # A name that no server takes. What a killed export left there goes too.
        files.remove_leftovers(folder.parent, f"{files.TEMPORARY}*")
        os.rename(folder, folder.with_name(f"{files.TEMPORARY}{folder.name}"))
        files.remove_leftovers(folder.parent, f"{files.TEMPORARY}*")
    return deleted


def _formats(folders: Iterable[Path]) -> list[str]:
    """The formats of a version's folders that hold a model."""
    return [
        folder.parent.parent.name
        for folder in folders
        if any(folder.glob(export_layout.MODEL_FILES[folder.parent.parent.name]))
    ]


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
