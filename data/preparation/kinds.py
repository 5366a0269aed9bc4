"""People's own images: what `--data` names, what an archive holds, where a table's pictures are."""

import collections
import contextlib
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import NamedTuple

from ...base import progress
from ...base.errors import DataError, UsageError
from ...base.files import walk
from ...base.pictures import decode
from ..sources import folder_layout
from ..sources.tables import csv_files, file_rows, picture_finder
from . import archives
from .request import CSV, IMAGE_FOLDER, NPZ, Request

_SUFFIXES = {
    **dict.fromkeys(decode.SUFFIXES, IMAGE_FOLDER),
    **dict.fromkeys(picture_finder.SUFFIXES, CSV),
    ".npz": NPZ,
}
_SAVE = "numpy.savez('data.npz', images=…, labels=…)"
# What people have instead, by suffix, and what to do with it.
_ADVICE = {
    ".npy": f"put images and labels into one file: {_SAVE}",
    **dict.fromkeys(
        (".parquet", ".arrow", ".feather", ".mat", ".h5", ".hdf5", ".pkl", ".pickle", ".pt"),
        f"load it in Python, and save its images and labels: {_SAVE}",
    ),
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "save the table as CSV (UTF-8)"),
    **dict.fromkeys((".gz", ".bz2", ".xz", ".7z", ".rar", ".zst"), "unpack it first"),
    **dict.fromkeys((".heic", ".heif", ".svg", ".psd"), "save the pictures as JPEG or PNG"),
    "-ubyte": "IDX files: digitline prepare --source=local --source_dir=FOLDER --dataset=NAME",
}
_NAMED = 3


class Place(NamedTuple):
    """Where images are: the fields of a `Request`."""

    dataset: str
    source_file: Path | None
    source_dir: Path | None


def find(data: Path, pictures: Path | None = None) -> Place:
    """What `--data` names; of a folder or an archive with pictures in it, these.

    Args:
      data: a file, a folder or an archive.
      pictures: the folder of the pictures that a table names, if the user says it.

    Raises:
      UsageError: it is something else.
      DataError: it is an archive that cannot be read.
    """
    kind = _kind_of(data)
    if data.is_dir() and kind == IMAGE_FOLDER:
        tables = _tables_in(data)
        if tables and tables.is_dir() and pictures is None:
            return Place(CSV, tables, tables)
        kind, data = (CSV, tables) if tables else (kind, data)
    elif data.is_dir() and not (kind == CSV and csv_files.has_train(data)):
        data = _content(data, kind, f"--data={data}")
    is_file = kind == NPZ or (kind == CSV and data.is_file())
    if pictures and not (kind == CSV and is_file):
        raise UsageError(f"--source_dir goes with a CSV file of file names, which {data} is not")
    return Place(kind, data if is_file else None, pictures if is_file else data)


def unpacked(request: Request) -> Request:
    """The request with its archive unpacked beside the dataset, if it is of one."""
    if not archives.is_archive(request.place):
        return request
    folder = archives.unpack(request.place, request.data_dir / request.prepared_name)
    tables = None if request.kind == NPZ else _tables_in(folder)
    if tables:
        pictures = tables if tables.is_dir() else picture_finder.beside(tables)
        progress.say(f"{tables} names pictures: they are in {pictures}")
        return dataclasses.replace(request, unpacked=tables, unpacked_pictures=pictures)
    if request.kind in (CSV, NPZ):
        folder = _content(folder, request.kind, str(request.place))
    return dataclasses.replace(request, unpacked=folder)


def with_pictures(request: Request) -> Request:
    """The request with the folder of the pictures that its table names, if they are beside it."""
    table = request.source_file
    if request.kind != CSV or archives.is_archive(request.place):
        return request
    if table is None:  # A folder of tables, of pixels or of names.
        folder = request.source_dir
        tables = _tables_right_in(folder) if folder and folder.is_dir() else None
        if tables is None or tables == folder:
            return dataclasses.replace(request, source_file=tables)
        table = tables
    folder = picture_finder.beside(table) if table.is_file() else None
    if folder is None:
        return request
    progress.say(f"{table} names pictures: they are in {folder}")
    return dataclasses.replace(request, source_file=table, source_dir=folder)


def _kind_of(data: Path) -> str:
    suffixes: collections.Counter[str] = collections.Counter()
    for name in _names(data):
        suffix = "-ubyte" if "-ubyte" in name else _suffix(name)
        suffixes[suffix] += 1
        if data.is_dir() and _SUFFIXES.get(suffix) == IMAGE_FOLDER:
            break  # There may be millions more.
    kinds = {_SUFFIXES.get(suffix) for suffix in suffixes}
    found = next((kind for kind in (IMAGE_FOLDER, CSV, NPZ) if kind in kinds), None)
    is_one_file = not (data.is_dir() or archives.is_archive(data))
    if found is not None and not (found == IMAGE_FOLDER and is_one_file):
        return found
    common = [(suffix, count) for suffix, count in suffixes.most_common(_NAMED) if suffix]
    held = ", ".join(f"{count:,} {suffix}" for suffix, count in common)
    seen = f"holds no pictures, CSV or .npz files{f', but {held}' if held else ''}; "
    advice = next((f"; {_ADVICE[suffix]}" for suffix, _ in common if suffix in _ADVICE), "")
    raise UsageError(
        f"--data={data}: {'' if is_one_file else seen}expected an .npz file, a .csv file, a folder "
        f"of pictures, or an archive of them ({', '.join(archives.SUFFIXES)}){advice}"
    )


def _tables_in(folder: Path) -> Path | None:
    """The table of the pictures in a folder without class folders; of several, their folder.

    They may be in a folder of their own, as archives have it.

    Raises:
      UsageError: there are several for a split.
    """
    with contextlib.suppress(DataError):
        layout = folder_layout.look(folder)
        _refuse_other_classes(layout)
        return None
    entries = [entry for entry in folder.iterdir() if not _is_hidden(entry.name)]
    while len(entries) == 1 and entries[0].is_dir():
        folder = entries[0]
        entries = [entry for entry in folder.iterdir() if not _is_hidden(entry.name)]
    return _tables_right_in(folder)


def _refuse_other_classes(layout: folder_layout.FolderLayout) -> None:
    """Refuses folders that are no classes by a table beside them, as `images_part_1` is none.

    Where that cannot be told, the table is named.

    Raises:
      UsageError: by the table, pictures of one folder are of several classes.
    """
    places = layout.folders.values()
    classes = {folder: name for found in places for name, folder in found.items()}
    for folder in sorted({layout.root, *(found.parent for found in classes)}):
        for table in picture_finder.tables_of(folder).by_split.values():
            by_class: dict[str, set[str]] = collections.defaultdict(set)
            for file, label in file_rows.sampled(table, picture_finder.beside(table) or folder):
                above = (classes[parent] for parent in file.parents if parent in classes)
                by_class[next(above, "")].add(label)
            several = [name for name, labels in by_class.items() if name and len(labels) > 1]
            if several:
                labels = sorted(by_class[several[0]])
                raise UsageError(
                    f"{layout.root}: by {table.name}, pictures in the folder {several[0]} are of "
                    f"{len(labels):,} classes ({', '.join(labels[:_NAMED])}): give the table "
                    f"itself if it is right (--data={table}), or else move it elsewhere"
                )
            if not by_class:
                progress.say(
                    f"{table} names these pictures too and is not read: if it has the classes, "
                    f"and not the folders {', '.join(layout.label_names[:_NAMED])}, give it with "
                    f"--data={table} --label_column=NAME"
                )


def _tables_right_in(folder: Path) -> Path | None:
    """The same, not in a folder of their own; says which tables are left out."""
    found = picture_finder.tables_of(folder)
    for line in found.left_out:
        progress.say(line)
    tables = [*found.by_split.values()]
    return folder if len(tables) > 1 else tables[0] if tables else None


def _content(folder: Path, kind: str, name: str) -> Path:
    """The one CSV or NumPy file in a folder, or the folder that holds the CSV files.

    Raises:
      DataError: there are others; `name` says where.
    """
    paths = sorted(Path(path) for path in _below(folder) if _SUFFIXES.get(_suffix(path)) == kind)
    if len(paths) == 1:
        return paths[0]
    parents = {path.parent for path in paths}
    if kind == NPZ:
        names = ", ".join(path.name for path in paths[:_NAMED])
        raise DataError(
            f"{name}: holds {len(paths)} .npz files ({names}{', …' * (len(paths) > _NAMED)}), "
            f"expected one with images and labels: {_SAVE}"
        )
    if len(parents) != 1 and folder not in parents:
        raise DataError(f"{name}: holds {len(paths)} {kind} files, expected them in one folder")
    return folder if folder in parents else parents.pop()


def _names(data: Path) -> Iterator[str]:
    if data.is_dir():
        yield from _below(data)
    elif archives.is_archive(data):
        yield from (name for name in archives.names(data) if not _is_hidden(name))
    else:
        yield data.name


def _below(folder: Path) -> Iterator[str]:
    for path, folders, names in walk(folder):
        folders[:] = [name for name in folders if not _is_hidden(name)]
        yield from (os.path.join(path, name) for name in sorted(names) if not _is_hidden(name))


def _suffix(path: str) -> str:
    return PurePath(path).suffix.lower()


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePath(name).parts)
