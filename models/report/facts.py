"""What a report tells, gathered from a run folder, its dataset and its model."""

import dataclasses
import json
import math
import time
from types import SimpleNamespace
from typing import Any

import numpy as np

from ...base import files
from ...base.tf import keras
from ...data.dataset import Dataset, Split
from ...data.inspection.charts import Sample, SamplePicker
from ...data.pipeline.batches import evaluation_batches
from ...data.pipeline.records import decoded
from ..evaluation.metrics import Evaluation, evaluator
from ..run import Run, RunConfig
from ..training import selection

_SAMPLES = 40
_BATCH = 500
# So many mistakes have their picture; others are named alone.
PICTURES = 3000
# After a training no more is read of a large training split: images, and seconds.
_QUICK_EXAMPLES, _QUICK_S = 100_000, 3.0


@dataclasses.dataclass(frozen=True)
class Mistake:
    """An image that was classified wrongly.

    Attributes:
      index: its place in the split, from 0.
      label, predicted: class numbers.
      confidence: the probability of the predicted class.
      image: uint8 [H, W, C]; None where there are very many.
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
      chosen: a few telling images: (why, uint8 [H, W, C]).
    """

    split: str
    evaluation: Evaluation
    mistakes: tuple[Mistake, ...]
    chosen: tuple[tuple[str, np.ndarray], ...]


@dataclasses.dataclass(frozen=True)
class Data:
    """What was seen of the images: label counts by split, and samples of the training split."""

    counts: dict[str, list[int]]
    samples: tuple[Sample, ...]


@dataclasses.dataclass(frozen=True)
class Facts:
    """All that a report of a run tells.

    Attributes:
      run: the folder.
      config: of the run; `recorded` is config.json as it is.
      rows: of metrics.jsonl.
      record: training.json; None while the run is unfinished, as what follows.
      model: the trained network.
      data: of the dataset.
      result: on the split that was asked for.
      exports: rows of the table of artifacts.
      notes: what is missing, and why.
    """

    run: Run
    config: RunConfig
    recorded: dict[str, Any]
    rows: list[dict[str, Any]]
    record: dict[str, Any] | None = None
    model: keras.Model | None = None
    data: Data | None = None
    result: Result | None = None
    exports: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()


def of_run(run: Run) -> Facts:
    """What the folder tells by itself, of an unfinished run too.

    Raises:
      UserError: there is no run, or it is damaged.
    """
    config = run.load_config()
    recorded = files.read_json(run.config)
    rows = metrics(run)
    if not run.finished:
        last = f"step {rows[-1]['step']:,}" if rows else "the first logged step"
        note = (
            f"The run is not finished: it stopped, or is, at {last}. There are its curves alone; "
            "the same digitline train command again resumes it."
        )
        return Facts(run, config, recorded, rows, notes=(note,))
    return Facts(run, config, recorded, rows, record=files.read_json(run.training_record))


def metrics(run: Run) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl; numbers that are not finite are left out."""
    if not run.metrics.exists():
        return []
    rows = []
    for line in run.metrics.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            break  # A kill came in the middle of this line.
        rows.append({name: value for name, value in row.items() if math.isfinite(value)})
    return [row for row in rows if "step" in row and "epoch" in row]


def sources(config: RunConfig, dataset: Dataset, split: str) -> tuple[Split, Split]:
    """The part of the training split that the run was trained on, and the split to look at."""
    trained = SimpleNamespace(mix=[], **config.pipeline)
    (train,) = selection.sources(trained, dataset, config.dataset["train_split"])
    return train, dataset.split(split)


def with_exports(facts: Facts, rows: tuple[dict[str, Any], ...]) -> Facts:
    """The facts with the table of exports."""
    note = () if rows else ("There is no export of this run in the folder of exports.",)
    return dataclasses.replace(facts, exports=rows, notes=(*facts.notes, *note))


def looked_at(
    facts: Facts,
    model: keras.Model,
    train: Split,
    evaluated: Split,
    evaluation: Evaluation | None = None,
    quick: bool = False,
) -> Facts:
    """The facts of a finished run with what its data and its model tell.

    Args:
      facts: as `of_run` gives them.
      model: the trained network.
      train: what it was trained on.
      evaluated: the split to look at.
      evaluation: the model's figures on it, where they are known.
      quick: takes no longer on large datasets.
    """
    if evaluation is None:
        batches = evaluation_batches(evaluated, facts.config.preprocess, _BATCH)
        evaluation = evaluator(model)(batches)
    data, notes = _data(train, evaluated, evaluation, facts.config.seed, quick)
    result = _result(evaluated, evaluation)
    return dataclasses.replace(
        facts, model=model, data=data, result=result, notes=(*facts.notes, *notes)
    )


def _data(
    train: Split, evaluated: Split, evaluation: Evaluation, seed: int, quick: bool
) -> tuple[Data, list[str]]:
    classes = train.dataset.num_classes
    picker = SamplePicker(classes, _SAMPLES, np.random.default_rng(seed))
    counts, start, notes, whole = np.zeros(classes, np.int64), 0, [], True
    begun = time.monotonic()
    places = np.concatenate(
        [np.arange(shard.first, shard.first + shard.take) for shard in train.shards]
    )
    for images, labels in decoded(train):
        numbers = labels.numpy()
        # A label that is no class is for `digitline inspect` to find.
        numbers = np.where((numbers >= 0) & (numbers < classes), numbers, -1)
        picker.offer(images.numpy(), numbers, start)
        counts += np.bincount(numbers[numbers >= 0], minlength=classes)
        start += len(numbers)
        slow = start >= _QUICK_EXAMPLES or time.monotonic() - begun > _QUICK_S
        if quick and slow and start < len(places):
            whole = False
            break
    found = {evaluated.name: np.bincount(evaluation.labels, minlength=classes).tolist()}
    if whole:
        found = {train.name: counts.tolist(), **found}
    else:
        notes.append(
            f"Samples are from the first {start:,} images of {train.name}, whose labels are not "
            "counted here: digitline report counts all."
        )
    picked = (dataclasses.replace(each, index=int(places[each.index])) for each in picker.picked())
    return Data(found, tuple(picked)), notes


def _result(evaluated: Split, evaluation: Evaluation) -> Result:
    confidence = evaluation.probabilities.max(axis=1)
    wrong = evaluation.misclassified
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")]
    right = np.flatnonzero(evaluation.predicted == evaluation.labels)
    names = evaluated.dataset.label_names
    telling: list[tuple[str, int]] = []
    if len(right):
        telling.append(("The surest", int(right[confidence[right].argmax()])))
        telling.append(("The least sure, right", int(right[confidence[right].argmin()])))
    if len(wrong):
        telling.append(("The worst mistake", int(wrong[0])))
    wanted = {*wrong[:PICTURES].tolist(), *(place for _, place in telling)}
    pictures = _pictures(evaluated, wanted)
    mistakes = tuple(
        Mistake(
            place,
            int(evaluation.labels[place]),
            int(evaluation.predicted[place]),
            float(confidence[place]),
            pictures.get(place),
        )
        for place in wrong.tolist()
    )
    chosen = tuple(
        (f"{why}: {_taken(evaluation, names, place)}", pictures[place]) for why, place in telling
    )
    return Result(evaluated.name, evaluation, mistakes, chosen)


def _taken(evaluation: Evaluation, names: tuple[str, ...], place: int) -> str:
    true, taken = (names[each[place]] for each in (evaluation.labels, evaluation.predicted))
    return f"#{place}, {true}" if true == taken else f"#{place}, {true} for {taken}"


def _pictures(split: Split, wanted: set[int]) -> dict[int, np.ndarray]:
    """The images at these places of the split."""
    found, start = {}, 0
    for images, labels in decoded(split):
        here = [place for place in wanted if start <= place < start + len(labels)]
        if here:
            pixels = images.numpy()
            found.update({place: pixels[place - start].copy() for place in here})
        start += len(labels)
    return found
