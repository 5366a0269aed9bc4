"""The model card, held against the manifest beside it, which was checked just before."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ....base import export_layout, manifests
from ....base.errors import VerificationError
from ....base.files import JsonObject
from ....base.storage import records
from ....models import registry
from ....models.pretrained import imagenet

# Lines of the head of a table. It has three tables, one of runtimes where there are some, and one
# of corruptions for each split that was corrupted.
_HEAD, _TABLES = 2, 3


def require(folder: Path) -> None:
    """Refuses a card without a sentence or a row that follows from the manifest.

    Raises:
      VerificationError: names what is missing.
    """
    path = folder / export_layout.CARD
    text = path.read_text(encoding="utf-8")
    manifest = records.read_object(export_layout.manifest_of(folder), of=None)
    rows = list(_rows(folder, manifest))
    text_left = text
    tables = _TABLES + bool(manifest["verified_on"]["runtimes"]) + len(manifest["robustness"])
    heads = _HEAD * tables
    for words in (*_sentences(manifest), *rows):
        if words not in text:
            raise VerificationError(
                f"{path.name}: lacks {words.strip()!r}, as it follows from the manifest; nothing "
                "was published"
            )
        text_left = text_left.replace(words, "\n")
    if "%" in text_left:
        (line, *_) = (line for line in text_left.splitlines() if "%" in line)
        raise VerificationError(
            f"{path.name}: says {line.strip()!r}, which does not follow from the manifest; nothing "
            "was published"
        )
    count = sum(line.startswith("|") for line in text.splitlines())
    if count != len(rows) + heads:
        raise VerificationError(
            f"{path.name}: its tables have {count} lines, expected {len(rows) + heads}; nothing "
            "was published"
        )


def _sentences(manifest: JsonObject) -> Iterator[str]:
    run, figures, certainty = manifest["run"], manifest["figures"], manifest["certainty"]
    dataset, made = run["dataset"], manifest["made"]
    low, high = figures["accuracy_interval_95"]
    yield f"# {manifest['model_name']}, version {manifest['version']}\n"
    yield f"classes ({', '.join(manifest['labels'])}). Made on {manifest['created'][:10]}."
    yield (
        f"On {figures['examples']:,} images of `{made['split']}`: accuracy "
        f"{figures['accuracy']:.2%} (95 % interval {low:.2%} to {high:.2%}), loss "
        f"{figures['loss']:.4f}, calibration error {figures['calibration_error']:.2%}."
    )
    for split, robustness in manifest["robustness"].items():
        yield f"On images of `{split}` that were corrupted "
        yield f": mean accuracy {robustness['accuracy']:.2%}. Of the trained model, "
    if made["calibration"]:
        images, split = made["calibration"]["images"], made["calibration"]["of"]
        yield f"Rounded to int8 by {images:,} images of `{split}`."
    yield (
        f"Dataset `{dataset['name']}` {dataset['version']}, fingerprint "
        f"`{dataset['fingerprint']}`; trained on `{dataset['train_split']}`, validated on "
        f"`{dataset['validation_split']}`. Recipe `{run['recipe_name']}`: "
    )
    if registry.is_pretrained(run["model"]):
        yield f"\n{imagenet.ORIGIN} "
    for ran in manifest["verified_on"]["runtimes"]:
        if ran["refusal"] is not None:
            yield f"- {ran['runtime']} refuses {ran['artifact']}: {ran['refusal']}\n"
    yield f" Seed {run['seed']}. "
    yield "\nSend pixels as they are: padding and normalization are part of the graph.\n"
    for artifact in manifest["artifacts"]:
        for name, signature in artifact["signatures"].items():
            yield f"\nSignature `{name}` of "
            for word, tensors in (("in", signature["inputs"]), ("out", signature["outputs"])):
                for key, tensor in tensors.items():
                    yield f"\n- {word}: `{key}` {tensor['dtype']} ["
    yield f"below {certainty['threshold']:.3f} as "
    yield (
        f"of the {certainty['images']:,} validation images {certainty['coverage']:.2%} are at or "
        f"above it, and {certainty['accuracy']:.2%} of these are right."
    )


def _rows(folder: Path, manifest: JsonObject) -> Iterator[str]:
    for name, row in zip(manifest["labels"], manifest["figures"]["by_class"], strict=True):
        shares = (row["precision"], row["recall"], row["f1"])
        shown = ("-" if share is None else f"{share:.2%}" for share in shares)
        # In a table a line ends a cell.
        cell = name.replace("|", "\\|")
        yield f"\n| {cell} | {row['images']:,} | {' | '.join(shown)} |\n"
    for robustness in manifest["robustness"].values():
        yield from _corruptions(robustness["by_corruption"])
    for row in manifest["verified_on"]["comparisons"]:
        yield (
            f"\n| {row['artifact']} | `{row['signature']}` | {row['accuracy']:.2%} | "
            f"{row['agreement']:.2%} | {row['max_difference']:.1e} |\n"
        )
    runs = manifest["verified_on"]["runtimes"]
    titles = list(dict.fromkeys(ran["artifact"] for ran in runs))
    for runtime in dict.fromkeys(ran["runtime"] for ran in runs):
        words = {
            ran["artifact"]: "agrees" if ran["refusal"] is None else "refuses"
            for ran in runs
            if ran["runtime"] == runtime
        }
        yield f"\n| {runtime} | {' | '.join(words.get(title, '-') for title in titles)} |\n"
    for name, file in manifests.digests(folder).items():
        if name not in export_layout.DESCRIPTIONS:
            yield f"\n| `{name}` | {file.bytes:,} |\n"


def _corruptions(rows: list[JsonObject]) -> Iterator[str]:
    """By corruption the accuracies and their mean; last, the means of the columns."""
    shares = [[*row["accuracies"], _mean(row["accuracies"])] for row in rows]
    names = [*(row["name"] for row in rows), "mean"]
    means = [_mean(column) for column in zip(*shares, strict=True)]
    for name, row in zip(names, [*shares, means], strict=True):
        yield f"\n| {name} | {' | '.join(f'{share:.2%}' for share in row)} |\n"


def _mean(shares: Sequence[float]) -> float:
    return sum(shares) / len(shares)
