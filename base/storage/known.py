"""What is known of a mirror: which object each of its files is the same as.

It lies beside the mirrors, a file for each folder: a mirror holds only what its address does.
"""

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path

from .. import addresses, files
from ..errors import UserError
from . import records
from .store import Object

_TREE, _FILE = "known", ".files.json"


@dataclasses.dataclass(frozen=True)
class Known:
    """A file that was the same as an object.

    Attributes:
      size, tag: of the object; the file had the same size.
      time: of the file's last change then, in nanoseconds since 1970.
    """

    size: int
    tag: str
    time: int

    def is_of(self, listed: Object | None) -> bool:
        """Whether the object is still that."""
        return listed is not None and (self.size, self.tag) == (listed.size, listed.tag)

    def is_still(self, path: Path) -> bool:
        """Whether the file is still that."""
        try:
            status = path.stat()
        except OSError:
            return False
        return (status.st_size, status.st_mtime_ns) == (self.size, self.time)


def read(folder: Path) -> dict[str, Known]:
    """What is known of the files in a mirror's folder and below, by their paths from there."""
    found: dict[str, Known] = {}
    root = addresses.beside(folder, _TREE)
    for place, _, names in os.walk(root):
        if _FILE in names:
            inner = Path(place).relative_to(root).as_posix()
            prefix = "" if inner == "." else f"{inner}/"
            try:
                content = records.read_json(Path(place, _FILE), most=1 << 32)
                found |= {prefix + name: Known(*facts) for name, facts in content.items()}
            except (UserError, TypeError, AttributeError):  # Then nothing is known, and it is read.
                continue
    return found


def write(folder: Path, known: Mapping[str, Known]) -> None:
    """Replaces what is known of a folder and what is below it."""
    root = addresses.beside(folder, _TREE)
    contents: dict[str, dict[str, tuple[int, str, int]]] = {}
    for name, facts in known.items():
        place, _, file = name.rpartition("/")
        contents.setdefault(place, {})[file] = dataclasses.astuple(facts)
    for place in [*read_folders(root) - contents.keys()]:
        (root / place / _FILE).unlink(missing_ok=True)
    for place, content in contents.items():
        path = root / place / _FILE
        text = json.dumps(content)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write_text(path, text)


def read_folders(root: Path) -> set[str]:
    """The folders below one of which something is known."""
    places = (Path(place) for place, _, names in os.walk(root) if _FILE in names)
    return {"" if place == root else place.relative_to(root).as_posix() for place in places}
