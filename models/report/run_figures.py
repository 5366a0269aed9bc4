"""The figures of a run, by the names of their files."""

from collections.abc import Sequence

import numpy as np

from ...base.charts import BLUE, VERMILION, Chart
from ...base.tf import tf
from ...data.inspection import charts
from ...data.inspection.charts import Captioned
from . import figures, network, robustness
from .facts import Facts, Mistake, Result
from .figures import Series

# Points of a curve; of longer runs, each is the mean of several rows.
_POINTS = 300
# Mistakes on the sheet that is a file; the page has all.
_SHEET = 50
_SEEN = 6


def of_run(facts: Facts) -> dict[str, Chart]:
    """All figures of a run for which there is something to draw."""
    drawn = curves(facts.rows)
    if facts.result is not None:
        drawn |= _data(facts, facts.result)
        drawn |= _result(facts.config.label_names, facts.result)
        drawn |= _robustness(facts, facts.result)
        drawn |= _network(facts, facts.result)
    return drawn


def curves(rows: Sequence[dict[str, float]]) -> dict[str, Chart]:
    """The curves of a run."""
    drawn = {}
    for name, title, label, scale in (
        ("loss", "Loss", "cross-entropy, nats", "log"),
        ("accuracy", "Accuracy", "share that is right", "nines"),
        ("learning_rate", "Learning rate", "learning rate", "linear"),
        ("images_per_s", "Speed", "images/s", "linear"),
    ):
        series = both(rows, name)
        if series:
            drawn[name] = figures.curves(title, label, series, scale)
    return drawn


def both(rows: Sequence[dict[str, float]], name: str) -> list[Series]:
    """The curves of a figure in training and in validation that have points."""
    series = (
        Series("training", BLUE, points(rows, name)),
        Series("validation", VERMILION, points(rows, f"validation_{name}"), True),
    )
    return [curve for curve in series if curve.points]


def points(rows: Sequence[dict[str, float]], name: str) -> tuple[tuple[float, float], ...]:
    """A figure over the epochs."""
    pairs = [(float(row["epoch"]), float(row[name])) for row in rows if name in row]
    if len(pairs) <= _POINTS:
        return tuple(pairs)
    groups = np.array_split(np.array(pairs), _POINTS)
    return tuple((float(group[:, 0].mean()), float(group[:, 1].mean())) for group in groups)


def _data(facts: Facts, result: Result) -> dict[str, Chart]:
    names = facts.config.label_names
    drawn = {}
    for number, (split, counts) in enumerate(result.counts.items()):
        name = "labels-training" if number == 0 and len(result.counts) > 1 else "labels-evaluated"
        drawn[name] = charts.bars("Images of each class", names, {split: counts})
    if result.samples:
        title = f"Samples of {facts.config.dataset.train_split}"
        drawn["samples"] = charts.sheet(title, charts.captioned(result.samples, names))
        drawn["seen"] = network.seen("What the network sees", result.samples[:_SEEN], facts.config)
    return drawn


def _result(names: Sequence[str], result: Result) -> dict[str, Chart]:
    matrix = result.evaluation.confusion
    drawn = {
        "confusion": figures.confusion("Images by class", names, matrix),
        "confusion-rates": figures.confusion("Per cent of each true class", names, matrix, True),
        "calibration": figures.calibration("Calibration", result.evaluation),
    }
    worst = captioned(names, result.mistakes[:_SHEET])
    if worst:
        title = f"The {len(worst)} worst of {len(result.mistakes):,} mistakes: true → predicted"
        drawn["mistakes"] = charts.sheet(title, worst)
    return drawn


def _robustness(facts: Facts, result: Result) -> dict[str, Chart]:
    pairs = enumerate(facts.robustness.items(), start=1) if result.samples else ()
    return {
        f"corruptions-{number}": robustness.sheet(split, measured, result.samples[0].image)
        for number, (split, measured) in pairs
    }


def captioned(names: Sequence[str], mistakes: Sequence[Mistake]) -> list[Captioned]:
    """Mistakes as a sheet shows them, those that have their image."""
    return [
        Captioned(
            mistake.image,
            names[mistake.label],
            (f"→ {names[mistake.predicted]}", f"{mistake.confidence * 100:.1f} %"),
        )
        for mistake in mistakes
        if mistake.image is not None
    ]


def _network(facts: Facts, result: Result) -> dict[str, Chart]:
    assert facts.model is not None
    titles, raw = zip(*result.telling, strict=True)
    inputs = facts.config.preprocess(tf.constant(np.stack(raw))).numpy()
    kernels = network.kernels(facts.model)
    activations = network.activations(facts.model, inputs, titles, raw)
    return {
        **{f"kernels-{number}": chart for number, chart in enumerate(kernels, start=1)},
        **{f"activations-{number}": chart for number, chart in enumerate(activations, start=1)},
    }
