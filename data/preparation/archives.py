"""Archives of images (zip, tar): unpacked once, beside the dataset that is made of them."""

import bz2
import contextlib
import dataclasses
import errno
import functools
import gzip
import lzma
import os
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, cast

from ...base import files, progress
from ...base.errors import DataError, UserError, first_line
from ...base.files import JsonObject
from ...base.pixels import unpacking
from ...base.storage import records

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
# What is unpacked, and what it was unpacked from.
_FOLDER, _RECORD = "source", "source.json"
_MAKING = "incomplete.source"
# What the libraries raise of a damaged file: also of members in a packing that is not known, of
# names and numbers that are none, and of places beyond what a file can have.
_DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, NotImplementedError, gzip.BadGzipFile),
    *(zlib.error, lzma.LZMAError, EOFError),
    *(ValueError, OverflowError, LookupError, struct.error),
)
# What the system says of names and of places in an archive that cannot be.
_IMPOSSIBLE = (
    *(None, errno.EINVAL, errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG),
)
# How packed tar files begin.
_OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
_ADVICE = "if it is right, unpack it yourself and give the folder"


@dataclasses.dataclass(frozen=True)
class _Member:
    """A file in an archive.

    Attributes:
      size: as the archive states it.
      open: opens its content; None of a link or a device.
    """

    name: str
    size: int
    open: Callable[[], IO[bytes] | None] | None


def is_archive(path: Path) -> bool:
    """Whether it is a file that is called as an archive."""
    return path.name.lower().endswith(SUFFIXES) and not path.is_dir()


def stem(name: str) -> str:
    """A file's name without an archive's suffix."""
    suffix = max((end for end in SUFFIXES if name.lower().endswith(end)), key=len, default="")
    return name[: len(name) - len(suffix)]


def names(path: Path) -> list[str]:
    """The files in an archive.

    Raises:
      DataError: it is missing or damaged.
    """
    with _opened(path) as members:
        return [member.name for member in members if member.open]


def unpack(path: Path, folder: Path) -> Path:
    """Unpacks an archive into a folder, unless it is there already; links are left out.

    Args:
      path: of the archive.
      folder: of the dataset.

    Returns:
      The folder that was unpacked.

    Raises:
      DataError: it is damaged, a file would lie elsewhere, or it becomes more than
        `unpacking.most` or the disk has room for.
    """
    target, record = folder / _FOLDER, _state(path)
    with files.owned(folder, "unpacking an archive"):
        if target.is_dir() and _recorded(folder / _RECORD) == record:
            return target
        making = folder / _MAKING
        shutil.rmtree(making, ignore_errors=True)
        (folder / _RECORD).unlink(missing_ok=True)
        making.mkdir()
        try:
            with files.naming(target), _opened(path) as members:
                _write(path, list(members), making)
            shutil.rmtree(target, ignore_errors=True)
            os.rename(making, target)
        finally:
            shutil.rmtree(making, ignore_errors=True)
            files.remove_if_unused(folder)
        files.write_json(folder / _RECORD, record)
    return target


def _state(path: Path) -> JsonObject:
    status = path.stat()
    return {"path": str(path.resolve()), "bytes": status.st_size, "time": status.st_mtime_ns}


def _recorded(path: Path) -> JsonObject | None:
    with contextlib.suppress(UserError):
        return records.read_object(path)
    return None


def _write(path: Path, members: list[_Member], folder: Path) -> None:
    links = sum(member.open is None for member in members)
    if links:
        progress.say(f"{path}: {links:,} links or devices in it are left out")
    total, free = sum(member.size for member in members), shutil.disk_usage(folder).free
    unpacking.require(path, total, _ADVICE)
    if total > free:
        raise DataError(
            f"{path}: unpacked it is {total / 1e9:,.1f} GB, and {folder.parent} has room for "
            f"{free / 1e9:,.1f} GB"
        )
    with progress.Progress(f"unpacking {path.name}", len(members), unit="files") as bar:
        for member in members:
            place = PurePosixPath(member.name)
            if place.is_absolute() or ".." in place.parts or not place.parts:
                raise DataError(f"{path}: {member.name!r} would be unpacked outside of its folder")
            target = folder / place
            target.parent.mkdir(parents=True, exist_ok=True)
            source = member.open() if member.open else None
            if source is None:
                continue
            with source, open(target, "wb") as file:
                shutil.copyfileobj(source, file)
                if file.tell() != member.size:
                    raise DataError(f"{path}: {member.name} is cut off; copy or download it again")
            bar.advance(1)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Iterable[_Member]]:
    """The files of an archive in the block; what is wrong with it is a `DataError`."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                yield _of_zip(archive)
        else:
            with _unpacked(path) as file, tarfile.open(fileobj=file, mode="r:") as archive:
                yield _of_tar(archive)
    except FileNotFoundError as error:
        raise DataError(f"{error.filename}: no such file") from None
    except (OSError, *_DAMAGED) as error:
        if getattr(error, "errno", None) not in _IMPOSSIBLE:  # Of the disk.
            raise
        cause = getattr(error, "strerror", None) or first_line(error)
        raise DataError(
            f"{path}: not a whole archive (zip or tar): {cause.rstrip(':')}; copy or download it "
            "again"
        ) from None
    except RuntimeError as error:  # An encrypted one.
        raise DataError(f"{path}: cannot be unpacked: {first_line(error)}") from None


@contextlib.contextmanager
def _unpacked(path: Path) -> Iterator[IO[bytes]]:
    """A tar file's content."""
    with open(path, "rb") as file:
        magic = file.read(5)
        file.seek(0)
        opener = next((_OPENERS[start] for start in _OPENERS if magic.startswith(start)), None)
        with opener(file) if opener else contextlib.nullcontext(file) as content:
            # All that tarfile asks of a file.
            yield cast(IO[bytes], unpacking.Stream(path, content, _ADVICE))


def _of_zip(archive: zipfile.ZipFile) -> Iterator[_Member]:
    for info in archive.infolist():
        is_link = stat.S_ISLNK(info.external_attr >> 16)
        content = None if is_link else functools.partial(archive.open, info)
        if not info.is_dir():
            yield _Member(info.filename.replace("\\", "/"), info.file_size, content)


def _of_tar(archive: tarfile.TarFile) -> Iterator[_Member]:
    last = -1
    for info in archive:
        if info.size < 0 or info.offset <= last:  # Some versions of Python go around in a circle.
            raise tarfile.ReadError("a header in it leads backwards")
        last = info.offset
        content = functools.partial(archive.extractfile, info) if info.isfile() else None
        if not info.isdir():
            yield _Member(info.name, info.size, content)
