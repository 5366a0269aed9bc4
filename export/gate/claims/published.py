"""The manifests, held against what was found here."""

import dataclasses
import datetime
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ....base import configs, export_layout, manifests
from ....base.errors import VerificationError
from ....base.files import JsonObject
from ....base.process import clock
from ....base.storage import records
from ....serving.description import inside
from ...formats.artifact import Artifact
from ...options import ExportOptions
from ...runtimes.ran import Ran
from ...signatures import LAYER, Tensor
from ...source import Source
from ..comparison import Comparison
from ..reference import Question, Reference
from .sources import CheckedFiles

# Of the calibration error.
_BINS = 15
# Between the verification and this, in seconds; an export of large images takes hours.
_LONGEST = 24 * 3600


@dataclasses.dataclass(frozen=True)
class Known:
    """What was found.

    Attributes:
      version: under which the folders are published.
      comparisons: that were made.
      checked: the files that the split was made of; None where that is not known.
      runs: of the files in the runtimes.
    """

    options: ExportOptions
    source: Source
    reference: Reference
    version: int
    comparisons: tuple[Comparison, ...]
    checked: CheckedFiles | None
    runs: tuple[Ran, ...]


class Fact(NamedTuple):
    """What a file says, and what it should say."""

    name: str
    found: object
    expected: object


def require_manifest(folder: Path, artifacts: Sequence[Artifact], known: Known) -> None:
    """Holds the manifest in a version's folder against what was found.

    Raises:
      VerificationError: names the file, the entry, and both sides.
    """
    path = export_layout.manifest_of(folder)
    content = records.read_object(path, of=None)  # What differs in it is said better below.
    expected = _expected(folder, artifacts, known)
    inner = _of_certainty_inside(folder, artifacts, content)
    # One after the other: what is missing is said before it is looked into.
    for fact in itertools.chain(_facts(content, expected, known), inner):
        if fact.found != fact.expected:
            name, found, there = _innermost(fact)
            raise VerificationError(
                f"{path.name}: its {name} is {_short(found)}, found was {_short(there)}; nothing "
                "was published"
            )


def require_target(target: Path, export_format: str, known: Known) -> None:
    """Refuses a place that is another than that of the format, the model and the version.

    Raises:
      VerificationError: names both.
    """
    parts = export_format, known.reference.trained.name, str(known.version)
    expected = known.options.export_dir.joinpath(*parts)
    if target != expected:
        raise VerificationError(
            f"{export_format}: it is to be published as {target}, expected {expected}; nothing was "
            "published"
        )


def _facts(content: JsonObject, expected: JsonObject, known: Known) -> Iterator[Fact]:
    yield Fact("entries", sorted(content), sorted((*expected, "created", "certainty", "figures")))
    for name, value in expected.items():
        yield Fact(name, content[name], value)
    yield from _of_time(content["created"])
    yield from _of_figures(content["figures"], known.reference.split)
    yield from _of_certainty(content["certainty"], known.source, known.reference)


def _expected(folder: Path, artifacts: Sequence[Artifact], known: Known) -> JsonObject:
    """What can be said without reckoning."""
    options, source = known.options, known.source
    path, calibration = export_layout.manifest_of(folder), source.calibration
    made = calibration is not None and {
        "images": len(calibration),
        "of": source.config.dataset.train_split,
    }
    expected: Any = {
        "format": 1,
        "model_name": known.reference.trained.name,
        "version": known.version,
        "labels": source.config.label_names,
        "pictures": configs.to_config(source.config.pictures),
        "run": source.run,
        "robustness": {
            split: configs.to_config(robustness) for split, robustness in source.robustness.items()
        },
        "made": {
            "split": options.split,
            "dark_on_light": options.dark_on_light,
            "calibration": made,
        },
        "verified_on": {
            "split": options.split,
            "comparisons": [comparison.to_json() for comparison in known.comparisons],
            "source_files": known.checked and configs.to_config(known.checked),
            "runtimes": [configs.to_config(ran) for ran in known.runs],
        },
        "artifacts": [_described(artifact, known.reference) for artifact in artifacts],
        "files": {
            name: configs.to_config(file)
            for name, file in manifests.digests(folder).items()
            if folder / name != path
        },
    }
    return configs.plain(expected)


def _of_time(created: str) -> Iterator[Fact]:
    now = datetime.datetime.now(datetime.timezone.utc)
    age = (now - datetime.datetime.fromisoformat(created)).total_seconds()
    is_so = clock.was_set() or -2 <= age <= _LONGEST
    yield Fact("created", created, created if is_so else now.isoformat(timespec="seconds"))


def _of_figures(figures: JsonObject, split: Question) -> Iterator[Fact]:
    """Reckoned here once more, to six digits."""
    predicted = split.probabilities.argmax(axis=1)
    count, rows = len(predicted), np.arange(len(predicted))
    right = split.probabilities[rows, split.labels].astype(np.float64)
    sure = split.probabilities[rows, predicted].astype(np.float64)
    bins = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    gaps = np.bincount(bins, weights=(predicted == split.labels) - sure)
    low, high = _interval(split.accuracy, count)
    expected = {
        "accuracy": split.accuracy,
        "accuracy_interval_95": [low, high],
        "loss": float(-np.log(np.maximum(right, 1.2e-38)).mean()),
        "calibration_error": float(np.abs(gaps).sum()) / count,
        "examples": count,
        "by_class": [
            _of_class(split.labels == number, predicted == number)
            for number in range(split.probabilities.shape[1])
        ],
    }
    yield Fact("figures", _rounded(figures), _rounded(expected))


def _interval(share: float, count: int) -> tuple[float, float]:
    """Wilson's, of 95 %: the shares from which this one is 1.96 standard deviations away."""
    z2 = 1.959964**2
    roots = np.roots([1 + z2 / count, -(2 * share + z2 / count), share**2])
    low, high = sorted(np.real(roots).tolist())
    return max(0.0, low), min(1.0, high)


def _of_class(labelled: np.ndarray, predicted: np.ndarray) -> JsonObject:
    right, images, taken = (int(each.sum()) for each in (labelled & predicted, labelled, predicted))
    return {
        "images": images,
        "precision": right / taken if taken else None,
        "recall": right / images if images else None,
        "f1": 2 * right / (images + taken) if images + taken else None,
    }


def _of_certainty(stated: JsonObject, source: Source, reference: Reference) -> Iterator[Fact]:
    """The threshold leaves out a third as many validation images as are wrong."""
    probabilities = reference.probabilities(source.validation.images)
    sure, count = np.sort(probabilities.max(axis=1)), len(probabilities)
    right = probabilities.argmax(axis=1) == source.validation.labels
    errors = count - int(right.sum())
    threshold = float(sure[min((errors + 2) // 3, count - 1)])
    threshold = threshold if errors else min(threshold, 0.5)
    answered = probabilities.max(axis=1) >= threshold
    expected = {
        "threshold": threshold,
        "split": source.config.dataset.validation_split,
        "images": count,
        "coverage": float(answered.mean()),
        "accuracy": float(right[answered].mean()),
    }
    yield Fact("certainty", _rounded(stated), _rounded(expected))


def _of_certainty_inside(
    folder: Path, artifacts: Sequence[Artifact], content: JsonObject
) -> Iterator[Fact]:
    """What a TFLite file says that is copied alone."""
    for artifact in artifacts:
        if artifact.format == export_layout.TFLITE:
            words = inside(folder / artifact.path, export_layout.CERTAINTY)
            expected = {"threshold": content["certainty"]["threshold"]}
            yield Fact(f"certainty inside {artifact.path}", json.loads(words or "{}"), expected)


def _rounded(value: Any) -> Any:
    """Floats to five digits."""
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return round(value, 5) if isinstance(value, float) else value


def _innermost(fact: Fact) -> Fact:
    """The first entry that differs, where both sides have the same entries."""
    name, found, expected = fact
    inner: list[Fact] = []
    if isinstance(found, dict) and isinstance(expected, dict) and found.keys() == expected.keys():
        inner = [Fact(f"{name}.{key}", found[key], expected[key]) for key in expected]
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        both = enumerate(zip(found, expected, strict=True))
        inner = [Fact(f"{name}[{index}]", *pair) for index, pair in both]
    return next((_innermost(each) for each in inner if each.found != each.expected), fact)


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


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 300 else f"{text[:300]}…"
