"""A table of picture files and their labels, with the folder of the pictures.

    file,label          id,breed            image;class;split
    1.png,cat           0a1b2c,poodle       train/1.jpg;cat;train

This is Kaggle's other form. The pictures are read as those of an image folder are.
"""

import collections
import dataclasses
import os
from pathlib import Path

from ....base import progress
from ....base.errors import DataError
from ....base.pixels import columns, dialect, roles, rows
from ....base.pixels.dialect import Dialect
from ....base.pixels.words import FILE_NAMES, LABEL_NAMES, is_picture
from .. import image_folder, labels
from ..image_folder import FolderSource
from ..slices import LeftOut, ReadOptions, left_out
from . import class_names, picture_finder
from .picture_finder import Finder


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


@dataclasses.dataclass(frozen=True)
class _FileColumns:
    """Where the file, the label and, if there is one, the split are in a row."""

    file: int
    label: int
    split: int | None


def plan(table: Path, folder: Path, options: ReadOptions) -> FolderSource:
    """Reads a table, and deals its pictures out.

    Raises:
      UserError: the table or the folder is missing, or not of the form.
    """
    return image_folder.plan_list(read(table, folder, options.label_column), options)


def read(table: Path, folder: Path, label_column: str | None) -> FileTable:
    """Reads a table.

    Raises:
      DataError: the table or the folder is missing, not of the form, or they do not belong
        together.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}")
    form = dialect.look(table)
    where = _columns(form, label_column)
    progress.say(
        f"{table}: files in {columns.name(form, where.file)}, label in "
        f"{columns.name(form, where.label)}"
        + (f", split in {columns.name(form, where.split)}" if where.split is not None else "")
        + f", {form}"
    )
    finder = Finder(folder)
    seen = _Rows(table)
    for line in form.lines(form.start, form.size):
        seen.add(form, where, line, finder)
    if not finder.found:
        raise DataError(
            f"{table}: none of the files that it names is in {folder}, such as "
            f"{next(iter(seen.entries), 'none')}: give their folder with --source_dir",
            option="source_dir",
        )
    if seen.repeated:
        progress.say(f"{table}: {seen.repeated:,} rows repeat one before them: counted once")
    column, is_named = columns.name(form, where.label), columns.is_named_label(form, where.label)
    damage = next(iter(seen.damaged), "")
    names = class_names.class_names(dict(seen.totals), table, column, is_named, damage)
    return FileTable(folder, _by_class(seen.entries, table), names, tuple(seen.damaged))


@dataclasses.dataclass
class _Rows:
    """What the rows of a table say, read so far.

    Attributes:
      entries: by file, its first row, its split and class.
      totals: the number of files by class; under the empty name, of damaged rows.
      repeated: how many rows say what one before them says.
      count: of all rows.
    """

    table: Path
    entries: dict[str, tuple[int, str, str]] = dataclasses.field(default_factory=dict)
    totals: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    damaged: list[str] = dataclasses.field(default_factory=list)
    repeated: int = 0
    count: int = 0

    def add(self, form: Dialect, where: _FileColumns, line: bytes, finder: Finder) -> None:
        self.count += 1
        cells = form.cells(line)
        try:
            if len(cells) != form.columns or line == form.header:
                raise labels.LabelError(f"expected {form.columns} cells, of a file and its label")
            name = labels.read(cells[where.label])
            split = "train" if where.split is None else rows.split_of(form.words(line)[where.split])
            file = finder.find(cells[where.file])
            first = self.entries.setdefault(file, (self.count, split, name))
            if first[1:] != (split, name):
                raise labels.LabelError(f"{file} is {first[2]} ({first[1]}) in row {first[0]:,}")
        except DataError as error:
            self.damaged.append(f"{self.table}, row {self.count:,}: {error}")
            name = ""
        else:
            if first[0] != self.count:
                self.repeated += 1
                return
        self.totals[name] += 1


def _by_class(
    entries: dict[str, tuple[int, str, str]], table: Path
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


def _columns(form: Dialect, label_column: str | None) -> _FileColumns:
    """Finds the columns.

    Raises:
      DataError: which is the file or the label cannot be told.
      UsageError: there is no such column as the user says.
    """
    sample = [row for row in form.sample() if len(row) == form.columns]
    titles = [title.lower() for title in form.names or ()]
    label = columns.numbered(form, label_column) if label_column is not None else None
    if label is None:
        label = next((titles.index(title) for title in LABEL_NAMES if title in titles), None)
    split = roles.split(form, sample)
    free = [column for column in range(form.columns) if column not in (label, split)]
    files = [column for column in free if all(is_picture(row[column]) for row in sample)]
    files = files or [titles.index(title) for title in FILE_NAMES if title in titles]
    files = [column for column in files if column in free] or (free if len(free) == 1 else [])
    if not files:  # The only one that is different in each row.
        files = [column for column in free if roles.counts(sample, column)]
        files = files if len(files) == 1 else []
    if label is None:
        others = [column for column in free if column not in files[:1]]
        likely = [column for column in others if roles.looks_like_label(sample, column)]
        label = likely[0] if len(likely) == 1 else others[0] if len(others) == 1 else None
    if not files or label is None:
        columns.refuse_one_hot(form, sample)
        what = "names the picture files" if not files else "holds the label"
        seen = ", ".join(form.names or (f"{form.columns} without names",))
        raise DataError(
            f"{form.path}: which column {what} cannot be told ({seen:.200}): expected columns such "
            "as file,label; name the label's with --label_column",
            option="label_column",
        )
    return _FileColumns(files[0], label, split)
