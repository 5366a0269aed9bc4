"""The files of a published version, as its manifest states them and as they are."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

from . import configs, export_layout, files
from .errors import DataError
from .files import JsonObject


@dataclasses.dataclass(frozen=True)
class File:
    """A file's size and the digest of its content."""

    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> "File":
        """Of a file that is there."""
        return cls(path.stat().st_size, files.sha256(path))


def digests(folder: Path) -> dict[str, File]:
    """Each file below `folder`, by its relative path."""
    return {
        path.relative_to(folder).as_posix(): File.of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def stated(content: JsonObject) -> dict[str, File]:
    """The files that a manifest states.

    Raises:
      DataError: it is not a manifest of digitline.
    """
    try:
        return {name: configs.from_config(File, fact) for name, fact in content["files"].items()}
    except (KeyError, TypeError, AttributeError, DataError):
        raise DataError("not a manifest of digitline") from None


def differences(folder: Path, expected: Mapping[str, File]) -> Iterator[str]:
    """What is wrong with files of a version, a line each.

    Args:
      folder: of the version.
      expected: those that are looked at, by their relative paths.
    """
    for name, file in expected.items():
        path = folder / name
        if not path.is_file():
            yield f"{path}: missing"
        elif (size := path.stat().st_size) != file.bytes:
            yield f"{path}: {size:,} bytes, not {file.bytes:,}"
        elif files.sha256(path) != file.sha256:
            yield f"{path}: other content than was published"


def read(folder: Path) -> JsonObject:
    """The manifest of a version's folder; empty where it is somebody else's.

    Raises:
      UserError: it is damaged.
    """
    file = export_layout.manifest_of(folder)
    content = files.read_json(file) if file.is_file() else None
    return content if isinstance(content, dict) else {}
