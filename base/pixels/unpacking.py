"""How much a packed file may become: archives, gzipped files, NumPy's .npz.

A file of a few kilobytes can unpack to terabytes. Images do not shrink to a hundredth, but for
blank ones: what does is refused once it has come to 1 GB.
"""

import os
import zipfile
from pathlib import Path
from typing import Protocol

from ..errors import DataError

# Bytes that any file may become, and how many times its size a larger one may.
_ANY, _TIMES = 1 << 30, 100
# Bytes that are read of a stream at once: Python's tarfile reads some headers whole.
_AT_ONCE = 16 << 20


def most(packed: int) -> int:
    """How many bytes a file of `packed` bytes may become."""
    return max(_ANY, _TIMES * packed)


def require(path: Path, unpacked: int, advice: str) -> None:
    """Refuses a file that becomes more than `most`.

    Args:
      path: of the packed file.
      unpacked: what it becomes, in bytes, as far as it is known.
      advice: what to do with one that is as it should be.

    Raises:
      DataError: it does.
    """
    packed = path.stat().st_size
    if unpacked > most(packed):
        raise DataError(
            f"{path}: its {packed:,} bytes unpack to {unpacked:,} or more; expected at most "
            f"{most(packed):,} (1 GiB, or {_TIMES} times as many): {advice}"
        )


def require_members(path: Path, advice: str) -> None:
    """The same for all members of a zip archive; a file that is none passes.

    Goes by the sizes that it states: Python's zipfile gives no member more than that.

    Raises:
      DataError: as `require`.
      zipfile.BadZipFile: it is damaged.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            require(path, sum(member.file_size for member in archive.infolist()), advice)


class Seekable(Protocol):
    """A file, as far as it is used here."""

    def read(self, size: int, /) -> bytes: ...
    def seek(self, position: int, whence: int, /) -> int: ...
    def tell(self) -> int: ...


class Stream:
    """What a file unpacks to, as a file that is read and sought in."""

    def __init__(self, path: Path, unpacked: Seekable, advice: str):
        """Arguments as of `require`; `unpacked` is the content."""
        self._path, self._unpacked, self._advice = path, unpacked, advice

    def read(self, size: int) -> bytes:
        """The next bytes; DataError where they are beyond what it may become, or too many."""
        if not 0 <= size <= _AT_ONCE:
            raise DataError(
                f"{self._path}: damaged: a header in it states {size:,} bytes; copy or download it "
                "again"
            )
        require(self._path, self.tell() + size, self._advice)
        return self._unpacked.read(size)

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        """Goes to a position from the start or, without such a bound, from elsewhere."""
        if whence == os.SEEK_SET:
            require(self._path, position, self._advice)
        return self._unpacked.seek(position, whence)

    def tell(self) -> int:
        """Where it is, in bytes."""
        return self._unpacked.tell()
