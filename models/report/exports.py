"""The exports of a run, as their manifests describe them."""

from pathlib import Path
from typing import Any

from ...base import export_layout, files
from ...base.errors import UsageError, UserError


def of_run(
    export_dir: Path, recorded: dict[str, Any], benchmark: Path | None
) -> tuple[dict[str, Any], ...]:
    """The artifacts that were made of a run, the newest version first.

    Args:
      export_dir: the root folder of exports.
      recorded: the run's config.json.
      benchmark: what `digitline benchmark formats --json` printed.

    Returns:
      Rows of name, version, title, bytes, split, accuracy, agreement, p50_us (None where it
      was not measured).
    """
    if not export_dir.is_dir():
        raise UsageError(f"--export_dir={export_dir} is no folder")
    timed = _timed(benchmark)
    rows = []
    for export_format in export_layout.FORMATS:
        for folder in export_dir.glob(f"{export_format}/*/*"):
            path = export_layout.manifest_of(folder)
            manifest = files.read_json(path) if path.is_file() else None
            if isinstance(manifest, dict) and manifest.get("run") == recorded:
                rows += _rows(manifest, timed)
    return tuple(sorted(rows, key=lambda row: -row["version"]))


def _rows(manifest: dict[str, Any], timed: dict[Any, float]) -> list[dict[str, Any]]:
    name, version = manifest["model_name"], manifest["version"]
    compared = {
        (each["artifact"], each["signature"]): each
        for each in manifest["verified_on"]["comparisons"]
    }
    rows = []
    for artifact in manifest.get("artifacts", []):
        title = artifact["title"]
        found = [each for (of, _), each in compared.items() if of == title]
        figures = compared.get((title, export_layout.DEFAULT_SIGNATURE), found[0] if found else {})
        rows.append(
            {
                "name": name,
                "version": version,
                "title": title,
                "bytes": _bytes(artifact["path"], manifest["files"]),
                "split": manifest["verified_on"]["split"],
                "accuracy": figures.get("accuracy"),
                "agreement": figures.get("agreement"),
                "p50_us": timed.get((name, version, title)),
            }
        )
    return rows


def _bytes(path: str, listed: dict[str, Any]) -> int:
    """Of a file; of a SavedModel, of its graph and variables."""
    if path in listed:
        return listed[path]["bytes"]
    variables = f"{export_layout.VARIABLES}/"
    return sum(
        fact["bytes"]
        for name, fact in listed.items()
        if name == export_layout.SAVED_MODEL_FILE or name.startswith(variables)
    )


def _timed(path: Path | None) -> dict[Any, float]:
    """The median time of one image by (name, version, title), with one thread."""
    if path is None:
        return {}
    found = files.read_json(path)
    try:
        name, version = found["model_name"], found["version"]
        return {(name, version, row["name"]): row["p50_us"] for row in found["rows"]}
    except (KeyError, TypeError):
        raise UserError(
            f"--benchmark={path} is not what digitline benchmark formats --json prints"
        ) from None
