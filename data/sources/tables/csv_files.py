"""The CSV files of a dataset: one for each split, found by their names."""

import re
from pathlib import Path

from ....base.errors import DataError

# train.csv, mnist_test.csv, emnist-letters-train.csv.
_NAME = re.compile(
    r"(?:.*[-_.])?(?:(train|training)|(validation|valid|val)|(test|testing))\.(?:csv|tsv)",
    re.IGNORECASE,
)


def find(folder: Path) -> dict[str, Path]:
    """Finds the files of a folder's splits by their names.

    Raises:
      DataError: the folder or the training file is missing, or two files claim one split.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    paths: dict[str, Path] = {}
    for path in _tables(folder):
        if split := split_of(path):
            other = paths.setdefault(split, path)
            if other != path:
                raise DataError(
                    f"{folder}: two files for the {split} split: {other.name} and {path.name}; "
                    "leave one of them there, or give one instead of the folder"
                )
    if "train" not in paths:
        raise DataError(
            f"{folder}: expected a file named like train.csv, and perhaps validation.csv and "
            "test.csv; or give a file instead of the folder"
        )
    return paths


def has_train(folder: Path) -> bool:
    """Whether a file in the folder is called as one of the training split."""
    return any(split_of(path) == "train" for path in _tables(folder))


def split_of(path: Path) -> str | None:
    """The split that a file's name says."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        return None
    return "train" if match[1] else "validation" if match[2] else "test"


def _tables(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.[cCtT][sS][vV]"))
