"""The four IDX files of a dataset, found under their usual names."""

import re
from pathlib import Path

from ...base.errors import DataError

_SPLITS = {"train": "train", "t10k": "test", "test": "test"}
# As MNIST's page, its mirrors, Debian's packages and EMNIST call them:
# t10k-images-idx3-ubyte.gz, train-labels.idx1-ubyte, emnist-letters-test-images-idx3-ubyte.gz.
_IDX_NAME = re.compile(
    r"(?:.*[-_.])?(train|t10k|test)[-_.]?(images|labels)(?:[-_.]?idx[13])?(?:[-_.]?ubyte)?(?:\.gz)?",
    re.IGNORECASE,
)
# Where EMNIST's archive holds them, and torchvision keeps them below its root.
_SUBFOLDERS = (
    *("", "raw", "gzip", "MNIST/raw", "FashionMNIST/raw", "KMNIST/raw"),
    *("EMNIST/raw", "EMNIST/raw/gzip"),
)


def find_idx_files(folder: Path, name: str = "") -> dict[tuple[str, str], Path]:
    """Finds the four IDX files, plain or gzipped, under any of their usual names.

    Args:
      folder: where they are, or in one of the usual folders below it.
      name: the dataset's. With a configuration (`emnist/letters`), files whose names begin
        with it (`emnist-letters-`) are preferred, since EMNIST's lie side by side.

    Returns:
      Paths by (split, kind): split `train` or `test`, kind `images` or `labels`.

    Raises:
      DataError: the folder or a file is missing, or two files claim one place.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    found: dict[tuple[str, str], Path] = {}
    for below in _SUBFOLDERS:
        for match, path in _named_like_idx(folder / below, name):
            key = (_SPLITS[match[1].lower()], match[2].lower())
            other = found.setdefault(key, path)
            # The same file plain and gzipped is one file; the plain one sorts first.
            if other != path and path.name.removesuffix(".gz") != other.name:
                raise DataError(
                    f"{folder}: two files for the {' '.join(key)}: {other.name} and "
                    f"{path.name}; leave one of them there"
                )
        if found:
            break
    for split, stem in (("train", "train"), ("test", "t10k")):
        for kind, dimensions in (("images", 3), ("labels", 1)):
            if (split, kind) not in found:
                raise DataError(
                    f"{folder}: the {split} {kind} are missing: expected a file named like "
                    f"{stem}-{kind}-idx{dimensions}-ubyte or …ubyte.gz"
                )
    return found


def _named_like_idx(folder: Path, name: str) -> list[tuple[re.Match[str], Path]]:
    found = []
    for path in sorted(folder.glob("*")):
        match = _IDX_NAME.fullmatch(path.name)
        if match and path.is_file():
            found.append((match, path))
    prefix = name.replace("/", "-") + "-"
    own = [each for each in found if each[1].name.lower().startswith(prefix)]
    return own if "/" in name and own else found


def address_kind(url: str) -> tuple[str, str] | None:
    """Split and kind of the IDX file at an address, or None if it is no such file."""
    match = _IDX_NAME.fullmatch(url.rpartition("/")[2])
    return (_SPLITS[match[1].lower()], match[2].lower()) if match else None
