"""`--verify_only`: whether published versions are whole, and whether what they say agrees.

It goes by the versions that lie there, not by their manifests: one may be gone.
"""

import dataclasses
import importlib
import importlib.util
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ...base import export_layout, files, manifests, progress
from ...base.errors import UserError, first_line
from ...base.files import JsonObject
from ...base.storage import records
from ...base.tables import short
from ...serving.description import inside, read_labels

# Where a version's manifest may be.
_MANIFESTS = (
    f"{export_layout.EXTRA}/{export_layout.SAVED_MODEL_MANIFEST}",
    export_layout.MANIFEST,
)
# What the manifests of a version's formats have in common, also if they were exported one by one.
_COMMON = ("labels", "pictures", "certainty", "run")
# The types of what is read of a manifest.
_KINDS = {"labels": list, "pictures": dict, "artifacts": list}
_WIDTH = 60


@dataclasses.dataclass(frozen=True)
class Checked:
    """The versions that were checked, and what is wrong with them, a line each."""

    checked: tuple[Path, ...]
    errors: tuple[str, ...]


def check(folder: Path) -> Checked:
    """Checks all versions below a folder: files, names of classes, records of pictures.

    Args:
      folder: of a version, of a model, or an export folder.

    Raises:
      UserError: there is no version.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    errors: list[str] = []
    versions = list(_versions(folder, errors))
    if not versions and not errors:
        raise UserError(f"{folder}: no version in it")
    contents: dict[Path, JsonObject] = {}
    for version in versions:
        try:
            contents[version] = _manifest(version)
            wrong = [*_wrong_files(version, contents[version])]
            wrong += _wrong_words(version, contents[version])
            errors += wrong
            if not wrong:
                manifests.read(version)  # Of the rest of what it says, it is the only witness.
        except (UserError, OSError) as error:
            errors.append(str(error))
    errors += _disagreements(contents)
    return Checked(tuple(versions), tuple(errors))


def _versions(folder: Path, errors: list[str]) -> Iterator[Path]:
    """The versions in a folder or below: what is called by a number, or holds a model."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        errors.append(f"{folder}: {error.strerror}")
        return
    names = {entry.name for entry in entries}
    patterns = export_layout.MODEL_FILES.values()
    if any(Path(name).match(pattern) for name in names for pattern in patterns) or any(
        (folder / name).is_file() for name in _MANIFESTS
    ):
        yield folder
        return
    inner = [entry for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
    found = False
    for entry in inner:
        if entry.is_symlink():
            errors.append(f"{entry}: a symbolic link; what it shows is not checked")
            continue
        for version in _versions(entry, errors):
            found = True
            yield version
    if folder.name.isdecimal() and not found:
        yield folder


def _manifest(version: Path) -> JsonObject:
    """The content of a version's manifest.

    Raises:
      UserError: there is none, or not one of digitline.
    """
    for path in (version / name for name in _MANIFESTS):
        if files.is_there(path):
            content = records.read_object(path, manifests.MEND, of=None)
            try:
                manifests.stated(content)
            except UserError as error:
                raise UserError(f"{path}: {error}") from None
            for key, kind in _KINDS.items():
                if not isinstance(content.get(key, kind()), kind):
                    raise UserError(f"{path}: not a manifest of digitline: its {key} are damaged")
            return content
    what = "no manifest" if any(version.iterdir()) else "empty, no model in it"
    raise UserError(f"{version}: {what}; what was published is not known")


def _wrong_files(version: Path, content: JsonObject) -> Iterator[str]:
    """What is wrong with the files of a version, a line each."""
    stated, there = manifests.stated(content), set[str]()
    unread: list[str] = []
    for folder, folders, names in os.walk(
        version, onerror=lambda error: unread.append(f"{error.filename}: {error.strerror}")
    ):
        for path in (Path(folder, name) for name in sorted([*folders, *names])):
            name = path.relative_to(version).as_posix()
            if path.is_symlink():
                there.add(name)
                yield f"{path}: a symbolic link, not the file that was published"
            elif not path.is_dir():
                there.add(name)
                if name in stated and path.is_file():
                    yield from _wrong_file(version, name, stated[name])
                elif name not in _MANIFESTS or name == _superfluous(version):
                    yield f"{path}: was not published with it"
    yield from unread
    yield from (f"{version / name}: missing" for name in stated if name not in there)


def _wrong_file(version: Path, name: str, stated: manifests.File) -> Iterator[str]:
    try:
        yield from manifests.differences(version, {name: stated})
    except OSError as error:
        yield f"{version / name}: {error.strerror}"


def _superfluous(version: Path) -> str | None:
    """The second of two manifests."""
    both = [name for name in _MANIFESTS if (version / name).is_file()]
    return both[1] if len(both) > 1 else None


def _wrong_words(version: Path, content: JsonObject) -> Iterator[str]:
    """Where a version's class names and records of pictures are not those of the manifest."""
    labels = [str(name) for name in content.get("labels") or ()]
    for path, there in _labels(version):
        if there != labels:
            yield f"{path}: {_difference(there, labels)}"
    graph = version / export_layout.SAVED_MODEL_FILE
    if graph.is_file() and _is_classifying(content) and not _holds(graph, labels):
        yield f"{graph}: its signature classify does not name the classes of the manifest"
    records = [("takes pictures by", content.get("pictures"), export_layout.PICTURES)]
    if isinstance(certainty := content.get("certainty"), dict):
        sure = {"threshold": certainty.get("threshold")}
        records.append(("is not sure by", sure, export_layout.CERTAINTY))
    for says, stated, name in records:
        for path, words in _records(version, name):
            try:
                there = json.loads(words)
            except ValueError:
                there = words
            if there != stated:
                yield (
                    f"{path}: {says} {short(str(there), _WIDTH)}, the manifest says "
                    f"{short(str(stated), _WIDTH)}"
                )


def _labels(version: Path) -> Iterator[tuple[str, list[str]]]:
    """The class names in a version's files, by what they are called in messages."""
    beside = export_layout.labels_of(version)
    yield str(beside), list(read_labels(beside))
    for path in sorted(version.glob("*.tflite")):
        yield f"{path}: inside it", (inside(path, export_layout.LABELS) or "").splitlines()
    onnx = sorted(version.glob("*.onnx"))
    if onnx and importlib.util.find_spec("onnx") is None:
        progress.say(f"{onnx[0]}: its labels are not looked at: pip install 'digitline[onnx]'")
        return
    for path in onnx:
        try:
            model = importlib.import_module("onnx").load(str(path), load_external_data=False)
        except Exception as error:  # Whatever protobuf raises of a damaged file.
            raise UserError(f"{path}: not an ONNX file: {first_line(error)}") from error
        entries = {entry.key: entry.value for entry in model.metadata_props}
        yield f"{path}: inside it", entries.get("labels", "").splitlines()


def _records(version: Path, name: str) -> Iterator[tuple[str, str]]:
    """The records of this name beside a version's models, and inside; earlier ones have none."""
    beside = export_layout.beside(version, name)
    if beside.is_file():
        yield str(beside), beside.read_text(encoding="utf-8", errors="replace")
    for path in sorted(version.glob("*.tflite")):
        if words := inside(path, name):
            yield f"{path}: inside it", words


def _is_classifying(content: JsonObject) -> bool:
    artifacts: list[Any] = content.get("artifacts") or []
    return any('"classify"' in json.dumps(artifact) for artifact in artifacts)


def _holds(graph: Path, labels: Sequence[str]) -> bool:
    """Whether a SavedModel's graph holds a constant of these words, as its file has them."""
    # A field of protobuf: its number and kind, the length in groups of 7 bits, the content.
    words = [name.encode() for name in labels]
    fields = (b"\x42" + _groups(len(word)) + word for word in words)
    return b"".join(fields) in graph.read_bytes()


def _groups(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number % 128 + 128]) + _groups(number // 128)


def _disagreements(contents: dict[Path, JsonObject]) -> Iterator[str]:
    """Where the formats of a version do not agree, or a version is called by another's number."""
    first: dict[Path, Path] = {}
    for version, content in contents.items():
        export_format, name = version.parent.parent, version.parent.name
        if export_format.name not in export_layout.FORMATS:
            continue
        called = content.get("model_name"), content.get("version")
        if called != (name, int(version.name) if version.name.isdecimal() else None):
            yield f"{version}: its manifest is of version {called[1]} of {called[0]}"
        other = first.setdefault(export_format.parent / name / version.name, version)
        for key in _COMMON:
            if content.get(key) != contents[other].get(key):
                yield f"{version}: its manifest has other {key} than that of {other}"


def _difference(there: Sequence[str], labels: Sequence[str]) -> str:
    if len(there) != len(labels):
        return f"{len(there)} labels, the manifest has {len(labels)}"
    number = next(
        i for i, (one, other) in enumerate(zip(there, labels, strict=True)) if one != other
    )
    return f"class {number} is {there[number]}, in the manifest {labels[number]}"
