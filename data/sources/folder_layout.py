"""What is in a folder of pictures: its splits, its classes, its files."""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

from ...base.errors import DataError
from ...base.pictures import decode

# What the folder of a split may be called.
_SPLIT_FOLDERS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}


@dataclasses.dataclass(frozen=True)
class FolderLayout:
    """What is in the folder.

    Attributes:
      roots: by split, the folder that holds the class folders.
      label_names: the names of the class folders, sorted.
    """

    root: Path
    roots: dict[str, Path]
    label_names: tuple[str, ...]

    def names(self, split: str, label: str, are_pictures: bool = True) -> list[str]:
        """The pictures of a class in a split, or its other files: sorted, as paths below `root`."""
        folder = self.roots[split] / label
        if not folder.is_dir():
            return []
        below = folder.relative_to(self.root)
        return [
            str(below / name)
            for name in sorted(os.listdir(folder))
            if name.lower().endswith(decode.SUFFIXES) == are_pictures and name[0] != "."
        ]

    def others(self) -> Iterator[str]:
        """The files among the pictures that are not pictures by their suffix."""
        for split in self.roots:
            for label in self.label_names:
                yield from self.names(split, label, are_pictures=False)


def look(root: Path) -> FolderLayout:
    """Finds splits and classes.

    Raises:
      DataError: there are none, or a split holds a class that the training split has not.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder")
    below = _folders(root)
    splits = [_SPLIT_FOLDERS.get(name.lower(), "") for name in below]
    if "train" in splits and all(splits):
        roots = {split: root / name for split, name in zip(splits, below, strict=True)}
        if len(roots) < len(splits):
            raise DataError(f"{root}: two folders for one split: {', '.join(sorted(below))}")
    else:
        roots = {"train": root}
    label_names = tuple(_folders(roots["train"]))
    if not label_names:
        raise DataError(f"{roots['train']}: holds no folders: expected one for each class")
    layout = FolderLayout(root, roots, label_names)
    for label in label_names:
        if not layout.names("train", label):
            raise DataError(
                f"{roots['train'] / label}: no picture in it ({', '.join(decode.SUFFIXES)}): "
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


def first_header(layout: FolderLayout) -> decode.Header:
    """Of the first picture that has one."""
    trouble = None
    for label in layout.label_names:
        for name in layout.names("train", label):
            try:
                return decode.header(layout.root / name)
            except DataError as error:
                trouble = trouble or error
    raise trouble or DataError(f"{layout.root}: no picture in it")


def _folders(path: Path) -> list[str]:
    with os.scandir(path) as entries:
        return sorted(
            entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")
        )
