"""`digitline export`: a trained model to verified, versioned artifacts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ..base import addresses, catalog, command, configs, export_layout
from ..base.command_flags import flag_values, read
from ..base.errors import UsageError
from ..base.files import JsonObject
from ..base.storage import staging
from ..base.tables import table
from .gate.verifier import Verifier
from .options import ExportOptions
from .publication import check, publish, remote, versions
from .publication.check import Checked
from .publication.versions import RolledBack
from .runtimes.ran import Ran, matrix

if TYPE_CHECKING:
    from .stages import Exported


Result: TypeAlias = "Exported | RolledBack | Checked"


def run(options: ExportOptions) -> Result:
    """Exports, or what --verify_only or --rollback ask for instead."""
    if options.verify_only:
        staging.stage(options.verify_only)
        return check.check(options.verify_only)
    if options.rollback:
        return _roll_back(options.export_dir, options.model_name or "")
    options = dataclasses.replace(options, workdir=options.workdir or catalog.newest_run())
    with Verifier() as verifier:  # It loads TensorFlow while this process does.
        from . import stages

        return stages.export(options, verifier)


def _roll_back(export_dir: Path, name: str) -> RolledBack:
    if not export_dir.is_dir() and addresses.address_of(export_dir) is None:
        raise UsageError(f"--export_dir={export_dir}: no such folder")
    with publish.held(export_dir, lambda: remote.fetch(export_dir, name, whole=True)):
        rolled_back = versions.roll_back(export_dir, name)
        remote.push_changes(export_dir, name)
        return rolled_back


def text(result: Result) -> str:
    """The result for a person."""
    if isinstance(result, Checked):
        return f"{len(result.checked):,} versions checked, {len(result.errors):,} files are wrong"
    if isinstance(result, RolledBack):
        by_format = ", ".join(f"{name} {number}" for name, number in result.newest.items())
        same = set(result.newest.values()) <= {result.version}
        return (
            f"{result.model_name}: version {result.rolled_back} is taken away, the newest is "
            f"{result.version if same else by_format}"
        )
    rows = [
        (
            comparison.artifact,
            comparison.signature,
            f"{comparison.examples:,}",
            f"{comparison.accuracy:.2%}",
            f"{comparison.agreement:.2%}",
            f"{comparison.max_difference:.1e}",
        )
        for comparison in result.verification
    ]
    headers = ("artifact", "signature", "images", "accuracy", "same class", "difference")
    lines = [
        f"{result.model_name}, version {result.version}; beside the trained model:",
        table(headers, rows, numbers=(2, 3, 4, 5)),
        *_in_runtimes(result.runtimes),
        *(f"\n{explanation}" for explanation in result.layers),
        "",
        *map(str, result.artifacts.values()),
    ]
    for name, path in result.artifacts.items():
        flag = name.partition("_")[0] if name.startswith(export_layout.TFLITE) else name
        if name not in (export_layout.ONNX, "tflite_mediapipe"):  # predict does not open them.
            lines.append(
                f"next: {command.command_line('predict', f'--{flag}={path}', 'picture.png')}"
            )
            break
    return "\n".join(lines)


def _in_runtimes(runs: Sequence[Ran]) -> Iterator[str]:
    if runs:
        headers, rows = matrix(runs)
        yield ""
        yield table([header.removeprefix("TFLite ") for header in headers], rows)


def to_json(result: Result) -> JsonObject:
    """The result for programs."""
    if isinstance(result, (Checked, RolledBack)):
        return configs.to_config(result)
    rows = [comparison.to_json() for comparison in result.verification]
    return {**configs.to_config(dataclasses.replace(result, verification=())), "verification": rows}


COMMAND = command.Command(
    name="export",
    summary="Writes a SavedModel and a TFLite file of a trained model, compares each with the "
    "model on every image of a split, and publishes each by one rename, under one version "
    "number. If one disagrees, nothing is published and the exit status is 1.",
    flags=flag_values(ExportOptions),
    options=lambda values, _: read(ExportOptions, values),
    run=run,
    text=text,
    to_json=to_json,
    errors=lambda result: result.errors if isinstance(result, Checked) else (),
)

if __name__ == "__main__":
    command.main(COMMAND)
