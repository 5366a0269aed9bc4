"""The files of a published version, as its manifest states them and as they are.

Of somebody else's model, or of a file of ours that was copied without its manifest, there is
nothing to compare with.
"""

import dataclasses
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from . import configs, export_layout, files, progress
from .errors import DataError, VerificationError
from .files import JsonObject
from .storage import records

# A manifest of ours has these keys; other people's files may have its name.
_OURS = {"files", "artifacts"}
# When a model is tried in a process of its own before it is opened.
TRIALS = AUTO, ALWAYS, NEVER = "auto", "always", "never"
TRIAL_HELP = (
    "Try a model in a process of its own first, which it may crash, or keep from ending: auto for "
    "all but exports of digitline whose files agree with their manifest (the gate has run those)."
)
# What to do about a damaged manifest; and about a file that is not what it states.
MEND = "restore the version or export again"
_ANYWAY = "; restore the version or export again (--noverify opens it as it is)"


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


def stating(found: Mapping[str, File]) -> JsonObject:
    """What `stated` reads."""
    return {"files": {name: dataclasses.asdict(file) for name, file in found.items()}}


def require_unchanged(
    folders: Mapping[str, Path],
    before: Mapping[str, Mapping[str, File]],
    added: Collection[str] = (),
) -> None:
    """Refuses files that are not what they were.

    Args:
      folders: to look at, by format.
      before: the digests of their files.
      added: files that may have come since.

    Raises:
      VerificationError: names the first that has changed.
    """
    for name, folder in folders.items():
        now = digests(folder)
        changed = {
            file for file in {**now, **before[name]} if now.get(file) != before[name].get(file)
        }
        if changed := sorted(changed - set(added)):
            file, was = changed[0], before[name].get(changed[0])
            what = "has come" if was is None else "has changed" if file in now else "is gone"
            raise VerificationError(
                f"{name}: {file} {what} since it was verified (sha256 "
                f"{was.sha256[:8] if was else 'none'} then, "
                f"{now[file].sha256[:8] if file in now else 'none'} now): does another program "
                "write there? nothing was published"
            )


def differences(folder: Path, expected: Mapping[str, File | None]) -> Iterator[str]:
    """What is wrong with files of a version, a line each.

    Args:
      folder: of the version.
      expected: those that are looked at, by their relative paths; None for one that is there and
        was not published.
    """
    for name, file in expected.items():
        path = folder / name
        if file is None:
            yield f"{path}: was not published with it"
        elif not path.is_file():
            yield f"{path}: {'not a file' if os.path.lexists(path) else 'missing'}"
        elif (size := path.stat().st_size) != file.bytes:
            yield f"{path}: {size:,} bytes, not {file.bytes:,}"
        elif files.sha256(path) != file.sha256:
            yield f"{path}: other content than was published"


def read(folder: Path) -> JsonObject:
    """The manifest of a version's folder; empty where it is somebody else's.

    Raises:
      DataError: it is damaged.
    """
    file = export_layout.manifest_of(folder)
    if not files.is_there(file):
        return {}
    content = records.read_json(file, mend=MEND)
    return records.unsealed(file, content, MEND, "" if _is_ours(file, content) else None)


def _is_ours(file: Path, content: object) -> bool:
    """Whether a manifest is one of ours, damaged perhaps; other people's may have its name."""
    return (
        file.name != export_layout.MANIFEST
        or (isinstance(content, dict) and bool(_OURS & content.keys()))
        or os.path.lexists(file.with_name(export_layout.PICTURES))
    )


def require_published(path: Path, *more: str) -> bool:
    """Refuses an export of ours whose files are not those that were published.

    Only the files that are used are looked at. Where there is no manifest, none is.

    Args:
      path: of a TFLite file, or of a version's folder with a SavedModel.
      more: further files of the version that are used, where they were published.

    Returns:
      Whether all that is used is as published; False where there is nothing to compare with.

    Raises:
      UserError: names the file and what is wrong with it, or the manifest, which is damaged.
    """
    folder = path if path.is_dir() else path.parent
    file, content = export_layout.manifest_of(folder), read(folder)
    if not file.is_file() or not _is_ours(file, content):
        if export_layout.pictures_of(folder).exists():
            progress.say(f"{file} is missing: whether {path} is as published is not known")
        return False
    expected = _stated(file, content)
    if path != folder and path.name not in expected:
        progress.say(f"{path} is not in {file}: whether it is as published is not known")
        return False
    beside = {export_layout.labels_of(folder), export_layout.pictures_of(folder)}
    names = {name.relative_to(folder).as_posix() for name in beside if name.exists()}
    names |= {name for name in expected if _is_used(name, path != folder)}
    names |= expected.keys() & {path.name, *more}
    for line in differences(folder, {name: expected.get(name) for name in sorted(names)}):
        raise DataError(f"{line}{_ANYWAY}", option="verify")
    return all(name in expected or not (folder / name).exists() for name in more)


def require_beside(folder: Path, names: Collection[str]) -> None:
    """Refuses files beside a model that are not those that were published with it.

    Where there is no manifest, or it does not state a file, there is nothing to compare with.

    Args:
      folder: of the version.
      names: of the files, relative to it.

    Raises:
      DataError: names the file and what is wrong with it, or the manifest, which is damaged.
    """
    file, content = export_layout.manifest_of(folder), read(folder)
    if not content or not _is_ours(file, content):
        return
    published = _stated(file, content)
    for line in differences(folder, {name: published[name] for name in names if name in published}):
        raise DataError(f"{line}; {MEND}")


def _stated(file: Path, content: JsonObject) -> dict[str, File]:
    """The files that a manifest states; an error names the manifest."""
    try:
        return stated(content)
    except DataError as error:
        raise DataError(f"{file}: {error}; {MEND}", option="verify") from None


def _is_used(name: str, by_tflite: bool) -> bool:
    """Whether a published file is used by whoever opens a model: that of a format with folders."""
    if by_tflite:
        return name in (export_layout.LABELS, export_layout.PICTURES)
    return not name.startswith(f"{export_layout.EXTRA}/")
