"""What somebody sees who looks into a folder: datasets, runs, published versions."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from digitline.base.storage import records

# The name of each thing, and what it is.
View: TypeAlias = dict[str, object]

# Below these, nobody looks but the command that made them.
_HIDDEN = (".digitline-tmp-", "incomplete.", ".staging", ".lock")


def nothing(_: Path) -> View:
    return {}


def visible(folder: Path) -> Iterator[Path]:
    """The files that readers see."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith(_HIDDEN) for part in parts):
            yield path


def names(folder: Path) -> set[str]:
    """All files and folders but locks."""
    paths = (path.relative_to(folder) for path in folder.rglob("*"))
    return {str(path) for path in paths if path.name != ".lock"}


def cut(folder: Path) -> list[str]:
    """The visible files that end too early."""
    return [
        f"{path.relative_to(folder)} is not whole"
        for path in visible(folder)
        if not _is_whole(path) and "tmp" not in path.relative_to(folder).parts
    ]


def _is_whole(path: Path) -> bool:
    content = path.read_bytes()
    ends: dict[str, Callable[[], bool]] = {
        ".json": lambda: isinstance(json.loads(content), (dict, list)),
        ".html": lambda: content.rstrip().endswith(b"</html>"),
        ".svg": lambda: content.rstrip().endswith(b"</svg>"),
        ".png": lambda: content.endswith(b"IEND\xaeB`\x82"),
        ".keras": lambda: zipfile.ZipFile(path).testzip() is None,
    }
    try:
        return ends.get(path.suffix, lambda: True)()
    except (ValueError, zipfile.BadZipFile):
        return False


def dataset(name: str, folder: Path) -> View:
    """The files of a dataset that is there: empty if there is none."""
    root = folder / "data" / name / "1.0.0"
    return {path.name: _digest(path) for path in sorted(root.glob("*"))}


def run(folder: Path) -> View:
    """Weights, figures and rows of a run, and which files of its report there are."""
    place, found = folder / "run", {}
    if (place / "model.keras").exists():
        found |= _weights(place / "model.keras")
    if (place / "evaluation.json").exists():
        # The seal is of one run; it was looked at when the command read the file.
        found["evaluation"] = records.read_object(place / "evaluation.json", of=None)
    if (place / "metrics.jsonl").exists():
        rows = map(json.loads, (place / "metrics.jsonl").read_text().splitlines())
        found["metrics"] = [{**row, "images_per_s": 0} for row in rows]
    found["report"] = (place / "report.html").exists()
    found["figures"] = sorted(path.name for path in place.glob("figures/*"))
    return found


def _weights(path: Path) -> View:
    import h5py

    found: View = {}

    def add(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = _digest_of(item[()].tobytes())

    with zipfile.ZipFile(path) as archive:
        content = archive.read("model.weights.h5")
    with h5py.File(io.BytesIO(content)) as weights:
        weights.visititems(add)
    return found


def run_is_sound(folder: Path, _: View) -> list[str]:
    """A run that looks finished is finished."""
    place = folder / "run"
    if not (place / "model.keras").exists():
        return []
    needed = ("config.json", "training.json", "evaluation.json", "metrics.jsonl")
    return [f"finished, without {name}" for name in needed if not (place / name).exists()]


def described(path: Path) -> View:
    """A file as a manifest has it."""
    return {"bytes": path.stat().st_size, "sha256": _digest(path)}


def versions(folder: Path) -> dict[str, list[int]]:
    """The published versions of each format, ascending."""
    return {
        name: sorted(int(path.name) for path in root.iterdir() if path.name.isdecimal())
        for name in ("saved_model", "tflite")
        if (root := folder / "exports" / name / "m").is_dir()
    }


def versions_are_sound(folder: Path, before: View) -> list[str]:
    """Each version is what its manifest says, and servers have one if they had one."""
    wrong = []
    for name, numbers in versions(folder).items():
        for number in numbers:
            version = folder / "exports" / name / "m" / str(number)
            extra = version / "assets.extra" / "digitline.json"
            try:
                path = extra if extra.exists() else version / "manifest.json"
                manifest = json.loads(path.read_text())
            except OSError as error:
                wrong.append(f"{name} {number}: {error}")
                continue
            for file, facts in manifest["files"].items():
                path = version / file
                if not path.exists() or _digest(path) != facts["sha256"]:
                    wrong.append(f"{name} {number}: {file} is not what the manifest says")
        if not numbers and name in before.get("formats", [name]):
            wrong.append(f"{name}: servers are left without a version")
    return wrong


def newest(folder: Path) -> View:
    """That both formats have the same newest version; which, depends on the kill."""
    last = {numbers[-1] for numbers in versions(folder).values()}
    return {"formats": sorted(versions(folder)), "newest alike": len(last) == 1}


def kept(folder: Path) -> View:
    """How many versions are left of each format, and that the newest is the same."""
    left = {name: len(numbers) for name, numbers in versions(folder).items()}
    return {**newest(folder), "left": left}


def rolled_back(folder: Path) -> View:
    """That both formats end alike; a kill after the last rename leads to one version less."""
    return {"alike": len({str(numbers) for numbers in versions(folder).values()}) == 1}


def _digest(path: Path) -> str:
    return _digest_of(path.read_bytes())


def _digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
