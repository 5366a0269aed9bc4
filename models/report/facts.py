"""What a report says, gathered from a run folder, its dataset and its model."""

import dataclasses
import time

import numpy as np

from ...base.files import JsonObject
from ...base.tf import keras
from ...data import shards
from ...data.dataset import Dataset, Split
from ...data.inspection.samples import Sample, SamplePicker
from ...data.pipeline.batches import evaluation_batches
from ...data.pipeline.records import decoded
from ..evaluation.metrics import Evaluation, evaluator
from ..run.config import RunConfig
from ..run.folder import Run
from ..run.records import Robustness, TrainingRecord
from ..training.selection import training_split
from .exports import Artifact

_SAMPLES = 40
_BATCH = 500
# This many mistakes have their picture; of others there are the figures only.
PICTURES = 3000
# After a training no more is read of a large training split: images, and seconds.
_QUICK_EXAMPLES, _QUICK_S = 100_000, 3.0


@dataclasses.dataclass(frozen=True)
class Mistake:
    """A misclassified image.

    Attributes:
      index: in the split, from 0.
      label, predicted: class numbers.
      confidence: the probability of the predicted class.
      image: uint8 [H, W, C]; None where there are very many mistakes.
    """

    index: int
    label: int
    predicted: int
    confidence: float
    image: np.ndarray | None


@dataclasses.dataclass(frozen=True)
class Result:
    """A model on a split.

    Attributes:
      split: in TFDS's syntax.
      evaluation: its figures.
      mistakes: all of them, the surest first.
      telling: a few images with why they are shown: (title, uint8 [H, W, C]).
      counts: images of each class, by split.
      samples: of the training split.
    """

    split: str
    evaluation: Evaluation
    mistakes: tuple[Mistake, ...]
    telling: tuple[tuple[str, np.ndarray], ...]
    counts: dict[str, list[int]]
    samples: tuple[Sample, ...]


@dataclasses.dataclass(frozen=True)
class Facts:
    """All that a report of a run says.

    Attributes:
      recorded: config.json as it is.
      rows: of metrics.jsonl.
      record, model, result: None while the run is unfinished.
      exports: the artifacts that were made of the run.
      robustness: what `evaluate --corruptions` measured, by split.
      notes: what is missing, and why.
    """

    run: Run
    config: RunConfig
    recorded: JsonObject
    rows: tuple[dict[str, float], ...]
    record: TrainingRecord | None = None
    model: keras.Model | None = None
    result: Result | None = None
    exports: tuple[Artifact, ...] = ()
    robustness: dict[str, Robustness] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()


def of_run(run: Run) -> Facts:
    """What the folder says by itself, of an unfinished run too.

    Raises:
      UserError: there is no run, or it is damaged.
    """
    config = run.require_same_files() if run.finished else run.load_config()
    recorded, rows = run.recorded(), run.rows()
    if run.finished:
        record, robustness = run.load_record(), run.evaluations.robustness()
        return Facts(run, config, recorded, rows, record, robustness=robustness)
    last = f"step {rows[-1]['step']:,}" if rows else "the first logged step"
    note = (
        f"The run is not finished: it has reached {last}. Only its curves are here; the same "
        "digitline train command again resumes it."
    )
    return Facts(run, config, recorded, rows, notes=(note,))


def splits(config: RunConfig, dataset: Dataset, evaluated: str) -> tuple[Split, Split]:
    """The part of the training split that the run was trained on, and the split to evaluate."""
    train = training_split(dataset, config.dataset.train_split, config.pipeline)
    return train, dataset.split(evaluated)


def with_result(
    facts: Facts,
    model: keras.Model,
    train: Split,
    evaluated: Split,
    evaluation: Evaluation | None = None,
    quick: bool = False,
) -> Facts:
    """The facts of a finished run with what its data and its model say.

    Args:
      facts: as `of_run` gives them.
      train: what it was trained on.
      evaluated: the split to evaluate.
      evaluation: the model's figures on it, where they are known.
      quick: reads a part of a large training split only.
    """
    if evaluation is None:
        batches = evaluation_batches(evaluated, facts.config.preprocess, _BATCH)
        evaluation = evaluator(model)(batches)
    counts, samples, notes = _look_at(train, facts.config.seed, quick)
    counts[evaluated.name] = evaluation.confusion.sum(axis=1).tolist()
    mistakes, telling = _mistakes(evaluated, evaluation)
    result = Result(evaluated.name, evaluation, mistakes, telling, counts, samples)
    return dataclasses.replace(facts, model=model, result=result, notes=(*facts.notes, *notes))


def _look_at(
    train: Split, seed: int, quick: bool
) -> tuple[dict[str, list[int]], tuple[Sample, ...], list[str]]:
    """The training split's label counts, where all is read; its samples; and notes."""
    classes = train.dataset.num_classes
    picker = SamplePicker(classes, _SAMPLES, np.random.default_rng(seed))
    counts, start, begun = np.zeros(classes, np.int64), 0, time.monotonic()
    # The place of each image in the split, of which `train` may be a part.
    indices = shards.indices(train.shards)
    for images, labels in decoded(train):
        numbers = labels.numpy()
        picker.offer(images.numpy(), numbers, start)
        counts += np.bincount(numbers, minlength=classes)
        start += len(numbers)
        if quick and (start >= _QUICK_EXAMPLES or time.monotonic() - begun > _QUICK_S):
            break
    samples = tuple(
        dataclasses.replace(sample, index=int(indices[sample.index])) for sample in picker.picked()
    )
    if start == len(indices):
        return {train.name: counts.tolist()}, samples, []
    note = (
        f"Samples are from the first {start:,} images of {train.name}, whose labels are not "
        "counted here: digitline report counts all."
    )
    return {}, samples, [note]


def _mistakes(
    evaluated: Split, evaluation: Evaluation
) -> tuple[tuple[Mistake, ...], tuple[tuple[str, np.ndarray], ...]]:
    """`Result.mistakes` and `Result.telling`."""
    labels, predicted = evaluation.labels.tolist(), evaluation.predicted.tolist()
    confidence, wrong = evaluation.confidence, evaluation.misclassified
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")].tolist()
    right = np.flatnonzero(evaluation.right)
    telling: list[tuple[str, int]] = []
    if len(right):
        telling.append(("The surest", int(right[confidence[right].argmax()])))
        telling.append(("The least sure, right", int(right[confidence[right].argmin()])))
    if wrong:
        telling.append(("The worst mistake", wrong[0]))
    images = _images(evaluated, {*wrong[:PICTURES], *(index for _, index in telling)})
    names = evaluated.dataset.label_names

    def classes(index: int) -> str:
        true, taken = names[labels[index]], names[predicted[index]]
        return true if true == taken else f"{true} for {taken}"

    mistakes = tuple(
        Mistake(index, labels[index], predicted[index], float(confidence[index]), images.get(index))
        for index in wrong
    )
    return mistakes, tuple(
        (f"{why}: #{index}, {classes(index)}", images[index]) for why, index in telling
    )


def _images(split: Split, indices: set[int]) -> dict[int, np.ndarray]:
    """The images at these indices of the split."""
    images, start = {}, 0
    for batch, labels in decoded(split):
        pixels, end = batch.numpy(), start + len(labels)
        here = indices.intersection(range(start, end))
        images |= {index: pixels[index - start].copy() for index in here}
        start = end
    return images
