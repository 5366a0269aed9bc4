"""Where the pictures are that a table names: files that are found by what its cells say."""

import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from ....base.errors import DataError
from ....base.pictures import decode
from ....base.pixels import dialect, roles
from ....base.pixels.words import is_picture
from .. import folder_layout, labels
from . import csv_files

# A table of more columns holds pixels. So many rows show where the pictures are.
_MOST_COLUMNS, _FIRST_ROWS = 9, 5


def beside(table: Path) -> Path | None:
    """The folder of the pictures that a table names: the table's own, or one or two below it.

    Where several hold files of these names, as Kaggle's `train` and `test` do, it is that of the
    table's split.

    Raises:
      DataError: it is no table, or it cannot be told which folder is meant.
    """
    form = dialect.look(table)
    sample = [row for row in form.sample() if len(row) == form.columns][:_FIRST_ROWS]
    by_suffix = roles.files(form, sample)
    candidates = [] if by_suffix is None else [by_suffix]
    if by_suffix is None and form.columns <= _MOST_COLUMNS:  # Names without a suffix.
        candidates = [column for column in range(form.columns) if roles.counts(sample, column)]
    words = [[row[column] for row in sample if row[column]] for column in candidates]
    if any(_are_in(table.parent, files) for files in words):
        return table.parent
    folders = _holding(table.parent, "*", words) or _holding(table.parent, "*/*", words)
    split = csv_files.split_of(table) or "train"
    of_split = [folder for folder in folders if _split(folder) == split]
    if len(folders) > 1 and len(of_split) != 1:
        raise DataError(
            f"{table}: files that it names are in {' and in '.join(map(str, folders))}: give their "
            "folder with --source_dir",
            option="source_dir",
        )
    return next(iter(of_split or folders), None)


def _holding(root: Path, pattern: str, words: Sequence[Sequence[str]]) -> list[Path]:
    """The folders that hold most of the files of one of these columns."""
    folders = sorted(filter(Path.is_dir, root.glob(pattern)))
    return [folder for folder in folders if any(_are_in(folder, files) for files in words)]


def _are_in(folder: Path, words: Sequence[str]) -> bool:
    """Whether a folder holds most of the files."""
    finder = Finder(folder)
    for word in words:
        finder.find(os.fsencode(word))
    return finder.found > len(words) / 2


def _split(folder: Path) -> str | None:
    found = folder_layout.split_of(folder.name)
    return found and found[0]


class Finder:
    """Finds the pictures that cells name: as written, by the end of their path, without a suffix.

    Tables come with the paths of another machine: `/content/pets/cat/1.png` is `cat/1.png` here.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._suffixes = ("", *decode.SUFFIXES, *(suffix.upper() for suffix in decode.SUFFIXES))
        self._last = (0, "")
        self.found = 0

    def find(self, cell: bytes) -> str:
        """The path below the folder; as written if there is no such file."""
        word = os.fsdecode(cell).strip().replace("\\", "/")
        if not word:
            raise labels.LabelError("it names no file")
        parts = PurePosixPath(word).parts
        lengths = range(len(parts))  # Of what is left out before the path's end.
        for skipped, suffix in [self._last, *itertools.product(lengths, self._suffixes)]:
            name = "/".join(parts[skipped:]).replace("//", "/", 1) + suffix
            # Unlike `Path.is_file`, it also takes what no system takes for a name.
            if skipped < len(parts) and os.path.isfile(self._folder / name):
                self._last = skipped, suffix
                self.found += 1
                return self._below(name)
        return os.path.normpath(word)

    def _below(self, name: str) -> str:
        """A path below the folder, also where it was written from the root on."""
        root = os.path.abspath(self._folder)
        inside = os.path.isabs(name) and os.path.commonpath((root, name)) == root
        return os.path.relpath(name, root) if inside else os.path.normpath(name)


def pictures_below(folder: Path) -> Iterator[Path]:
    """The picture files in a folder and those in it, in an order that does not change."""
    for path, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(path, name) for name in sorted(names) if is_picture(name))
