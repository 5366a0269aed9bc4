"""What is in a folder of pictures: its splits, its classes, its files, and what is none of them."""

import collections
import dataclasses
import os
import re
from collections.abc import Iterator
from pathlib import Path

from ...base.errors import DataError
from ...base.pictures import decode
from ..metadata import LeftOut
from . import labels
from .slices import left_out

# Words in the name of a split's folder: `train`, `Training Set`, `test_images`, `seg_train`.
_SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
# With these or a number beside it (`train2017`), such a word names a split for certain.
_PLAIN_WORDS = {"set", "data", "dataset", "images", "imgs", "pictures", "photos", "split", "folder"}
# Folders that systems, archives and annotation tools make: no classes, whatever is in them.
_NO_CLASSES = {
    *("__macosx", "__pycache__", "@eadir", "$recycle.bin", "lost+found", "thumbnails"),
    *("system volume information", "annotations", "annotation", "labels", "metadata"),
}
# Kinds of what is left out, in words; a file's kind is its suffix.
_HIDDEN, _NO_CLASS, _EMPTY = "hidden", "folders that hold no class", "folders without pictures"
_LINK = "links to folders"
_OUTSIDE, _NO_LABELS = "pictures outside of class folders", "folders of pictures without classes"
# A path, and its kind: empty for a picture.
_Entry = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class FolderLayout:
    """What is in the folder.

    Attributes:
      folders: by split and class, the folder of its pictures; in the order of the classes.
      notes: what was inferred, in words.
      beside: what lies beside the class folders, with its kind.
    """

    root: Path
    folders: dict[str, dict[str, Path]]
    notes: tuple[str, ...]
    beside: tuple[_Entry, ...]
    damaged: tuple[str, ...] = ()

    @property
    def label_names(self) -> tuple[str, ...]:
        return tuple(self.folders["train"])

    def names(self, split: str, label: str) -> list[str]:
        """The pictures of a class in a split, in its sub-folders too: as paths below `root`."""
        folder = self.folders[split].get(label)
        entries = _walk(folder) if folder else ()
        return [os.path.relpath(path, self.root) for path, kind in entries if not kind]

    def left_out(self) -> tuple[LeftOut, ...]:
        """What is in the folder and not used, by kind."""
        return left_out((kind, os.path.relpath(path, self.root)) for path, kind in self._unused())

    def _unused(self) -> Iterator[_Entry]:
        yield from self.beside
        for classes in self.folders.values():
            for folder in classes.values():
                yield from (entry for entry in _walk(folder) if entry[1])


@dataclasses.dataclass(frozen=True)
class _Level:
    """What is in one folder.

    Attributes:
      flat: the sub-folders with pictures right in them.
      deep: the others, whose pictures are in sub-folders of theirs.
      beside: all else in the folder.
    """

    folder: Path
    flat: tuple[str, ...]
    deep: tuple[str, ...]
    beside: tuple[_Entry, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The sub-folders that hold pictures."""
        return tuple(sorted({*self.flat, *self.deep}))


def look(root: Path) -> FolderLayout:
    """Finds splits and classes.

    Raises:
      DataError: there are not two classes; it is not certain which folders are splits; or a
        split holds a class that the training split has not.
    """
    if not root.is_dir():
        raise DataError(f"{root}: {'not a folder' if root.exists() else 'no such folder'}")
    above: list[_Level] = []
    level = _level(root)
    while _is_wrapper(level) and not split_of(level.deep[0]):
        above.append(level)
        level = _level(level.folder / level.deep[0])
    splits = _splits(level)
    levels = {"train": level} if splits is None else {}
    for split, name in (splits or {}).items():
        levels[split] = _level(level.folder / name)
        while _is_wrapper(levels[split]):
            above.append(levels[split])
            levels[split] = _level(levels[split].folder / levels[split].deep[0])
    if splits is not None:
        used = set(splits.values())
        unused = [
            (str(level.folder / name), _NO_LABELS) for name in level.names if name not in used
        ]
        above.append(dataclasses.replace(level, beside=(*level.beside, *unused)))
    folders = _folders(levels)
    beside = (entry for found in (*above, *levels.values()) for entry in found.beside)
    notes = ()
    if any(found.folder not in (root, root / split) for split, found in levels.items()):
        places = (f"{split} in {os.path.relpath(levels[split].folder, root)}" for split in levels)
        notes = (f"{root}: class folders of {', '.join(places)}",)
    return FolderLayout(root, folders, notes, tuple(beside))


def _folders(levels: dict[str, _Level]) -> dict[str, dict[str, Path]]:
    """The class folders by split and class.

    Raises:
      DataError: there are not two classes, a name cannot be one, or another split has others.
    """
    train = levels["train"]
    if not train.names:
        kinds = collections.Counter(kind for _, kind in _walk(train.folder))
        loose = kinds.pop("", 0)
        there = f"{loose:,} pictures lie right in it" if loose else "it holds no pictures"
        others = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common(3))
        raise DataError(
            f"{train.folder}: {there}{f' ({others})' if others else ''}; expected one folder for "
            "each class, with its pictures in it"
        )
    folders: dict[str, dict[str, Path]] = {}
    for split, level in levels.items():
        words = labels.classes(level.names, level.folder)
        folders[split] = {name: level.folder / word for name, word in words.items()}
        for name in folders[split]:
            if name not in folders["train"]:
                raise DataError(
                    f"{folders[split][name]}: a class that {train.folder} does not have "
                    f"({', '.join(train.names[:5])}{', …' if len(train.names) > 5 else ''}); the "
                    f"{split} split may hold only the same classes"
                )
    if len(train.names) == 1:
        raise DataError(
            f"{train.folder}: only one class ({train.names[0]}): there is nothing to tell apart; "
            "expected one folder for each class, at least two"
        )
    return folders


def _is_wrapper(level: _Level) -> bool:
    """Whether all pictures are in sub-folders of one folder, as archives have it."""
    return not level.flat and len(level.deep) == 1


def split_of(name: str) -> tuple[str, bool] | None:
    """The split that a folder's name means, and whether that is certain."""
    words = [word.lower() for word in _WORD.findall(name)]
    splits = {_SPLIT_WORDS[word] for word in words if word in _SPLIT_WORDS}
    if len(splits) != 1:
        return None
    certain = all(word in _SPLIT_WORDS or word in _PLAIN_WORDS or word.isdigit() for word in words)
    return splits.pop(), certain


def _splits(level: _Level) -> dict[str, str] | None:
    """The folder of each split that has class folders; None where the folders are classes.

    Raises:
      DataError: the folders are called as splits, but they are none, or two are of one split.
    """
    meant = {name: found for name in level.names if (found := split_of(name))}
    named: dict[str, list[str]] = {}
    for name, (split, _) in meant.items():
        if name in level.deep:
            named.setdefault(split, []).append(name)
    others = [name for name in level.names if name not in meant]
    certain = [name for name in level.names if name in meant and meant[name][1]]
    if "train" not in named:
        if certain and not others:
            raise DataError(
                f"{level.folder}: {', '.join(certain)}: called as splits, but no training folder "
                "holds class folders: expected train/<class>/<picture>, or a table of rows "
                "file,label, to be given itself"
            )
        return None
    if others and len(named) == 1:
        if not set(named["train"]) & set(certain):
            return None  # A class such as `train_station`.
        raise DataError(
            f"{level.folder}: {named['train'][0]} is called as a split and holds folders, but "
            f"{others[0]} is not: move one of them elsewhere"
        )
    for names in named.values():
        if len(names) > 1:
            raise DataError(f"{level.folder}: two folders for one split: {', '.join(names)}")
    order = ("train", "validation", "test")
    return {split: named[split][0] for split in order if split in named}


def _level(folder: Path) -> _Level:
    flat, deep, beside = [], [], []
    for entry in _sorted(folder):
        kind = _kind(entry)
        if not entry.is_dir():
            beside.append((entry.path, kind or _OUTSIDE))
        elif kind:
            beside.append((entry.path, kind))
        elif any(not child.is_dir() and not _kind(child) for child in _sorted(entry.path)):
            flat.append(entry.name)
        elif any(not kind for _, kind in _walk(entry.path)):
            deep.append(entry.name)
        else:
            beside.append((entry.path, _EMPTY))
    return _Level(folder, tuple(flat), tuple(deep), tuple(beside))


def _walk(folder: str | Path) -> Iterator[_Entry]:
    """The files below a folder, in order; links to folders may lead in a circle, or elsewhere."""
    for entry in _sorted(folder):
        kind = _kind(entry)
        if entry.is_dir() and not kind:
            yield from [(entry.path, _LINK)] if entry.is_symlink() else _walk(entry.path)
        else:
            yield entry.path, kind


def _kind(entry: os.DirEntry[str]) -> str:
    """What it is by its name; empty for a picture, and for a folder that may hold some."""
    if entry.name.startswith("."):
        return _HIDDEN
    if entry.is_dir():
        return _NO_CLASS if entry.name.lower() in _NO_CLASSES else ""
    suffix = os.path.splitext(entry.name)[1].lower()
    if suffix in decode.SUFFIXES:
        return ""
    return f"{suffix} files" if suffix else "files without a suffix"


def _sorted(folder: str | Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)
