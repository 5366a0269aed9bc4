"""Addresses of object stores as paths: each has a mirror on this machine, below the user's cache.

    local("s3://bucket/runs/one")   # Path("~/.cache/digitline/addresses/s3/bucket/runs/one")
    address_of(that)                # "s3://bucket/runs/one"

So code below a command's edge goes on with paths. What of an address lies in its mirror is up to
`base.storage`; here nothing is read or written.
"""

import os
import re
from pathlib import Path

from .errors import UsageError

# What a person types; a single slash is an address that was mistyped.
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(/+)(.*)", re.DOTALL)
_CHAINED = "::"
_LOCAL = ("file", "local")
# In a mirror's path, the host of an address that has none, such as hdfs:///folder.
_NO_HOST = "@"


def cache() -> Path:
    """The folder of what can be fetched again: DIGITLINE_CACHE, or one in the user's cache."""
    if own := os.environ.get("DIGITLINE_CACHE"):
        return Path(os.path.realpath(Path(own).expanduser()))
    shared = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.path.realpath(shared)) / "digitline"


def is_address(text: str) -> bool:
    """Whether it names something that is not in this machine's file system."""
    match = _ADDRESS.fullmatch(text)
    return _CHAINED in text or bool(match and match[1].lower() not in _LOCAL)


def local(text: str | os.PathLike[str]) -> Path:
    """The path that a person's words stand for: the mirror of an address, or what they say.

    Raises:
      UsageError: it is an address in a form that is not taken.
    """
    text = os.fspath(text)
    match = _ADDRESS.fullmatch(text)
    if _CHAINED in text and (match or _ADDRESS.search(text)):
        raise UsageError("chained addresses are not taken: name the store alone")
    if match is None:
        return Path(text)
    scheme, slashes, rest = match[1].lower(), match[2], match[3].rstrip("/")
    if scheme in _LOCAL:
        return Path("/", rest)
    if len(slashes) < 2:
        raise UsageError(f"an address has two slashes: {scheme}://{rest}")
    parts = [_NO_HOST] if len(slashes) > 2 else []
    parts += rest.split("/") if rest else []
    if not parts or any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise UsageError(f"expected an address such as {scheme}://bucket/folder")
    return _mirrors().joinpath(scheme, *parts)


def of_variable(name: str, default: str) -> Path:
    """The path that a variable of the environment states; raises as `local`."""
    text = os.environ.get(name) or default
    try:
        return local(text).expanduser()
    except UsageError as error:
        raise UsageError(f"{name}={text}: {error}") from None


def address_of(path: Path) -> str | None:
    """The address that a path is the mirror of; None of any other path."""
    prefix = f"{_mirrors()}{os.sep}"
    scheme, slash, rest = str(path).removeprefix(prefix).partition("/")
    if not str(path).startswith(prefix) or not slash:
        return None
    return f"{scheme}://{rest.removeprefix(_NO_HOST)}"


def shown(text: str) -> str:
    """A text for people or for a file, in which addresses stand for their mirrors."""
    prefix = f"{_mirrors()}{os.sep}"
    if prefix not in text:
        return text
    return re.sub(re.escape(prefix) + rf"([a-z][a-z0-9+.-]+)/({_NO_HOST}(?=/))?", r"\1://", text)


def beside(path: Path, name: str) -> Path:
    """A mirror's place in another tree of the cache, such as that of what is known of it."""
    return cache() / name / path.relative_to(_mirrors())


def _mirrors() -> Path:
    return cache() / "addresses"
