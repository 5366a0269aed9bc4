"""Evaluates an exported model: a SavedModel or a TFLite file, ours or another's."""

import dataclasses
from functools import partial
from pathlib import Path

import numpy as np

from ...base import addresses, manifests, progress
from ...base.errors import UsageError, UserError
from ...base.storage import records
from ...data import flags
from ...data.dataset import Dataset, Split, open_dataset
from ...data.pipeline import salvage
from ...data.pipeline.records import decoded
from ...serving.artifacts import OPENERS, Classifier
from . import robustness
from .metrics import Evaluation, of_probabilities
from .options import EvaluateOptions
from .result import Result


@dataclasses.dataclass(frozen=True)
class _Named:
    """A dataset."""

    name: str


@dataclasses.dataclass(frozen=True)
class _Run:
    """What is used of the configuration of the run that an artifact was made of."""

    dataset: _Named | None = None
    data_dir: str | None = None


@dataclasses.dataclass(frozen=True)
class _Manifest:
    """What is used of a manifest."""

    run: _Run | None = None


def evaluate(kind: str, path: Path, options: EvaluateOptions) -> Result:
    """The figures of an artifact of the kind `saved_model` or `tflite`.

    Raises:
      UserError: the artifact or the dataset does not open, or they do not fit.
    """
    classifier = OPENERS[kind](path, options.verify, options.trial)
    dataset = _dataset(classifier, options)
    splits = [dataset.split(dataset.reported_split(options.split))]
    with salvage.sound(splits, options.max_corrupt_records) as ((split,), lost):
        figures = _evaluated(classifier, split).figures(len(lost))
        figures = robustness.added(figures, split, partial(_probabilities, classifier), options)
    name = str(classifier.path)
    return Result({kind: name}, name, split, figures)


def _dataset(classifier: Classifier, options: EvaluateOptions) -> Dataset:
    manifest = records.checked(
        classifier.path, _Manifest, classifier.manifest, manifests.MEND, in_part=True
    )
    run = manifest.run or _Run()
    name = options.dataset or (run.dataset and run.dataset.name)
    if not name:
        raise UsageError(f"{classifier.path} does not say what it was trained on: give --dataset")
    data_dir = options.data_dir or addresses.local(run.data_dir or flags.DATA_DIR)
    dataset = open_dataset(data_dir, name)
    if classifier.image_shape != dataset.image_shape:
        raise UserError(
            f"{classifier.path} takes images {list(classifier.image_shape)}, those of {name} are "
            f"{list(dataset.image_shape)}"
        )
    return dataset


def _evaluated(classifier: Classifier, split: Split) -> Evaluation:
    labels, probabilities = [], []
    with progress.Progress(f"evaluating on {split.name}", split.examples) as bar:
        for images, numbers in decoded(split):
            labels.append(numbers.numpy())
            probabilities.append(_probabilities(classifier, images.numpy()))
            bar.advance(len(labels[-1]))
    known, classes = probabilities[0].shape[1], split.dataset.num_classes
    if known != classes:
        raise UserError(
            f"{classifier.path} knows {known} classes, {split.dataset.name} has {classes}"
        )
    return of_probabilities(np.concatenate(labels), np.concatenate(probabilities))


def _probabilities(classifier: Classifier, images: np.ndarray) -> np.ndarray:
    outputs = classifier.run(images)
    if "probabilities" not in outputs:
        raise UserError(f"{classifier.path}: it gives {sorted(outputs)}, no probabilities")
    return outputs["probabilities"]
