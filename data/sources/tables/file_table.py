"""A table of picture files and their labels, with the folder of the pictures.

    file,label          id,breed            image;class;split
    1.png,cat           0a1b2c,poodle       train/1.jpg;cat;train

This is Kaggle's other form. The pictures are read as those of an image folder are.
"""

import dataclasses
import os
from pathlib import Path

from ....base import progress
from ....base.errors import DataError
from ....base.pixels import columns
from ...metadata import LeftOut
from .. import image_folder
from ..image_folder import FolderSource
from ..slices import ReadOptions, left_out
from . import class_names, picture_finder
from .file_rows import Rows, Table


@dataclasses.dataclass(frozen=True)
class FileTable:
    """The pictures of a table, in memory; an `image_folder.PictureList`.

    Attributes:
      root: the folder of the pictures.
      folders: by split and class, the pictures as paths below `root`, in the table's order.
      damaged: the rows that name no picture or class.
    """

    root: Path
    folders: dict[str, dict[str, list[str]]]
    label_names: tuple[str, ...]
    damaged: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def names(self, split: str, label: str) -> list[str]:
        return self.folders[split].get(label, [])

    def left_out(self) -> tuple[LeftOut, ...]:
        """The pictures in the folder that no row names."""
        named = {
            os.path.normpath(name)
            for classes in self.folders.values()
            for names in classes.values()
            for name in names
        }
        below = (
            os.path.relpath(path, self.root) for path in picture_finder.pictures_below(self.root)
        )
        others = (name for name in below if name not in named)
        return left_out(("pictures without a row", name) for name in others)


def plan(table: Path, folder: Path, options: ReadOptions) -> FolderSource:
    """Reads a table, and deals its pictures out.

    Args:
      table: the table, or a folder of one for each split (`picture_finder.tables_of`).
      folder: of the pictures; that of such tables too.
      options: how to read them.

    Raises:
      UserError: the table or the folder is missing, or not of the form.
    """
    reader = read_splits if table.is_dir() else read
    return image_folder.plan_list(reader(table, folder, options.label_column), options)


def read(table: Path, folder: Path, label_column: str | None) -> FileTable:
    """Reads a table.

    Raises:
      DataError: the table or the folder is missing, not of the form, or they do not belong
        together.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}")
    seen, of_train = Rows(folder), Table.of(table, folder, label_column)
    seen.read(of_train)
    return _found(seen, of_train)


def read_splits(tables: Path, folder: Path, label_column: str | None) -> FileTable:
    """Reads the tables of a folder, one for each split; those without labels are left out.

    Raises:
      UserError: there is none for the training split, one is not of the form, or a picture is in
        two of them.
    """
    paths = picture_finder.tables_of(tables).by_split
    if "train" not in paths:
        raise DataError(f"{tables}: no table in it names pictures of the training split")
    train = paths.pop("train")
    of_train = Table.of(train, picture_finder.beside(train) or folder, label_column)
    seen = Rows(folder)
    seen.read(of_train)
    for split, path in paths.items():
        table = Table.like(of_train, path, picture_finder.beside(path) or folder, split)
        if isinstance(table, str):
            progress.say(f"{path} is left out: {table}")
        else:
            seen.read(table)
    return _found(seen, of_train)


def _found(seen: Rows, table: Table) -> FileTable:
    """What the rows say that were read; `table` is of the training split."""
    if seen.repeated:
        progress.say(
            f"{table.form.path}: {seen.repeated:,} rows repeat one before them: counted once"
        )
    names = class_names.class_names(
        dict(seen.totals),
        table.form.path,
        columns.name(table.form, table.where.label),
        columns.is_named_label(table.form, table.where.label),
        next(iter(seen.damaged), ""),
    )
    folders = _by_class(seen.entries, table.form.path)
    return FileTable(seen.root, folders, names, tuple(seen.damaged))


def _by_class(
    entries: dict[str, tuple[str, str, str]], table: Path
) -> dict[str, dict[str, list[str]]]:
    folders: dict[str, dict[str, list[str]]] = {}
    for file, (_, split, name) in entries.items():
        folders.setdefault(split, {}).setdefault(name, []).append(file)
    if "train" not in folders:
        raise DataError(f"{table}: no row is of the training split")
    unknown = sorted({name for found in folders.values() for name in found} - {*folders["train"]})
    if unknown:
        raise DataError(f"{table}: no training row has the class {unknown[0]}, which others have")
    return folders
