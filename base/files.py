"""Files that appear whole or not at all, and folders that one process owns."""

import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NoReturn, TypeAlias

from . import addresses, refused
from .errors import DataError, UserError
from .process import temporary

# What JSON holds. Whoever reads it turns it into a dataclass at once.
JsonObject: TypeAlias = dict[str, Any]

# What TensorFlow takes for a pattern.
_PATTERN = "*?[\\"
# Of `renameat2`: AT_FDCWD and RENAME_EXCHANGE.
_HERE, _EXCHANGE = -100, 2
# The file in a folder that is locked by the process that writes there.
_LOCK = ".lock"
# Of a file that is digested, this many bytes are in memory at once.
_PART_BYTES = 1 << 20


@contextlib.contextmanager
def replacing(path: Path, durable: bool = True) -> Iterator[Path]:
    """Gives a temporary path beside `path`; renames it to `path` if the block succeeds.

    A kill leaves at most a hidden temporary file, never a half-written `path`; the next file that
    is written in that folder removes it.

    Args:
      path: to be replaced.
      durable: flushes it to disk, which takes its time: after a loss of power, too, the old file
        is there or the new one.
    """
    try:
        with temporary.file(path) as aside:
            yield aside
            if durable:
                sync(aside)
            os.replace(aside, path)
            if durable:
                sync(path.parent)
    except OSError as error:
        # A write that fails does not know its file; nobody else knows the temporary one.
        name = Path(str(error.filename or temporary.TEMPORARY)).name
        if name.startswith(temporary.TEMPORARY):
            error.filename = str(path)
        raise


def write_text(path: Path, text: str) -> None:
    """Writes `text` to `path` as UTF-8, atomically; it names addresses, not their mirrors."""
    with replacing(path) as aside:
        aside.write_text(addresses.shown(text), encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Writes `value` to `path` as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=2) + "\n")


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Names a file or folder in errors of the block: a write that fails does not know its own."""
    try:
        yield
    except OSError as error:
        if error.filename is None and refused.is_of_a_write(error):
            error.filename = str(path)
        raise


def is_there(path: Path) -> bool:
    """Whether there is a file at a path.

    Raises:
      DataError: there is something else: a folder, a pipe, a link that leads nowhere.
      OSError: that cannot be told: this user may not look.
    """
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise DataError(f"{path} is a link that leads nowhere: move it away") from None
        return False
    except OSError as error:
        if refused.says_nothing_of_the_file(error):
            raise
        raise DataError(f"{path}: {error.strerror}") from None
    _require_file(path, status)
    return True


def opened(path: Path) -> IO[bytes]:
    """Opens a file to read; what is none is refused, since a pipe would be waited for.

    Raises:
      DataError: it is missing, something else than a file, or not to be read.
      OSError: it may be whole: this user may not read it, or there are too many open files.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        is_there(path)
        raise DataError(f"{path} does not exist") from None
    except OSError as error:
        is_there(path)
        if refused.says_nothing_of_the_file(error):
            raise
        raise DataError(f"{path}: {error.strerror}") from None
    try:
        _require_file(path, os.fstat(descriptor))
    except DataError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def read_bytes(path: Path, most: int) -> bytes:
    """The content of a file of at most this many bytes; raises as `opened`, also of larger ones."""
    with opened(path) as file:
        try:
            content = file.read(most + 1)
        except OSError as error:  # Of the disk.
            raise DataError(f"{path}: {error.strerror}") from None
        if len(content) > most:
            size = os.fstat(file.fileno()).st_size
            raise DataError(f"{path} has {size:,} bytes; at most {most:,} were expected")
        return content


def _require_file(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe"}
        kind = kinds.get(stat.S_IFMT(status.st_mode), "a device or a socket")
        raise DataError(f"{path} is {kind}, not a file: move it away")


def walk(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """As `os.walk`; a folder that cannot be read is an error, not an empty one."""

    def fail(error: OSError) -> NoReturn:
        raise error

    return os.walk(folder, onerror=fail)


def is_within(path: Path, folder: Path) -> bool:
    """Whether a path leads to something in a folder, or below it, when links are followed."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # Links that lead to one another.
        return False


def sha256(path: Path) -> str:
    """The digest of a file's content, 64 hex digits; raises as `opened`."""
    digest = hashlib.sha256()
    add_to((digest,), path)
    return digest.hexdigest()


def add_to(digests: Iterable["hashlib._Hash"], path: Path) -> None:
    """Adds a file's content to some digests; it is read once."""
    digests = tuple(digests)
    with naming(path), opened(path) as file:
        while part := file.read(_PART_BYTES):
            for digest in digests:
                digest.update(part)


def sync(path: Path) -> None:
    """Flushes a file or a folder's entries to disk, so a rename after it is durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with naming(path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Flushes every file and folder under `folder` to disk."""
    for path in [*folder.rglob("*"), folder]:
        sync(path)


def ensure_folder(path: Path) -> Path:
    """Makes `path` and its parents; fails early if nothing can be written there.

    Raises:
      UserError: it is a file, or not writable.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except (FileExistsError, NotADirectoryError):
        raise UserError(f"cannot use {path} as a folder: there is a file of that name") from None
    except OSError as error:
        trouble = f"cannot write to the folder {path}: {error.strerror}"
        raise UserError(refused.with_advice(trouble, error.errno)) from None
    return path


@contextlib.contextmanager
def owned(folder: Path, doing: str) -> Iterator[None]:
    """Holds the folder's lock, so that two processes never write it at once.

    Raises:
      UserError: another process holds it.
    """
    ensure_folder(folder)
    with hold(folder / _LOCK, f"another process is {doing} in {folder}"):
        yield


def remove_if_unused(folder: Path) -> None:
    """Removes an owned folder in which there is nothing but its lock."""
    with contextlib.suppress(OSError):  # It is gone, or somebody else writes there now.
        if [entry.name for entry in folder.iterdir()] == [_LOCK]:
            (folder / _LOCK).unlink()
            folder.rmdir()


def hold(path: Path, trouble: str) -> IO[str]:
    """Locks a file until what is returned is closed, or the process ends in whatever way.

    Raises:
      UserError: another process holds it; `trouble` says what that means.
    """
    is_there(path)  # A pipe would be waited for.
    lock = open(path, "a", encoding="utf-8")  # noqa: SIM115 (the caller closes it)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise UserError(f"{trouble}; wait for it or use another folder") from None
    return lock


@contextlib.contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Lets in one process after another; all at once where the file system locks no folders."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def exchange(one: Path, other: Path) -> bool:
    """Exchanges two files or folders at once, where the system can (Linux); whether it could."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    paths = [ctypes.c_char_p(os.fsencode(path)) for path in (one, other)]
    return rename is not None and not rename(_HERE, paths[0], _HERE, paths[1], _EXCHANGE)


@contextlib.contextmanager
def literal(path: Path) -> Iterator[Path]:
    """While the block lasts, a path to the same that TensorFlow takes as it is.

    TensorFlow looks for checkpoints and variables by a pattern: of a path with `*?[` or a backslash
    in it, it finds others or none, and there is no way to escape them.
    """
    if not any(character in str(path) for character in _PATTERN):
        yield path
        return
    with temporary.folder() as folder:
        link = folder / f"linked{path.suffix}"  # Some readers choose by it.
        link.symlink_to(path.resolve(), target_is_directory=True)
        yield link


def remove(path: Path) -> None:
    """Deletes what lies at a path, if anything does: a file, or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
