"""The exports of a run, as their manifests describe them."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from ...base import catalog, export_layout, manifests
from ...base.errors import DataError, UsageError
from ...base.files import JsonObject
from ...base.storage import records

# (name, version, title) of an artifact.
_Key = tuple[str, int, str]


@dataclasses.dataclass(frozen=True)
class Artifact:
    """One file or folder of an export.

    Attributes:
      name, version: of the export.
      split: that it was verified on.
      agreement: the share of images with the same class as the trained model.
      p50_us: median time of one image in microseconds; None where it was not measured.
    """

    name: str
    version: int
    title: str
    bytes: int
    split: str
    accuracy: float | None
    agreement: float | None
    p50_us: float | None


@dataclasses.dataclass(frozen=True)
class _Row:
    """The median time of one image, of an artifact."""

    name: str
    p50_us: float


@dataclasses.dataclass(frozen=True)
class _Measured:
    """What is used of what `digitline benchmark formats --json` prints."""

    model_name: str
    version: int
    rows: tuple[_Row, ...]


def of_run(export_dir: Path, recorded: JsonObject, benchmark: Path | None) -> tuple[Artifact, ...]:
    """The artifacts that were made of a run, the newest version first.

    Args:
      export_dir: the root folder of exports.
      recorded: the run's config.json.
      benchmark: what `digitline benchmark formats --json` printed.
    """
    catalog.fetch_exports(export_dir)
    if not export_dir.is_dir():
        raise UsageError(f"--export_dir={export_dir} is not a folder")
    timed = _timed(benchmark) if benchmark else {}
    artifacts: list[Artifact] = []
    for export_format in export_layout.FORMATS:
        for folder in export_dir.glob(f"{export_format}/*/*"):
            path = export_layout.manifest_of(folder)
            manifest = manifests.read(folder)
            if manifest.get("run") == recorded:
                try:
                    artifacts += _artifacts(manifest, timed)
                except (KeyError, TypeError, AttributeError) as error:
                    raise DataError(
                        f"{path}: not a manifest of digitline: {error!r}; {manifests.MEND}"
                    ) from None
    return tuple(sorted(artifacts, key=lambda artifact: -artifact.version))


def _artifacts(manifest: JsonObject, timed: dict[_Key, float]) -> Iterator[Artifact]:
    name, version = manifest["model_name"], manifest["version"]
    verified = manifest["verified_on"]
    for artifact in manifest.get("artifacts", []):
        title = artifact["title"]
        compared = {
            comparison["signature"]: comparison
            for comparison in verified["comparisons"]
            if comparison["artifact"] == title
        }
        figures = compared.get(export_layout.DEFAULT_SIGNATURE) or next(iter(compared.values()), {})
        yield Artifact(
            name,
            version,
            title,
            _bytes(artifact["path"], manifest["files"]),
            verified["split"],
            figures.get("accuracy"),
            figures.get("agreement"),
            timed.get((name, version, title)),
        )


def _bytes(path: str, listed: dict[str, dict[str, int]]) -> int:
    """Of a file; of a SavedModel, of its graph and variables."""
    if path in listed:
        return listed[path]["bytes"]
    return sum(
        entry["bytes"]
        for name, entry in listed.items()
        if name == export_layout.SAVED_MODEL_FILE or name.startswith(f"{export_layout.VARIABLES}/")
    )


def _timed(path: Path) -> dict[_Key, float]:
    """The median time of one image with one thread."""
    mend = "give what digitline benchmark formats --json prints as --benchmark"
    measured = records.checked(path, _Measured, records.read_json(path, mend=mend), mend, True)
    name, version = measured.model_name, measured.version
    return {(name, version, row.name): row.p50_us for row in measured.rows}
