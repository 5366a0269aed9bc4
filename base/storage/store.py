"""Objects below an address, through fsspec; whatever a store refuses is one line."""

import contextlib
import dataclasses
import datetime
import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .. import refused
from ..command_flags import nearest
from ..errors import DataError, UsageError, UserError, first_line
from ..files import naming

# What to install for a kind of address.
_INSTALL = {
    "s3": "pip install 'digitline[remote]'",
    "s3a": "pip install 'digitline[remote]'",
    "gs": "pip install gcsfs",
    "gcs": "pip install gcsfs",
}
# A connection that is not made is given up soon: whoever asks tries again.
_OPTIONS: dict[str, dict[str, Any]] = {
    "s3": {"config_kwargs": {"connect_timeout": 10, "read_timeout": 60}}
}
# By what a store tells an object's content from another's, the surest first.
_TAGS = ("ETag", "etag", "generation", "md5Hash", "checksum", "content_md5")
_TIMES = ("LastModified", "mtime", "last_modified", "updated", "modified", "created")


class StoreError(UserError):
    """A store does not do what it is asked for."""


@dataclasses.dataclass(frozen=True)
class Object:
    """An object, as a store lists it.

    Attributes:
      tag: tells its content from another's.
      time: when it was written, in seconds since 1970; 0 where the store does not say.
    """

    size: int
    tag: str
    time: float


class Store:
    """The objects below an address.

    Raises:
      UserError: there is no such kind of store, or its package is missing.
    """

    def __init__(self, address: str):
        self.address = address
        self._files, self._root = _opened(address)

    def listing(self) -> dict[str, Object]:
        """All objects below the address, by their names from there; "" is an object at it.

        Raises:
          StoreError: the store refuses, or does not answer.
          DataError: an object's name cannot be a file's.
        """
        with _one_line(self.address, "cannot be listed"):
            found = self._files.find(self._root, detail=True)
        return self._named(found.values())

    def right_there(self) -> dict[str, Object]:
        """The objects in the folder itself; raises as `listing`."""
        with _one_line(self.address, "cannot be listed"):
            try:
                found = self._files.ls(self._root, detail=True)
            except FileNotFoundError:
                return {}
        return self._named(found)

    def _named(self, found: Iterable[dict[str, Any]]) -> dict[str, Object]:
        objects: dict[str, Object] = {}
        for info in found:
            name = info["name"].removeprefix(self._root).removeprefix("/")
            if info["type"] != "file" or info["name"].endswith("/"):  # It stands for a folder.
                continue
            parts = name.split("/") if name else []
            if any(part in ("", ".", "..") or "\0" in part for part in parts):
                raise DataError(f"{self.address} holds {name!r}, which no file here can be called")
            objects[name] = _object(info)
        folders = {name.rpartition("/")[0] for name in objects} - {""}
        for name in sorted(folders & objects.keys()):
            raise DataError(f"{self.address}/{name} is an object and a folder too: remove one")
        return objects

    def download(self, name: str, target: Path) -> None:
        """Writes an object into a file; raises `StoreError`, and OSError without room for it."""
        with naming(target), _one_line(self._called(name), "cannot be read"):
            self._files.get_file(self._path(name), str(target))

    def upload(self, source: Path, name: str) -> None:
        """Writes a file into an object, which appears whole; raises `StoreError`."""
        with _one_line(self._called(name), "cannot be written"):
            self._files.put_file(str(source), self._path(name))

    def read(self, name: str) -> bytes:
        """An object's content; raises `StoreError`."""
        with _one_line(self._called(name), "cannot be read"):
            return self._files.cat_file(self._path(name))

    def write(self, name: str, content: bytes) -> None:
        """Writes an object, which appears whole; raises `StoreError`."""
        with _one_line(self._called(name), "cannot be written"):
            self._files.pipe_file(self._path(name), content)

    def create(self, name: str, content: bytes) -> bool:
        """Writes an object that is not there; False where it is. Raises `StoreError`.

        Of two that do it at once one gets True, if the store can (S3, GCS and what follows them,
        by a conditional request). Elsewhere the last one does.
        """
        path = self._path(name)
        with _one_line(self._called(name), "cannot be written"):
            try:
                self._files.pipe_file(path, content, mode="create")
            except FileExistsError:  # Of ours too, where the answer to a request was lost.
                return self._files.cat_file(path) == content
            except (NotImplementedError, TypeError, ValueError):  # A store without such requests.
                if self._files.exists(path):
                    return False
                self._files.pipe_file(path, content)
            return self._files.cat_file(path) == content

    def remove(self, names: Iterable[str]) -> None:
        """Removes objects; those that are gone do not matter. Raises `StoreError`."""
        for name in names:
            trouble = _one_line(self._called(name), "cannot be removed")
            with trouble, contextlib.suppress(FileNotFoundError):
                self._files.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def _called(self, name: str) -> str:
        return f"{self.address}/{name}" if name else self.address


def _opened(address: str) -> tuple[Any, str]:
    scheme = address.partition("://")[0]
    fsspec = importlib.import_module("fsspec")  # Its functions have no types.
    if scheme not in fsspec.available_protocols():
        hint = nearest(scheme, fsspec.available_protocols())
        raise UsageError(f"{address}: there is no store of the kind {scheme}{hint}")
    try:
        # A listing is asked for to see what has changed.
        return fsspec.url_to_fs(address, use_listings_cache=False, **_OPTIONS.get(scheme, {}))
    except ImportError as error:
        advice = _INSTALL.get(scheme, first_line(error))
        raise UserError(f"{address}: a package is missing: {advice}") from None
    except Exception as error:  # Whatever the packages raise of credentials and addresses.
        raise StoreError(f"{address}: cannot be opened: {first_line(error)}") from error


def _object(info: dict[str, Any]) -> Object:
    time = next((info[name] for name in _TIMES if info.get(name)), 0.0)
    if isinstance(time, str):
        with contextlib.suppress(ValueError):
            time = datetime.datetime.fromisoformat(time.replace("Z", "+00:00"))
    seconds = time.timestamp() if isinstance(time, datetime.datetime) else time
    seconds = float(seconds) if isinstance(seconds, (int, float)) else 0.0
    tag = next((str(info[name]) for name in _TAGS if info.get(name)), f"time {time}")
    return Object(int(info["size"] or 0), tag.strip('"'), seconds)


@contextlib.contextmanager
def _one_line(address: str, trouble: str) -> Iterator[None]:
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:  # Each store has errors of its own.
        if isinstance(error, OSError) and refused.finds_no_room(error):
            raise  # It is this machine's disk.
        raise StoreError(f"{address}: {trouble}: {_cause(error)}") from error


def _cause(error: Exception) -> str:
    if isinstance(error, FileNotFoundError) and not error.strerror:
        text = first_line(error)
        return text if " " in text else "no such object or bucket"  # Only the name.
    return getattr(error, "strerror", None) or first_line(error)
