"""Temporary files and folders, and what killed processes left of them.

Who writes one holds its lock, which ends with the process in whatever way. So one that nobody
holds was left behind, and goes when the next is made in the same folder.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

# How the names of temporary files begin; nobody else's do.
TEMPORARY = ".digitline-tmp-"


@contextlib.contextmanager
def file(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside `path`, held while the block lasts, and not there after it.

    Its folder has to be there: one that somebody removes meanwhile is not made again, for a part of
    what was in it.

    The suffix is kept, since some writers (Keras) choose the format by it. Those that killed
    processes left in the folder are removed first.
    """
    sweep(path.parent)
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{path.name}")
    descriptor = None
    while descriptor is None:
        descriptor = _hold(temporary, os.O_RDWR | os.O_CREAT)
    try:
        yield temporary
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        os.close(descriptor)


@contextlib.contextmanager
def folder(place: Path | None = None) -> Iterator[Path]:
    """Gives an empty folder, only this user's, held while the block lasts, and not there after it.

    Args:
      place: where to make it; where temporary files go if None. What killed processes left there
        is removed first.
    """
    place = place or _place()
    sweep(place)
    with contextlib.ExitStack() as stack:
        while True:
            # `tempfile`'s own would raise what it may not delete.
            made = tempfile.mkdtemp(prefix=TEMPORARY, dir=place)
            stack.callback(shutil.rmtree, made, ignore_errors=True)
            descriptor = _hold(Path(made), os.O_RDONLY)
            if descriptor is not None:  # Else another process swept it away before.
                break
        stack.callback(os.close, descriptor)
        yield Path(made)


@contextlib.contextmanager
def own_folder() -> Iterator[None]:
    """While the block lasts, temporary files of libraries, and of processes, go to a `folder`.

    Nothing changes where none can be made.
    """
    before = tempfile.tempdir, os.environ.get("TMPDIR")
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            tempfile.tempdir = os.environ["TMPDIR"] = str(stack.enter_context(folder()))
        try:
            yield
        finally:
            tempfile.tempdir = before[0]
            os.environ.pop("TMPDIR", None)
            if before[1] is not None:
                os.environ["TMPDIR"] = before[1]


def _place() -> Path:
    """Where temporary files go; `tempfile` would try that out with one of its own."""
    if tempfile.tempdir is None:
        named = (os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
        for place in filter(None, (*named, "/tmp")):  # noqa: S108 (files in it have names of their own)
            if os.path.isdir(place) and os.access(place, os.W_OK | os.X_OK):
                return Path(os.path.abspath(place))
    return Path(tempfile.gettempdir())


def sweep(place: Path) -> None:
    """Deletes the temporary files and folders in `place` that killed processes left there."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(place):
            if entry.name.startswith(TEMPORARY):
                with contextlib.suppress(OSError):  # Another process was quicker.
                    _delete_unless_held(Path(entry.path), unknown_too=False)


def remove_leftovers(place: Path, pattern: str) -> int:
    """Deletes what killed runs left in a folder that the caller owns.

    Args:
      place: the folder.
      pattern: of names; what a process holds, as `file` does, stays.

    Returns:
      How many there were.
    """
    paths = list(place.glob(pattern))
    return sum(_delete_unless_held(path, unknown_too=True) for path in paths)


def _hold(path: Path, flags: int) -> int | None:
    """The descriptor that holds what was just made at `path`; None if it was swept before."""
    try:
        descriptor = os.open(path, flags, 0o666)
    except FileNotFoundError:
        if path.parent.is_dir():
            return None
        raise
    with contextlib.suppress(OSError):  # A file system that knows no locks.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    if _is_at(descriptor, path):
        return descriptor
    os.close(descriptor)
    return None


def _delete_unless_held(path: Path, unknown_too: bool) -> bool:
    """Deletes a file or folder; says whether it did.

    It holds it meanwhile: whoever has made it and is about to hold it waits, and sees it gone.

    Args:
      path: of it.
      unknown_too: where it cannot be told whether a process holds it.
    """
    with contextlib.ExitStack() as stack:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
            stack.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_at(descriptor, path):
                return False
        except BlockingIOError:
            return False
        except OSError:
            if not unknown_too:
                return False
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
        return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether it is still there, and no other of its name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False
