"""What happens to versions after they are published: kept, rolled back, checked.

A version that is taken away goes by one rename, so a server sees it whole or not at
all. Its number is not used again.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...base import export_layout, files
from ...base.errors import UserError
from . import publish

# In a version's folder: where its manifest is.
MANIFESTS = (
    f"{export_layout.EXTRA}/{export_layout.SAVED_MODEL_MANIFEST}",
    export_layout.MANIFEST,
)


def roll_back(export_dir: Path, model_name: str) -> tuple[int, int]:
    """Takes the newest version away from where servers look; the one before answers again.

    The caller holds the folder (`files.owned`).

    Returns:
      The version that was taken away, and the one that is the newest now.

    Raises:
      UserError: there is no version before it.
    """
    found = published(export_dir, model_name)
    if len(found) < 2:
        raise UserError(
            f"{model_name} in {export_dir} has {len(found)} version{'s' * (len(found) != 1)}: "
            "nothing to roll back to"
        )
    newest = max(found)
    for place in sorted(
        found[newest], key=lambda path: export_layout.SAVED_MODEL not in path.parts
    ):
        away = export_dir / publish.ROLLED_BACK / place.relative_to(export_dir)
        away.parent.mkdir(parents=True, exist_ok=True)
        if away.exists():  # Of an export folder that was put together by hand.
            shutil.rmtree(away)
        os.rename(place, away)
        files.sync(place.parent)
    return newest, max(version for version in found if version != newest)


def keep_newest(export_dir: Path, model_name: str, count: int) -> list[int]:
    """Deletes all versions but the newest `count`; returns those that went, ascending."""
    found = published(export_dir, model_name)
    gone = sorted(found)[:-count]
    for version in gone:
        for place in found[version]:
            doomed = place.with_name(f"{files.TEMPORARY}{place.name}")  # No server takes that.
            os.rename(place, doomed)
            shutil.rmtree(doomed)
    return gone


def published(export_dir: Path, model_name: str) -> dict[int, list[Path]]:
    """The folders of each version that is there, in any kind."""
    found: dict[int, list[Path]] = {}
    for kind in export_layout.FORMATS:
        for path in (export_dir / kind / model_name).glob("*"):
            if path.name.isdecimal() and path.is_dir():
                found.setdefault(int(path.name), []).append(path)
    return found


def check(folder: Path) -> tuple[list[Path], list[str]]:
    """Checks all versions below a folder against their manifests.

    Args:
      folder: of a version, of a model, or an export folder.

    Returns:
      The versions that were checked, and what is wrong, a line each.

    Raises:
      UserError: there is no version with a manifest.
    """
    found = sorted(set(_manifests(folder)))
    if not found:
        raise UserError(f"{folder}: no version with a manifest in it ({' or '.join(MANIFESTS)})")
    checked, wrong = [], []
    for version, manifest in found:
        checked.append(version)
        wrong += _differences(version, manifest)
    return checked, wrong


def _manifests(folder: Path) -> Iterator[tuple[Path, Path]]:
    """(version's folder, its manifest) of all versions below."""
    for name in MANIFESTS:
        for path in folder.rglob(name):
            version = path.parents[name.count("/")]
            if not any(part.startswith(".") for part in version.relative_to(folder).parts):
                yield version, path


def _differences(version: Path, manifest: Path) -> list[str]:
    content = files.read_json(manifest)
    try:
        stated: dict[str, Any] = content["files"]
        expected = {name: (fact["bytes"], fact["sha256"]) for name, fact in stated.items()}
    except (KeyError, TypeError, AttributeError):
        return [f"{manifest}: not a manifest of digitline"]
    wrong = []
    there = {path.relative_to(version).as_posix() for path in version.rglob("*") if path.is_file()}
    for name, (size, digest) in expected.items():
        path = version / name
        if name not in there:
            wrong.append(f"{path}: missing")
        elif path.stat().st_size != size:
            wrong.append(f"{path}: {path.stat().st_size:,} bytes, not {size:,}")
        elif files.sha256(path) != digest:
            wrong.append(f"{path}: other content than was published")
    extra = there - set(expected) - {manifest.relative_to(version).as_posix()}
    wrong += [f"{version / name}: was not published with it" for name in sorted(extra)]
    return wrong
