"""The rows of tables of picture files: the file, label and split of each."""

import collections
import dataclasses
import os
from pathlib import Path

from ....base import progress
from ....base.errors import DataError
from ....base.pixels import columns, dialect, roles, rows
from ....base.pixels.dialect import Dialect
from ....base.pixels.words import FILE_NAMES, LABEL_NAMES, is_picture
from .. import labels
from .picture_finder import Finder


@dataclasses.dataclass(frozen=True)
class FileColumns:
    """Where the file, the label and, if there is one, the split are in a row."""

    file: int
    label: int
    split: int | None


@dataclasses.dataclass(frozen=True)
class Table:
    """A table: its form and columns, the folder of its pictures, the split of its rows."""

    form: Dialect
    where: FileColumns
    pictures: Path
    split: str = "train"

    @classmethod
    def of(cls, path: Path, pictures: Path, label_column: str | None) -> "Table":
        form = dialect.look(path)
        table = cls(form, _columns(form, label_column), pictures)
        table.say()
        return table

    @classmethod
    def like(cls, other: "Table", path: Path, pictures: Path, split: str) -> "Table | str":
        """The table of another split, by the columns of the first; or why it has no labels."""
        form = dialect.look(path)
        where, train = other.where, other.form
        title = columns.name(train, where.label)
        if form.names and train.names:
            if train.names[where.label] not in form.names:
                return f"it has no {title}, as {train.path} has"
            titles = [train.names[column] for column in (where.file, where.label)]
            if titles[0] not in form.names:
                return f"it has no {columns.name(train, where.file)}, as {train.path} has"
            file, label = map(form.names.index, titles)
            where = FileColumns(file, label, None)
        elif form.columns != train.columns or bool(form.names) != bool(train.names):
            return f"it is of another form than {train.path}, so that its labels are not found"
        table = cls(form, where, pictures, split)
        sample = (row for row in form.sample() if len(row) == form.columns)
        if not any(row[where.label] for row in sample):
            return f"nothing is in its {title}"
        table.say()
        return table

    def say(self) -> None:
        """Says what is where."""
        form, where = self.form, self.where
        progress.say(
            f"{form.path}: files in {columns.name(form, where.file)}, label in "
            f"{columns.name(form, where.label)}"
            + (f", split in {columns.name(form, where.split)}" if where.split is not None else "")
            + (f", split {self.split}" if self.split != "train" else "")
            + f", {form}"
        )


def sampled(path: Path, pictures: Path) -> list[tuple[Path, str]]:
    """Some of the files that a table names, with their classes; none if these cannot be told."""
    form = dialect.look(path)
    try:
        where = _columns(form, None)
    except DataError:
        return []
    finder, found = Finder(pictures), []
    for row in form.sample():
        if len(row) == form.columns and row[where.file] and row[where.label]:
            file = pictures / finder.find(os.fsencode(row[where.file]))
            found += [(file, row[where.label])] if file.is_file() else []
    return found


@dataclasses.dataclass
class Rows:
    """What the rows of tables say, read so far.

    Attributes:
      root: the folder that the files are below.
      entries: by file, the row that names it first, its split and class.
      totals: the number of files by class; under the empty name, of damaged rows.
      repeated: how many rows say what one before them says.
    """

    root: Path
    entries: dict[str, tuple[str, str, str]] = dataclasses.field(default_factory=dict)
    totals: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    damaged: list[str] = dataclasses.field(default_factory=list)
    repeated: int = 0

    def read(self, table: Table) -> None:
        """Reads all rows of a table.

        Raises:
          DataError: none of its files is there.
        """
        form, finder = table.form, Finder(table.pictures)
        for number, line in enumerate(form.lines(form.start, form.size), 1):
            self._add(table, finder, line, number)
        if not finder.found:
            example = next(
                (
                    form.words(line)[table.where.file : table.where.file + 1]
                    for line in form.lines(form.start, form.size)
                ),
                ["none"],
            )
            raise DataError(
                f"{form.path}: none of the files that it names is in {table.pictures}, such as "
                f"{' '.join(example)}: give their folder with --source_dir",
                option="source_dir",
            )

    def _add(self, table: Table, finder: Finder, line: bytes, number: int) -> None:
        form, where = table.form, table.where
        place, cells = f"{form.path.name}, row {number:,}", form.cells(line)
        try:
            if len(cells) != form.columns or line == form.header:
                raise labels.LabelError(f"expected {form.columns} cells, of a file and its label")
            name, split = labels.read(cells[where.label]), table.split
            if where.split is not None:
                split = rows.split_of(form.words(line)[where.split])
            file = finder.find(cells[where.file])
            file = os.path.normpath(os.path.relpath(table.pictures / file, self.root))
            first = self.entries.setdefault(file, (place, split, name))
            if first[1:] != (split, name):
                raise labels.LabelError(f"{file} is {first[2]} ({first[1]}) in {first[0]}")
        except DataError as error:
            self.damaged.append(f"{form.path.parent / place}: {error}")
            self.totals[""] += 1
        else:
            is_new = first[0] == place
            self.totals[name] += is_new
            self.repeated += not is_new


def _columns(form: Dialect, label_column: str | None) -> FileColumns:
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
    return FileColumns(files[0], label, split)
