"""What is in a folder of pictures: its splits, its classes, its files."""

import dataclasses
import os
from pathlib import Path

from ...base import pictures, progress
from ...base.errors import DataError

# What the folder of a split may be called.
_SPLIT_FOLDERS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}


@dataclasses.dataclass(frozen=True)
class Layout:
    """What is in the folder.

    Attributes:
      root: the folder.
      roots: by split, the folder that holds the class folders.
      label_names: the names of the class folders, sorted.
    """

    root: Path
    roots: dict[str, Path]
    label_names: tuple[str, ...]

    def names(self, split: str, label: str) -> list[str]:
        """The pictures of a class in a split, sorted, as paths below the root."""
        folder = self.roots[split] / label
        if not folder.is_dir():
            return []
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if _is_picture(entry.name))
        below = folder.relative_to(self.root)
        return [str(below / name) for name in names]

    def count(self, split: str, label: str) -> int:
        """The number of pictures of a class in a split."""
        folder = self.roots[split] / label
        if not folder.is_dir():
            return 0
        with os.scandir(folder) as entries:
            return sum(_is_picture(entry.name) for entry in entries)


def look(root: Path) -> Layout:
    """Finds splits and classes.

    Raises:
      DataError: there are none, or a split holds a class that the training split has not.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder")
    below = _folders(root)
    kinds = {name.lower(): name for name in below}
    if "train" in {_SPLIT_FOLDERS.get(kind) for kind in kinds} and set(kinds) <= set(
        _SPLIT_FOLDERS
    ):
        roots = {_SPLIT_FOLDERS[kind]: root / name for kind, name in kinds.items()}
        if len(roots) < len(kinds):
            raise DataError(f"{root}: two folders for one split: {', '.join(sorted(below))}")
    else:
        roots = {"train": root}
    label_names = tuple(_folders(roots["train"]))
    if not label_names:
        raise DataError(f"{roots['train']}: holds no folders: expected one for each class")
    layout = Layout(root, roots, label_names)
    for label in label_names:
        if not layout.count("train", label):
            raise DataError(
                f"{roots['train'] / label}: no picture in it ({', '.join(pictures.SUFFIXES)}): "
                "expected one folder for each class with its pictures right in it"
            )
    for split, folder in roots.items():
        unknown = sorted(set(_folders(folder)) - set(label_names))
        if unknown:
            raise DataError(
                f"{folder / unknown[0]}: a class that {roots['train']} does not have; "
                f"the {split} split may hold only the same classes"
            )
    return layout


def first_header(layout: Layout) -> pictures.Header:
    """Of the first picture that has one."""
    trouble = None
    for label in layout.label_names:
        for name in layout.names("train", label):
            try:
                return pictures.header(layout.root / name)
            except DataError as error:
                trouble = trouble or error
    raise trouble or DataError(f"{layout.root}: no picture in it")


def say_what_is_left_out(layout: Layout) -> None:
    """Says how many files are not pictures by their suffix; they are not read."""
    others, first = 0, ""
    for folder in layout.roots.values():
        for label in layout.label_names:
            place = folder / label
            if place.is_dir():
                with os.scandir(place) as entries:
                    for entry in entries:
                        if not _is_picture(entry.name) and not entry.name.startswith("."):
                            others, first = others + 1, first or entry.path
    if others:
        progress.say(
            f"{others:,} files are not pictures by their suffix and are left out, such as {first}"
        )


def _folders(path: Path) -> list[str]:
    with os.scandir(path) as entries:
        return sorted(
            entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")
        )


def _is_picture(name: str) -> bool:
    return name.lower().endswith(pictures.SUFFIXES) and not name.startswith(".")
