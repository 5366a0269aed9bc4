"""The figures of a run, by name."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...base.tf import tf
from . import figures, inside
from . import sheets as figures_sheets
from .canvas import Canvas
from .facts import Data, Facts, Mistake, Result
from .figures import Series
from .sheets import Captioned

# Points of a curve; of longer runs, each is the mean of several rows.
_POINTS = 300
# Mistakes on the sheet that is a file; the page has all.
_SHEET = 50
_SEEN = 6
_EPOCH = "epochs"


def of_run(facts: Facts) -> dict[str, Canvas]:
    """All figures of a run that it has what to draw of."""
    found = training(facts.rows)
    if facts.data is not None:
        found |= _data(facts, facts.data)
    if facts.result is not None:
        found |= _result(facts.config.label_names, facts.result)
    if facts.model is not None and facts.result is not None:
        found |= _inside(facts, facts.result)
    return found


def training(rows: Sequence[dict[str, Any]]) -> dict[str, Canvas]:
    """The curves of a run."""
    found = {}
    for name, title, label, scale in (
        ("loss", "Loss", "cross-entropy, nats", "log"),
        ("accuracy", "Accuracy", "share that is right", "nines"),
        ("learning_rate", "Learning rate", "learning rate", "linear"),
        ("images_per_s", "Speed", "images/s", "linear"),
    ):
        series = [
            Series("training", "blue", points(rows, name)),
            Series("validation", "vermilion", points(rows, f"validation_{name}"), True),
        ]
        series = [each for each in series if each.points]
        if series:
            found[name] = figures.curves(title, _EPOCH, label, series, scale)
    return found


def points(rows: Sequence[dict[str, Any]], name: str) -> tuple[tuple[float, float], ...]:
    """A figure over the epochs."""
    found = [(float(row["epoch"]), float(row[name])) for row in rows if name in row]
    if len(found) <= _POINTS:
        return tuple(found)
    parts = np.array_split(np.array(found), _POINTS)
    return tuple((float(part[:, 0].mean()), float(part[:, 1].mean())) for part in parts)


def _data(facts: Facts, data: Data) -> dict[str, Canvas]:
    names = facts.config.label_names
    found = {}
    for number, (split, counts) in enumerate(data.counts.items()):
        key = "labels-training" if number == 0 and len(data.counts) > 1 else "labels-evaluated"
        found[key] = figures.bars(f"{split}: {sum(counts):,} images", names, counts)
    if data.samples:
        found["samples"] = figures_sheets.sheet(
            f"Samples of {facts.config.dataset['train_split']}",
            [
                Captioned(each.image, names[each.label], (f"#{each.index}",))
                for each in data.samples
            ],
        )
        found["seen"] = figures_sheets.seen(
            "What the network sees",
            data.samples[:_SEEN],
            names,
            facts.config.preprocess,
            facts.config.recipe,
            facts.config.seed,
        )
    return found


def _result(names: Sequence[str], result: Result) -> dict[str, Canvas]:
    evaluation = result.evaluation
    found = {
        "confusion": figures.confusion("Images by class", names, evaluation.confusion),
        "confusion-rates": figures.confusion(
            "Per cent of each true class", names, evaluation.confusion, rates=True
        ),
        "calibration": figures.calibration("Calibration", evaluation),
    }
    worst = captioned(names, result.mistakes[:_SHEET])
    if worst:
        title = (
            f"The {len(worst)} worst of {len(result.mistakes):,} mistakes: true class → predicted"
        )
        found["mistakes"] = figures_sheets.sheet(title, worst)
    return found


def captioned(names: Sequence[str], mistakes: Sequence[Mistake]) -> list[Captioned]:
    """Mistakes as a sheet shows them, those that have their picture."""
    return [
        Captioned(
            each.image,
            names[each.label],
            (f"→ {names[each.predicted]}", f"{each.confidence * 100:.1f} %"),
        )
        for each in mistakes
        if each.image is not None
    ]


def _inside(facts: Facts, result: Result) -> dict[str, Canvas]:
    assert facts.model is not None
    found = {
        f"kernels-{number}": canvas
        for number, canvas in enumerate(inside.kernels(facts.model), start=1)
    }
    raw = [image for _, image in result.chosen]
    inputs = facts.config.preprocess(tf.constant(np.stack(raw))).numpy()
    titles = [title for title, _ in result.chosen]
    for number, canvas in enumerate(inside.activations(facts.model, inputs, titles, raw), start=1):
        found[f"activations-{number}"] = canvas
    return found
