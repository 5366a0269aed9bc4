"""The manifests and the model card, held against what was found here."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ....base import configs, export_layout, files, manifests
from ....base.errors import VerificationError
from ....base.files import JsonObject
from ...formats.artifact import Artifact
from ...options import ExportOptions
from ...runtimes.ran import Ran
from ...signatures import LAYER, Tensor
from ...source import Source
from ..comparison import Comparison
from ..reference import Question, Reference


class Fact(NamedTuple):
    """What a file says, and what it should say."""

    name: str
    found: object
    expected: object


class Found(NamedTuple):
    """What was found here: of each artifact, and in each runtime."""

    comparisons: Sequence[Comparison]
    runs: Sequence[Ran]


def require(path: Path, facts: Iterator[Fact]) -> None:
    """Refuses a file that says something else.

    Raises:
      VerificationError: names the file, the entry, and both sides.
    """
    for fact in facts:
        if fact.found != fact.expected:
            raise VerificationError(
                f"{path.name}: its {fact.name} is {_short(fact.found)}, found was "
                f"{_short(fact.expected)}; nothing was published"
            )


def of_manifest(
    folder: Path,
    artifacts: Sequence[Artifact],
    options: ExportOptions,
    source: Source,
    reference: Reference,
    found: Found,
) -> Iterator[Fact]:
    """The facts of the manifest in a version's folder."""
    path = export_layout.manifest_of(folder)
    content = files.read_json(path)
    trained, made, verified = reference.trained, content["made"], content["verified_on"]
    there = {
        name: configs.to_config(file)
        for name, file in manifests.digests(folder).items()
        if folder / name != path
    }
    yield Fact("files", content["files"], there)
    yield Fact("model_name", content["model_name"], trained.name)
    yield Fact("labels", content["labels"], list(source.config.label_names))
    yield Fact("pictures", content["pictures"], configs.to_config(source.config.pictures))
    yield Fact("run", content["run"], source.run)
    yield Fact("made.split", made["split"], options.split)
    yield Fact("made.dark_on_light", made["dark_on_light"], options.dark_on_light)
    calibration = source.calibration
    images = made["calibration"] and made["calibration"]["images"]
    yield Fact("made.calibration", images, len(calibration) if calibration is not None else False)
    yield Fact("verified_on.split", verified["split"], options.split)
    ours = [comparison.to_json() for comparison in found.comparisons]
    yield Fact("verified_on.comparisons", verified["comparisons"], configs.plain(ours))
    ran = [configs.to_config(each) for each in found.runs]
    yield Fact("verified_on.runtimes", verified["runtimes"], ran)
    yield from _of_figures(content["figures"], reference.split)
    yield from _of_certainty(content["certainty"], source, reference)
    described = [_described(artifact, reference) for artifact in artifacts]
    yield Fact("artifacts", content["artifacts"], configs.plain(described))


def _of_figures(figures: JsonObject, split: Question) -> Iterator[Fact]:
    """Reckoned here once more, to six digits."""
    predicted = split.probabilities.argmax(axis=1)
    right = split.probabilities[np.arange(len(predicted)), split.labels].astype(np.float64)
    loss = float(-np.log(np.maximum(right, 1.2e-38)).mean())
    yield Fact("figures.examples", figures["examples"], len(predicted))
    yield Fact("figures.accuracy", round(figures["accuracy"], 6), round(split.accuracy, 6))
    yield Fact("figures.loss", abs(figures["loss"] - loss) < 1e-3 * max(1.0, loss), True)
    low, high = figures["accuracy_interval_95"]
    yield Fact("figures.accuracy_interval_95", low <= split.accuracy <= high, True)
    for number, row in enumerate(figures["by_class"]):
        of_class = split.labels == number
        images = int(of_class.sum())
        recall = float((predicted[of_class] == number).mean()) if images else None
        name = f"figures.by_class[{number}]"
        yield Fact(f"{name}.images", row["images"], images)
        yield Fact(f"{name}.recall", row["recall"], recall)


def _of_certainty(stated: JsonObject, source: Source, reference: Reference) -> Iterator[Fact]:
    """What the threshold does on the validation images."""
    probabilities = reference.probabilities(source.validation.images)
    answered = probabilities.max(axis=1) >= np.float64(stated["threshold"])
    right = probabilities.argmax(axis=1) == source.validation.labels
    yield Fact("certainty.split", stated["split"], source.config.dataset.validation_split)
    yield Fact("certainty.images", stated["images"], len(right))
    yield Fact("certainty.coverage", round(stated["coverage"], 6), round(answered.mean(), 6))
    accuracy = float(right[answered].mean())
    yield Fact("certainty.accuracy", round(stated["accuracy"], 6), round(accuracy, 6))


def _described(artifact: Artifact, reference: Reference) -> JsonObject:
    trained, classes = reference.trained, len(reference.trained.label_names)

    def tensors(stated: Sequence[Tensor]) -> JsonObject:
        return {
            tensor.name: {
                "dtype": tensor.dtype,
                "shape": tensor.sizes(trained.image_shape, classes, artifact.batch_size),
            }
            for tensor in stated
            if LAYER not in tensor.shape
        }

    return {
        "name": artifact.name,
        "title": artifact.title,
        "path": artifact.path,
        "signatures": {
            signature.name: {
                "method": signature.method,
                "inputs": tensors((signature.input,)),
                "outputs": tensors(signature.outputs),
            }
            for signature in artifact.signatures
        },
    }


def of_card(folder: Path, source: Source, reference: Reference, found: Found) -> Iterator[Fact]:
    """The facts of the model card in a folder of TFLite files: each row of its tables."""
    text = (folder / export_layout.CARD).read_text(encoding="utf-8")
    split, names = reference.split, source.config.label_names
    accuracy = re.search(r"images of `(.+?)`: accuracy ([\d.]+) %", text.replace("%", " %"))
    yield Fact("split", accuracy and accuracy[1], source.compared.split.name)
    yield Fact("accuracy", accuracy and accuracy[2], f"{split.accuracy * 100:.2f}")
    counts = np.bincount(split.labels, minlength=len(names))
    rows = [
        *(f"| {name} | {count:,} | " for name, count in zip(names, counts, strict=True)),
        *(
            f"| {row.artifact} | `{row.signature}` | {row.accuracy:.2%} | {row.agreement:.2%} | "
            for row in found.comparisons
        ),
        *(
            f"| `{name}` | {file.bytes:,} |"
            for name, file in manifests.digests(folder).items()
            if name not in export_layout.DESCRIPTIONS
        ),
    ]
    # Its tables have a head of two lines each, and no rows but these and one a runtime.
    lines = [line for line in text.splitlines() if line.startswith("|")]
    tables, runtimes = (4 if found.runs else 3), {ran.runtime for ran in found.runs}
    yield Fact("number of rows in tables", len(lines), len(rows) + len(runtimes) + tables * 2)
    yield from _of_runtimes(text, lines, found.runs)
    for row in rows:
        yield Fact(f"row {row.strip()!r}", any(line.startswith(row) for line in lines), True)
    yield Fact("labels", f"({', '.join(names)})" in text, True)
    yield Fact("fingerprint", f"`{source.config.dataset.fingerprint}`" in text, True)


def _of_runtimes(text: str, lines: Sequence[str], runs: Sequence[Ran]) -> Iterator[Fact]:
    """Each cell of the card's table of runtimes; each refusal's words."""
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    heads = [row for row in table if row[0] == "runtime"]
    rows = {row[0]: dict(zip(heads[0], row, strict=False)) for row in table if heads}
    for ran in runs:
        cell = rows.get(ran.runtime, {}).get(ran.artifact)
        expected = "agrees" if ran.refusal is None else "refuses"
        yield Fact(f"cell {ran.runtime}, {ran.artifact}", cell, expected)
        if ran.refusal is not None:
            line = f"- {ran.runtime} refuses {ran.artifact}: {ran.refusal}\n"
            yield Fact(f"line {line.strip()!r}", line in text, True)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 300 else f"{text[:300]}…"
