"""What happens to versions after they are published: kept, rolled back.

A version that is taken away goes by one rename, so a server sees it whole or not at
all. Its number is not used again.
"""

import dataclasses
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from ...base import export_layout, files
from ...base.errors import UserError
from ...base.process import temporary
from .publish import ROLLED_BACK, published


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

    The caller holds the folder (`publish.held`).

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
        files.sync(away.parent)
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
        away = folder.with_name(f"{temporary.TEMPORARY}{folder.name}")  # No server takes it.
        os.rename(folder, away)
        shutil.rmtree(away)
    return deleted


def _formats(folders: Iterable[Path]) -> list[str]:
    """The formats of a version's folders that hold a model."""
    return [
        folder.parent.parent.name
        for folder in folders
        if any(folder.glob(export_layout.MODEL_FILES[folder.parent.parent.name]))
    ]
