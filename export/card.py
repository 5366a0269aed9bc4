"""What goes beside an artifact: the manifest for machines, the model card for people."""

import datetime
import hashlib
from pathlib import Path
from typing import Any

from . import signatures


def manifest(
    model_name: str,
    version: int,
    run_config: dict[str, Any],
    comparisons: list[dict[str, Any]],
    split: str,
) -> dict[str, Any]:
    """The manifest: what the artifact is, what it was made from, what was verified.

    Args:
      model_name, version: under which it is published.
      run_config: the run's `config.json`.
      comparisons: `Comparison.to_json()` of each artifact.
      split: the split that they were compared on.
    """
    now = datetime.datetime.now(datetime.timezone.utc)
    return {
        "format": 1,
        "model_name": model_name,
        "version": version,
        "created": now.isoformat(timespec="seconds"),
        "labels": run_config["dataset"]["label_names"],
        "signatures": {
            signature.name: {
                "inputs": {t.name: [t.dtype, list(t.shape)] for t in signature.inputs},
                "outputs": {t.name: [t.dtype, list(t.shape)] for t in signature.outputs},
            }
            for signature in signatures.SAVED_MODEL
        },
        "verified_on": {"split": split, "comparisons": comparisons},
        "run": run_config,
    }


def digests(folder: Path) -> dict[str, dict[str, Any]]:
    """Size in bytes and SHA-256 of each file below `folder`, by its relative path."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            found[path.relative_to(folder).as_posix()] = {
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
    return found


def model_card(facts: dict[str, Any]) -> str:
    """The model card, in Markdown, from the manifest.

    M. Mitchell et al., "Model cards for model reporting", FAT* 2019.
    """
    run, verified = facts["run"], facts["verified_on"]
    height, width, channels = run["preprocess"]["image_shape"]
    lines = [
        f"# {facts['model_name']}, version {facts['version']}",
        "",
        f"Image classifier `{run['model']}`: raw {height}x{width}x{channels} images to "
        f"{len(facts['labels'])} classes ({', '.join(facts['labels'])}). "
        f"Made on {facts['created'][:10]}.",
        "",
        "## Use",
        "",
    ]
    for signature in signatures.SAVED_MODEL:
        lines += [f"Signature `{signature.name}`", ""]
        lines += [f"- in: {tensor}" for tensor in signature.inputs]
        lines += [f"- out: {tensor}" for tensor in signature.outputs]
    lines += [
        "",
        "Send pixels as they are: padding and normalization are part of the graph. "
        "The TFLite file takes one image at a time.",
        "",
        "## Verified",
        "",
        f"Against the trained model, on all images of `{verified['split']}`:",
        "",
        "| artifact | signature | images | accuracy | largest difference of a probability |",
        "|---|---|---|---|---|",
    ]
    for row in verified["comparisons"]:
        lines.append(
            f"| {row['artifact']} | `{row['signature']}` | {row['examples']:,} | "
            f"{row['accuracy']:.2%} | {row['max_difference']:.1e} |"
        )
    packages = ", ".join(f"{name} {version}" for name, version in run["packages"].items())
    lines += [
        "",
        "## Training",
        "",
        f"Dataset `{run['dataset']['name']}` {run['dataset']['version']}, split "
        f"`{run['dataset']['train_split']}`, validated on `{run['dataset']['validation_split']}`. "
        f"Recipe `{run['recipe_name']}`: "
        + ", ".join(f"{name} {value}" for name, value in run["recipe"].items())
        + f". Seed {run['seed']}. {packages}; digitline {run['digitline']}"
        + (f", commit {run['git_commit']}." if run["git_commit"] else "."),
        "",
        "## Limits",
        "",
        "It answers with one of its classes whatever it is shown. The accuracy holds for images "
        "made as its dataset was made; measure it anew on yours.",
        "",
    ]
    return "\n".join(lines)
