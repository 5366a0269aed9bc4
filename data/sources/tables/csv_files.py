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
    for path in sorted(folder.glob("*.[cCtT][sS][vV]")):
        match = _NAME.fullmatch(path.name)
        if match:
            split = "train" if match[1] else "validation" if match[2] else "test"
            other = paths.setdefault(split, path)
            if other != path:
                raise DataError(
                    f"{folder}: two files for the {split} split: {other.name} and {path.name}; "
                    "leave one of them there, or name one with --source_file",
                    option="source_file",
                )
    if "train" not in paths:
        raise DataError(
            f"{folder}: expected a file named like train.csv, and perhaps validation.csv and "
            "test.csv; or name one with --source_file",
            option="source_file",
        )
    return paths
