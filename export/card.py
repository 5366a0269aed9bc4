"""What goes beside an artifact: the manifest for machines, the model card for people."""

import datetime
import hashlib
from pathlib import Path
from typing import Any

from . import signatures
from .artifact import Artifact


def facts(
    model_name: str,
    version: int,
    run_config: dict[str, Any],
    comparisons: list[dict[str, Any]],
    split: str,
) -> dict[str, Any]:
    """What holds for all artifacts of a version.

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
        "verified_on": {"split": split, "comparisons": comparisons},
        "run": run_config,
    }


def manifest(
    facts: dict[str, Any], artifacts: tuple[Artifact, ...], folder: Path
) -> dict[str, Any]:
    """A folder's manifest: the version's facts, its artifacts with their signatures, its files.

    Args:
      facts: of the version.
      artifacts: in the folder.
      folder: of the artifacts' files.
    """
    return {
        **facts,
        "artifacts": [
            {
                "name": artifact.name,
                "title": artifact.title,
                "path": artifact.path,
                "signatures": {
                    each.name: _described(each, artifact.batch_size, facts)
                    for each in artifact.signatures
                },
            }
            for artifact in artifacts
        ],
        "files": digests(folder),
    }


def _described(
    signature: signatures.Signature, batch_size: int | None, facts: dict[str, Any]
) -> dict[str, Any]:
    """A signature's tensors; null in a shape where the batch size is open."""
    height, width, channels = facts["run"]["preprocess"]["image_shape"]
    sizes = {
        signatures.N: batch_size,
        signatures.H: height,
        signatures.W: width,
        signatures.C: channels,
        signatures.K: len(facts["labels"]),
        signatures.HWC: height * width * channels,
    }

    def tensors(given: tuple[signatures.Tensor, ...]) -> dict[str, Any]:
        return {
            tensor.name: {"dtype": tensor.dtype, "shape": [sizes[size] for size in tensor.shape]}
            for tensor in given
        }

    return {
        "method": signature.method,
        "inputs": tensors((signature.input,)),
        "outputs": tensors(signature.outputs),
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
    """The model card, in Markdown, from the version's facts.

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
        lines += [f"- in: {signature.input}"]
        lines += [f"- out: {tensor}" for tensor in signature.outputs]
        lines.append("")
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
