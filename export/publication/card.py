"""What goes beside an artifact: the manifest for machines, the model card for people."""

import datetime
from pathlib import Path
from typing import Any

from ...base import files
from .. import signatures
from ..formats.artifact import Artifact

# Of the trained model's figures, what goes into manifests.
_FIGURES = ("accuracy", "accuracy_interval_95", "loss", "calibration_error", "examples", "by_class")


def facts(
    model_name: str,
    version: int,
    run_config: dict[str, Any],
    figures: dict[str, Any],
    comparisons: list[dict[str, Any]],
    made: dict[str, Any],
) -> dict[str, Any]:
    """What holds for all artifacts of a version.

    Args:
      model_name, version: under which it is published.
      run_config: the run's `config.json`.
      figures: `Evaluation.to_json()` of the trained model.
      comparisons: `Comparison.to_json()` of each artifact.
      made: how: the `split` of figures and comparisons, `dark_on_light`, `calibration`.
    """
    now = datetime.datetime.now(datetime.timezone.utc)
    return {
        "format": 1,
        "model_name": model_name,
        "version": version,
        "created": now.isoformat(timespec="seconds"),
        "labels": run_config["dataset"]["label_names"],
        "figures": {name: figures[name] for name in _FIGURES},
        "verified_on": {"split": made["split"], "comparisons": comparisons},
        "made": made,
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
        signatures.RGB: 3,
        signatures.K: len(facts["labels"]),
        signatures.HWC: height * width * channels,
    }

    def tensors(given: tuple[signatures.Tensor, ...]) -> dict[str, Any]:
        return {
            tensor.name: {"dtype": tensor.dtype, "shape": [sizes[size] for size in tensor.shape]}
            for tensor in given
            if signatures.LAYER not in tensor.shape  # Each network has its own.
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
            found[path.relative_to(folder).as_posix()] = {
                "bytes": path.stat().st_size,
                "sha256": files.sha256(path),
            }
    return found


def model_card(
    facts: dict[str, Any], artifacts: tuple[Artifact, ...], sizes: dict[str, dict[str, Any]]
) -> str:
    """The model card, in Markdown, from the version's facts.

    M. Mitchell et al., "Model cards for model reporting", FAT* 2019.

    Args:
      facts: of the version.
      artifacts: all of the version.
      sizes: `digests` of the TFLite files.
    """
    run, verified, figures = facts["run"], facts["verified_on"], facts["figures"]
    height, width, channels = run["preprocess"]["image_shape"]
    low, high = figures["accuracy_interval_95"]
    lines = [
        f"# {facts['model_name']}, version {facts['version']}",
        "",
        f"Image classifier `{run['model']}`: raw {height}x{width}x{channels} images to "
        f"{len(facts['labels'])} classes ({', '.join(facts['labels'])}). "
        f"Made on {facts['created'][:10]}.",
        "",
        "## Intended use",
        "",
        f"To classify images like those of `{run['dataset']['name']}`: alone in the picture, "
        "centred and scaled as there, light on dark where that is so there.",
        "",
        "Send pixels as they are: padding and normalization are part of the graph.",
        "",
        *_signature_lines(artifacts),
        "## Figures",
        "",
        f"On {figures['examples']:,} images of `{verified['split']}`: accuracy "
        f"{figures['accuracy']:.2%} (95 % interval {low:.2%} to {high:.2%}), loss "
        f"{figures['loss']:.4f}, calibration error {figures['calibration_error']:.2%}.",
        "",
        "| class | images | precision | recall | F1 |",
        "|---|---|---|---|---|",
    ]
    for name, row in zip(facts["labels"], figures["by_class"], strict=True):
        shares = (row["precision"], row["recall"], row["f1"])
        cells = " | ".join("-" if each is None else f"{each:.2%}" for each in shares)
        lines.append(f"| {name} | {row['images']:,} | {cells} |")
    lines += [
        "",
        "## Artifacts",
        "",
        "Each was loaded afresh and compared with the trained model on all of these images.",
        "",
        "| artifact | signature | accuracy | same class | largest difference of a probability |",
        "|---|---|---|---|---|",
    ]
    for row in verified["comparisons"]:
        lines.append(
            f"| {row['artifact']} | `{row['signature']}` | {row['accuracy']:.2%} | "
            f"{row['agreement']:.2%} | {row['max_difference']:.1e} |"
        )
    lines += ["", "| file | bytes |", "|---|---|"]
    lines += [f"| `{name}` | {fact['bytes']:,} |" for name, fact in sizes.items()]
    calibration = facts["made"]["calibration"]
    if calibration:
        lines += [
            "",
            f"Ranges of int8: from {calibration['images']:,} images of `{calibration['of']}`.",
        ]
    return "\n".join([*lines, "", *_training_lines(run), *_LIMITS])


_LIMITS = (
    "## Limits",
    "",
    "It answers with one of its classes whatever it is shown. The figures hold for images made as "
    "its dataset was made; measure them anew on yours.",
    "",
)


def _signature_lines(artifacts: tuple[Artifact, ...]) -> list[str]:
    carriers: dict[signatures.Signature, list[str]] = {}
    for artifact in artifacts:
        for signature in artifact.signatures:
            carriers.setdefault(signature, []).append(artifact.title)
    lines = []
    for signature, titles in carriers.items():
        lines += [f"Signature `{signature.name}` of {', '.join(titles)}:", ""]
        lines += [f"- in: {signature.input}"]
        lines += [*(f"- out: {tensor}" for tensor in signature.outputs), ""]
    return lines


def _training_lines(run: dict[str, Any]) -> list[str]:
    dataset = run["dataset"]
    packages = ", ".join(f"{name} {version}" for name, version in run["packages"].items())
    commit = f", commit {run['git_commit']}" if run["git_commit"] else ""
    return [
        "## Data and training",
        "",
        f"Dataset `{dataset['name']}` {dataset['version']}, fingerprint "
        f"`{dataset['fingerprint']}`; trained on `{dataset['train_split']}`, validated on "
        f"`{dataset['validation_split']}`. Recipe `{run['recipe_name']}`: "
        + ", ".join(f"{name} {value}" for name, value in run["recipe"].items())
        + f". Seed {run['seed']}. {packages}; digitline {run['digitline']}{commit}.",
        "",
    ]
