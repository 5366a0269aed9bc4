"""The IDX format of MNIST and its kin, read and checked.

A file is a 4-byte magic number (0, 0, a type code, the number of dimensions),
the size of each dimension as a big-endian 32-bit integer, then the values,
row by row. Images are unsigned bytes in 3 dimensions (magic number 2051),
labels unsigned bytes in 1 (magic number 2049). Files are often gzipped.

Format: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten
digits", http://yann.lecun.com/exdb/mnist/.
"""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from ...base.errors import DataError

IMAGES_MAGIC = 2051
LABELS_MAGIC = 2049

_KINDS = {IMAGES_MAGIC: "images", LABELS_MAGIC: "labels"}
_GZIP_MAGIC = b"\x1f\x8b"


def read_images(path: Path) -> np.ndarray:
    """Reads a file of images, plain or gzipped.

    Returns:
      uint8 [N, H, W].

    Raises:
      DataError: it is no such file, or not a whole one.
    """
    return decode(_read(path), IMAGES_MAGIC, str(path))


def read_labels(path: Path) -> np.ndarray:
    """Reads a file of labels, plain or gzipped.

    Returns:
      uint8 [N].

    Raises:
      DataError: it is no such file, or not a whole one.
    """
    return decode(_read(path), LABELS_MAGIC, str(path))


def decode(content: bytes, magic: int, name: str) -> np.ndarray:
    """Decodes the content of an unpacked IDX file.

    Args:
      content: the whole file.
      magic: the magic number to expect, `IMAGES_MAGIC` or `LABELS_MAGIC`.
      name: the file's name, for errors.

    Returns:
      uint8 [N, H, W] or [N].

    Raises:
      DataError: another magic number, or another length than the header says.
    """
    _refuse_html(content, name)
    dimensions = magic & 0xFF
    header = 4 + 4 * dimensions
    if len(content) < header:
        raise DataError(
            f"{name}: truncated: expected a header of {header} bytes, got {len(content)} bytes "
            "in all; copy or download it again"
        )
    found = struct.unpack(">I", content[:4])[0]
    if found != magic:
        other = f", that of a file of {_KINDS[found]}" if found in _KINDS else ""
        raise DataError(
            f"{name}: not an IDX file of {_KINDS[magic]}: expected the magic number {magic}, "
            f"got {found}{other}"
        )
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    values = np.prod(shape, dtype=np.int64)
    if len(content) - header != values:
        state = "truncated" if len(content) - header < values else "too long"
        raise DataError(
            f"{name}: {state}: its header announces {values:,} bytes of {_KINDS[magic]} "
            f"{list(shape)}, {len(content) - header:,} follow; copy or download it again"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def encode(array: np.ndarray) -> bytes:
    """Encodes images (uint8 [N, H, W]) or labels (uint8 [N]) as an IDX file's content."""
    if array.dtype != np.uint8 or array.ndim not in (1, 3):
        raise ValueError(
            f"Expected uint8 [N] or [N, H, W]. Received: {array.dtype} {list(array.shape)}"
        )
    magic = IMAGES_MAGIC if array.ndim == 3 else LABELS_MAGIC
    return struct.pack(f">I{array.ndim}I", magic, *array.shape) + array.tobytes()


def _read(path: Path) -> bytes:
    """A file's content, unpacked if it is gzipped, whatever its name says."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    if not content.startswith(_GZIP_MAGIC):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path}: damaged or truncated gzip ({error}); copy or download it again"
        ) from None


def _refuse_html(content: bytes, name: str) -> None:
    start = content[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    marks = (b"<!doctype html", b"<html", b"<head", b"<body")
    if start.startswith(b"<") and any(mark in start for mark in marks):
        raise DataError(
            f"{name}: an HTML page, not data: a server or proxy answered with a page, "
            "perhaps an error; open the file to read it, then download it again"
        )
