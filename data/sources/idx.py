"""The IDX format of MNIST and its kin: files found under their usual names, read and checked.

A file is a 4-byte magic number (0, 0, a type code, the number of dimensions), the size of
each dimension as a big-endian 32-bit integer, then the values, row by row. Images are
unsigned bytes in 3 dimensions (magic number 2051), labels in 1 (2049); often gzipped.

Format: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten
digits", http://yann.lecun.com/exdb/mnist/.
"""

import gzip
import io
import math
import re
import struct
import zlib
from pathlib import Path

import numpy as np

from ...base.errors import DataError
from ...base.pixels import unpacking

_IMAGES_MAGIC, _LABELS_MAGIC = 2051, 2049
_KINDS = {_IMAGES_MAGIC: "images", _LABELS_MAGIC: "labels"}
_GZIP_MAGIC = b"\x1f\x8b"

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


def read_images(path: Path) -> np.ndarray:
    """Reads a file of images, plain or gzipped: uint8 [N, H, W].

    Raises:
      DataError: it is not such a file, or not a whole one.
    """
    return _decoded(path, _IMAGES_MAGIC)


def read_labels(path: Path) -> np.ndarray:
    """Reads a file of labels: uint8 [N]; else as `read_images`."""
    return _decoded(path, _LABELS_MAGIC)


def _decoded(path: Path, magic: int) -> np.ndarray:
    """The values of a file of images or labels, whichever has that magic number."""
    content = _unpacked(path)
    _refuse_html(content, path)
    dimensions = magic & 0xFF
    header = 4 + 4 * dimensions
    if len(content) < header:
        raise DataError(
            f"{path}: truncated: expected a header of {header} bytes, got {len(content)} bytes "
            "in all; copy or download it again"
        )
    number = struct.unpack(">I", content[:4])[0]
    if number != magic:
        other = f", that of a file of {_KINDS[number]}" if number in _KINDS else ""
        raise DataError(
            f"{path}: not an IDX file of {_KINDS[magic]}: expected the magic number {magic}, "
            f"got {number}{other}"
        )
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    values = math.prod(shape)  # Not NumPy's, which wraps around at 2^64.
    if not values:
        raise DataError(f"{path}: holds no {_KINDS[magic]}: its header says {list(shape)}")
    if len(content) - header != values:
        state = "truncated" if len(content) - header < values else "too long"
        raise DataError(
            f"{path}: {state}: its header announces {values:,} bytes of {_KINDS[magic]} "
            f"{list(shape)}, {len(content) - header:,} follow; copy or download it again"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _unpacked(path: Path) -> bytes:
    """A file's content, unpacked if it is gzipped, whatever its name says."""
    try:
        content = path.read_bytes()
        if not content.startswith(_GZIP_MAGIC):
            return content
        with gzip.open(io.BytesIO(content)) as file:
            unpacked = file.read(unpacking.most(len(content)) + 1)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path}: damaged or truncated gzip ({error}); copy or download it again"
        ) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    unpacking.require(path, len(unpacked), "if it is right, unpack it with gunzip")
    return unpacked


def _refuse_html(content: bytes, path: Path) -> None:
    start = content[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    marks = (b"<!doctype html", b"<html", b"<head", b"<body")
    if start.startswith(b"<") and any(mark in start for mark in marks):
        raise DataError(
            f"{path}: an HTML page, not data: a server or proxy answered with a page, "
            "perhaps an error; open the file to read it, then download it again"
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
    paths: dict[tuple[str, str], Path] = {}
    for subfolder in _SUBFOLDERS:
        for path in _named_like_idx(folder / subfolder, name):
            key = split_and_kind(path.name) or ("", "")
            other = paths.setdefault(key, path)
            # The same file plain and gzipped is one file; the plain one sorts first.
            if other != path and path.name.removesuffix(".gz") != other.name:
                raise DataError(
                    f"{folder}: two files for the {' '.join(key)}: {other.name} and "
                    f"{path.name}; leave one of them there"
                )
        if paths:
            break
    for split, stem in (("train", "train"), ("test", "t10k")):
        for kind, dimensions in (("images", 3), ("labels", 1)):
            if (split, kind) not in paths:
                raise DataError(
                    f"{folder}: the {split} {kind} are missing: expected a file named like "
                    f"{stem}-{kind}-idx{dimensions}-ubyte or …ubyte.gz"
                )
    return paths


def _named_like_idx(folder: Path, name: str) -> list[Path]:
    paths = [
        path for path in sorted(folder.glob("*")) if path.is_file() and split_and_kind(path.name)
    ]
    prefix = name.replace("/", "-") + "-"
    own = [path for path in paths if path.name.lower().startswith(prefix)]
    return own if "/" in name and own else paths


def split_and_kind(name: str) -> tuple[str, str] | None:
    """The split and `images` or `labels` by a file's usual name; None for other names."""
    match = _IDX_NAME.fullmatch(name)
    return (_SPLITS[match[1].lower()], match[2].lower()) if match else None
