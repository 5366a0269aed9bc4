"""What kind of own images a path holds: pictures in class folders, a CSV file or an .npz file."""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path, PurePath

from ...base import progress
from ...base.errors import DataError, UsageError
from ...base.pictures import decode
from ..sources.tables import file_table
from . import archives
from .request import CSV, IMAGE_FOLDER, NPZ, Request

_SUFFIXES = {**dict.fromkeys(decode.SUFFIXES, IMAGE_FOLDER), ".csv": CSV, ".tsv": CSV, ".npz": NPZ}


def kind_of(data: Path) -> str:
    """One of `OWN_FILES`; of a folder or an archive with pictures in it, `IMAGE_FOLDER`.

    Raises:
      UsageError: it is something else.
      DataError: it is an archive that cannot be read.
    """
    kinds: set[str] = set()
    for name in _names(data):
        kinds.add(_SUFFIXES.get(PurePath(name).suffix.lower(), ""))
        if IMAGE_FOLDER in kinds and data.is_dir():  # There may be millions more.
            break
    found = next((kind for kind in (IMAGE_FOLDER, CSV, NPZ) if kind in kinds), None)
    is_one_file = not (data.is_dir() or archives.is_archive(data))
    if found is None or (found == IMAGE_FOLDER and is_one_file):
        seen = "" if is_one_file else "holds no pictures, CSV or .npz files; "
        raise UsageError(
            f"--data={data}: {seen}expected an .npz file, a .csv file, a folder of pictures, or an "
            f"archive of them ({', '.join(archives.SUFFIXES)})"
        )
    return found


def unpacked(request: Request) -> Request:
    """The request with its archive unpacked beside the dataset, if it is of one."""
    if not archives.is_archive(request.place):
        return request
    folder = archives.unpack(request.place, request.data_dir / request.prepared_name)
    return dataclasses.replace(request, unpacked=_content(folder, request))


def with_pictures(request: Request) -> Request:
    """The request with the folder of the pictures that its table names, if they are beside it."""
    table = request.source_file
    if request.kind != CSV or table is None or not table.is_file() or archives.is_archive(table):
        return request
    folder = file_table.beside(table)
    if folder is None:
        return request
    progress.say(f"{table} names pictures: they are in {folder}")
    return dataclasses.replace(request, source_dir=folder)


def _content(folder: Path, request: Request) -> Path:
    """What is read of an unpacked folder: the one file, or the folder that holds the files."""
    suffix = {CSV: (".csv", ".tsv"), NPZ: ".npz"}.get(request.kind)
    if suffix is None:
        return folder
    paths = sorted(Path(path) for path in _below(folder) if path.lower().endswith(suffix))
    if len(paths) == 1:
        return paths[0]
    parents = {path.parent for path in paths}
    if request.kind == NPZ or len(parents) != 1:
        raise DataError(
            f"{request.place}: holds {len(paths)} {request.kind} files, expected "
            f"{'one' if request.kind == NPZ else 'them in one folder'}"
        )
    return parents.pop()


def _names(data: Path) -> Iterator[str]:
    if data.is_dir():
        yield from _below(data)
    elif archives.is_archive(data):
        yield from (name for name in archives.names(data) if not _is_hidden(name))
    else:
        yield data.name


def _below(folder: Path) -> Iterator[str]:
    for path, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _is_hidden(name)]
        yield from (os.path.join(path, name) for name in sorted(names) if not _is_hidden(name))


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePath(name).parts)
