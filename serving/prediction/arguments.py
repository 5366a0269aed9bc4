"""What the arguments of `digitline predict` name: files, folders, patterns, tables, arrays."""

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...base import addresses, progress
from ...base.errors import UserError
from ...base.pictures import decode
from ...base.storage import staging
from .arrays import ArrayFile
from .csv_rows import CsvRows
from .files import PictureFiles
from .pictures import Source

_CSV, _ARRAYS = (".csv", ".tsv"), (".npz", ".npy")
# A folder that macOS puts into archives; it holds no pictures.
_MACOS = "__MACOSX"


def sources(arguments: Sequence[str]) -> tuple[list[Source], list[str]]:
    """What there is to classify, in the order of the arguments.

    Returns:
      The sources, and for each argument that names nothing a line that says so.
    """
    found: list[Source] = []
    errors: list[str] = []
    pictures: list[Path] = []
    for path in _paths(arguments, errors):
        rows = _rows(path)
        if rows is None:
            pictures.append(path)
            continue
        if pictures:
            found.append(PictureFiles(tuple(pictures)))
            pictures.clear()
        found.append(rows)
    if pictures:
        found.append(PictureFiles(tuple(pictures)))
    return found, errors


def _rows(path: Path) -> Source | None:
    suffix = path.suffix.lower()
    if suffix in _CSV:
        return CsvRows(path)
    return ArrayFile(path) if suffix in _ARRAYS else None


def _paths(arguments: Sequence[str], errors: list[str]) -> Iterator[Path]:
    for argument in arguments:
        if addresses.is_address(argument):
            try:
                place = addresses.local(argument)
                staging.stage(place)
            except UserError as error:
                errors.append(str(error))
                continue
            argument = str(place)
        matches = [argument]
        if not os.path.lexists(argument) and glob.has_magic(argument):
            matches = sorted(glob.glob(argument, recursive=True))
            files = [match for match in matches if not os.path.isdir(match)]
            matches = files or matches  # `**` names folders and what is in them.
        if not argument or not matches:
            errors.append(f"{argument or chr(39) * 2}: no file matches")
        for match in filter(None, matches):
            if not os.path.isdir(match):
                yield Path(match)
                continue
            inside = _in_folder(Path(match), errors)
            if not inside:
                errors.append(f"{match}: no picture in it ({', '.join(decode.SUFFIXES)})")
            yield from inside


def _in_folder(root: Path, errors: list[str]) -> list[Path]:
    """The pictures in a folder and below, by their suffix; says what is left out."""
    pictures: list[Path] = []
    others: list[Path] = []
    for folder, names, files in os.walk(
        root, onerror=lambda error: errors.append(f"{error.filename}: {error.strerror}")
    ):
        names[:] = sorted(name for name in names if name[0] != "." and name != _MACOS)
        for name in sorted(files):
            if name[0] != ".":
                is_picture = name.lower().endswith(decode.SUFFIXES)
                (pictures if is_picture else others).append(Path(folder, name))
    if others:
        are = (
            "file is no picture by its suffix and is"
            if len(others) == 1
            else ("files are not pictures by their suffix and are")
        )
        progress.say(f"{root}: {len(others):,} {are} left out, such as {others[0]}")
    return pictures
