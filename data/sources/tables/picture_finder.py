"""Where the pictures are that a table names: files that are found by what its cells say."""

import functools
import itertools
import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ....base.errors import DataError, UsageError
from ....base.files import walk
from ....base.pictures import decode
from ....base.pixels import dialect, roles
from ....base.pixels.words import is_picture
from .. import folder_layout, labels
from . import csv_files

# Of these suffixes are tables.
SUFFIXES = (".csv", ".tsv")
# A table of more columns holds pixels. So many rows, from all over it, show where pictures are.
_MOST_COLUMNS, _ROWS = 9, 16
# Folders of this machine that a path of another one may end with.
_DEEPEST = 64


def beside(table: Path) -> Path | None:
    """The folder of the pictures that a table names: the table's own, or one or two below it.

    Where several hold files of these names, as Kaggle's `train` and `test` do, it is that of the
    table's split.

    Raises:
      DataError: it is no table, or it cannot be told which folder is meant.
    """
    form = dialect.look(table)
    sample = [row for row in form.sample() if len(row) == form.columns]
    # Not every second one.
    sample = random.Random(0).sample(sample, min(_ROWS, len(sample)))  # noqa: S311 (no secret)
    by_suffix = roles.files(form, sample)
    candidates = [] if by_suffix is None else [by_suffix]
    if by_suffix is None and form.columns <= _MOST_COLUMNS:  # Names without a suffix.
        candidates = [column for column in range(form.columns) if roles.counts(sample, column)]
    words = [[row[column] for row in sample if row[column]] for column in candidates]
    if any(_are_in(table.parent, files) for files in words):
        return table.parent
    folders = _holding(table.parent, "*", words) or _holding(table.parent, "*/*", words)
    split = split_of(table) or "train"
    of_split = [folder for folder in folders if _word(folder.name) == split]
    if len(folders) > 1 and len(of_split) != 1:
        raise DataError(
            f"{table}: files that it names are in {' and in '.join(map(str, folders))}: give their "
            "folder with --source_dir",
            option="source_dir",
        )
    chosen = next(iter(of_split or folders), None)
    for files in words:
        here = _count(chosen, files) if chosen else len(files) // 2
        if here < len(files) and here < _count(table.parent, files, deep=True):
            return table.parent  # They are in several folders.
    return chosen


class Tables(NamedTuple):
    """The tables in a folder that name pictures, by split, train first; why others are left out."""

    by_split: dict[str, Path]
    left_out: tuple[str, ...] = ()


def tables_of(folder: Path) -> Tables:
    """Finds the tables in a folder that name pictures in it.

    One whose name says no split is of `train`, if no other is.

    Raises:
      UsageError: there are several for a split.
    """
    tables: dict[str, list[Path]] = {}
    others, left_out = [], []
    for path in sorted(folder.iterdir()):
        # Kaggle's example of answers has labels too.
        if path.suffix.lower() not in SUFFIXES or "submission" in path.name.lower():
            continue
        try:
            names_pictures = beside(path) is not None
        except DataError:  # One column, of files to be classified, is no table.
            names_pictures = False
        split = split_of(path)
        if not names_pictures:
            left_out.append(f"{path} is left out: it does not name pictures and their labels")
        elif split:
            tables.setdefault(split, []).append(path)
        else:
            others.append(path)
    if "train" not in tables and others:
        tables, others = {"train": others, **tables}, []
    elif "train" not in tables and len(tables) == 1:
        ((_, paths),) = tables.items()
        tables = {"train": paths}
    for paths in tables.values():
        if len(paths) > 1:
            raise UsageError(
                f"{folder}: several tables name pictures: "
                f"{', '.join(path.name for path in paths)}: give one of them"
            )
    if "train" not in tables:
        return Tables({})
    train = tables["train"][0]
    left_out += [f"{path} is left out: {train} is of the training split" for path in others]
    order = ("train", "validation", "test")
    return Tables({split: tables[split][0] for split in order if split in tables}, tuple(left_out))


def _holding(root: Path, pattern: str, words: Sequence[Sequence[str]]) -> list[Path]:
    """The folders that hold most of the files of one of these columns."""
    folders = sorted(filter(Path.is_dir, root.glob(pattern)))
    return [folder for folder in folders if any(_are_in(folder, files) for files in words)]


def _are_in(folder: Path, words: Sequence[str]) -> bool:
    """Whether a folder holds most of the files."""
    return _count(folder, words) > len(words) / 2


def _count(folder: Path, words: Sequence[str], deep: bool = False) -> int:
    """How many of the files a folder holds; `deep` counts those in folders below, too."""
    finder = Finder(folder, deep)
    for word in words:
        finder.find(os.fsencode(word))
    return finder.found


def split_of(table: Path) -> str | None:
    """The split that a table's name says: `train.csv`, `testLabels.csv`."""
    return csv_files.split_of(table) or _word(table.stem)


def _word(name: str) -> str | None:
    found = folder_layout.split_of(name)
    return found and found[0]


class Finder:
    """Finds the pictures that cells name: as written, by the end of their path, without a suffix.

    Tables come with the paths of another machine: `/content/pets/cat/1.png` is `cat/1.png` here.
    With `deep`, a name without a folder is found in any folder, if only one holds it.
    """

    def __init__(self, folder: Path, deep: bool = True):
        self._folder, self._deep = folder, deep
        self._suffixes = ("", *decode.SUFFIXES, *(suffix.upper() for suffix in decode.SUFFIXES))
        self._last = (0, "")
        self.found = 0

    def find(self, cell: bytes) -> str:
        """The path below the folder; as written if there is no such file."""
        word = os.fsdecode(cell).strip().replace("\\", "/")
        if not word:
            raise labels.LabelError("it names no file")
        parts = PurePosixPath(word).parts
        # Of what is left out before the path's end.
        lengths = (0, *range(max(1, len(parts) - _DEEPEST), len(parts)))
        for skipped, suffix in [self._last, *itertools.product(lengths, self._suffixes)]:
            name = "/".join(parts[skipped:]).replace("//", "/", 1) + suffix
            # Unlike `Path.is_file`, it also takes what no system takes for a name.
            if skipped < len(parts) and os.path.isfile(self._folder / name):
                self._last = skipped, suffix
                self.found += 1
                return self._below(name)
        if self._deep and len(parts) == 1 and (path := self._by_name.get(word)):
            self.found += 1
            return path
        return os.path.normpath(word)

    @functools.cached_property
    def _by_name(self) -> dict[str, str]:
        """The paths of pictures by their names, also without suffix; of equal names, empty."""
        paths: dict[str, str] = {}
        for picture in pictures_below(self._folder):
            path = os.path.relpath(picture, self._folder)
            for name in {picture.name, picture.stem}:
                paths[name] = "" if name in paths else path
        return paths

    def _below(self, name: str) -> str:
        """A path below the folder, also where it was written from the root on."""
        root = os.path.abspath(self._folder)
        inside = os.path.isabs(name) and os.path.commonpath((root, name)) == root
        return os.path.relpath(name, root) if inside else os.path.normpath(name)


def pictures_below(folder: Path) -> Iterator[Path]:
    """The picture files in a folder and those in it, in an order that does not change.

    None where there is no such folder, which whoever reads the pictures says.
    """
    if not folder.exists():
        return
    for path, folders, names in walk(folder):
        folders.sort()
        yield from (Path(path, name) for name in sorted(names) if is_picture(name))
