"""Files of ours that are read back, each into what it is to hold; a damaged one is named.

What `write` writes is sealed: it holds the digest of its content, since a turned bit in a figure
is still JSON, and may be another figure. A record of a run is sealed for that run, so that the same
file of another run is not taken for it. Files of earlier versions have no seal, and are taken by
their form.

    records.write(path, configs.to_config(recipe))
    recipe = records.read(path, Recipe, "restore it")
"""

import hashlib
import json
import math
from collections.abc import Collection
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from .. import addresses, configs, files
from ..errors import DataError
from ..files import JsonObject

T = TypeVar("T")

# The key of the seal; and how much of the digest it is, in hex digits.
SEAL, _DIGITS = "digest", 32
# What to do about a damaged file, where the caller knows no better.
_MEND = "restore or delete it"
_DEEP = "is nested too deeply"
# Those that digitline writes have a few MB at most.
LARGEST = 64 << 20


def write(path: Path, value: JsonObject, of: str = "", free: Collection[str] = ()) -> None:
    """Writes a JSON object with its seal, atomically.

    Args:
      path: of the file.
      value: what it is to hold.
      of: the run that it is of; `read` is to say the same.
      free: keys that people may edit.
    """
    files.write_json(path, sealed(value, of, free))


def sealed(value: JsonObject, of: str = "", free: Collection[str] = ()) -> JsonObject:
    """What `write` writes."""
    # As it will be in the file, where mirrors have their addresses' names.
    content = json.loads(addresses.shown(json.dumps(configs.plain(value))))
    return {SEAL: _seal(content, of, free), **content}


def read(path: Path, cls: type[T], mend: str = _MEND, of: str = "") -> T:
    """A file as a dataclass.

    Args:
      path: of the file.
      cls: the dataclass, as `configs.from_config` takes it.
      mend: what to do about a damaged file; it ends the message.
      of: the run that it is to be of.

    Raises:
      DataError: the file is missing, damaged, or another run's.
    """
    return checked(path, cls, read_object(path, mend, of), mend)


def checked(
    where: Path | str, cls: type[T], content: object, mend: str = _MEND, in_part: bool = False
) -> T:
    """What was read of a file as a dataclass; `in_part` goes to `configs.from_config`.

    Raises:
      DataError: it is not of that kind; names the file and the key.
    """
    try:
        return configs.from_config(cls, content, in_part)
    except DataError as error:
        raise DataError(f"{where}: {error}; {mend}") from None
    except RecursionError:  # It could be read, just so.
        raise DataError(f"{where} {_DEEP}; {mend}") from None


def read_object(
    path: Path, mend: str = _MEND, of: str | None = "", free: Collection[str] = ()
) -> JsonObject:
    """The JSON object in a file, without its seal.

    Args:
      path, mend: as `read` takes them.
      of: the run that it is to be of; None where that is not known, and the seal does not count.
      free: keys that people may have edited.

    Raises:
      DataError: as `read` does.
    """
    return unsealed(path, read_json(path, mend=mend), mend, of, free)


def unsealed(
    path: Path,
    content: Any,
    mend: str = _MEND,
    of: str | None = "",
    free: Collection[str] = (),
) -> JsonObject:
    """What `read_json` gave for a file, without its seal; arguments and errors of `read_object`."""
    if not isinstance(content, dict):
        raise DataError(f"{path} holds {_kind(content)}, not a JSON object; {mend}")
    seal = content.pop(SEAL, None)
    try:
        is_whole = of is None or seal is None or seal == _seal(content, of, free)
    except RecursionError:
        raise DataError(f"{path} {_DEEP}; {mend}") from None
    if not is_whole:
        other = "damaged, edited, or another run's" if of else "damaged or edited"
        raise DataError(f"{path} is not as digitline wrote it ({other}); {mend}")
    return content


def read_json(path: Path, most: int = LARGEST, mend: str = _MEND) -> Any:
    """The JSON value in a file, with numbers that are finite; other arguments as for `read`.

    Args:
      most: bytes that the file may have.

    Raises:
      DataError: the file is missing, cannot be read, is too large, or is not JSON.
    """
    return parse(path, read_text(path, most, mend), mend)


def parse(where: Path | str, words: str, mend: str = _MEND) -> Any:
    """The JSON value that some words are, which `where` names; else as `read_json`."""
    try:
        return json.loads(words, parse_constant=_refuse, parse_float=_finite)
    except ValueError as error:
        raise DataError(f"{where} is not valid JSON ({error}); {mend}") from None
    except RecursionError:
        raise DataError(f"{where} {_DEEP}; {mend}") from None


def read_text(path: Path, most: int = LARGEST, mend: str = _MEND) -> str:
    """The text in a file of UTF-8; arguments and errors are those of `read_json`."""
    try:
        return files.read_bytes(path, most).decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text (byte {error.start} is not UTF-8); {mend}") from None
    except DataError as error:
        raise DataError(f"{error}; {mend}") from None


def _seal(content: JsonObject, of: str, free: Collection[str]) -> str:
    counted = {key: value for key, value in content.items() if key not in free}
    words = json.dumps([of, counted], sort_keys=True)
    return hashlib.sha256(words.encode()).hexdigest()[:_DIGITS]


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits} is too large")
    return number


def _kind(value: object) -> str:
    if value is None:
        return "null"
    return {list: "a list", str: "a string", bool: "a truth value"}.get(type(value), "a number")
