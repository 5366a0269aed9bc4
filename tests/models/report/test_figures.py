import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from digitline.base.charts import BLUE, Chart
from digitline.data.inspection import charts
from digitline.models.report import figures
from digitline.models.report.figures import Series


def words(chart):
    """All that is written, and what is told under a mouse."""
    return {element.text for element in ElementTree.fromstring(chart.svg()).iter() if element.text}


def test_counts_are_on_the_bars():
    counts = {"train": [1234, 0], "test": [12, 7]}
    expected = {"a", "b", "1,234", "0", "12", "train: 1,234 images", "test: 19 images"}
    assert expected <= words(charts.bars("Images", ["a", "b"], counts))


def test_of_many_classes_some_are_shown():
    names = [f"class {number}" for number in range(100)]
    written = words(charts.bars("Images", names, {"train": list(range(100))}))
    assert "the 30 largest and smallest of 100 classes" in written
    assert {"class 99", "class 0"} <= written
    assert "class 50" not in written
    matrix = np.diag(np.full(100, 9))
    matrix[70, 3] = 5
    written = words(figures.confusion("all", names, matrix))
    assert "the 40 classes of 100 with most mistakes" in written
    assert "class 70 taken for class 3: 5 (35.71%)" in written
    assert "class 99" not in written


def test_a_matrix_in_counts_and_in_rates():
    matrix = np.array([[97, 3], [1, 12_345]])
    assert {"97", "3", "12k"} <= words(figures.confusion("counts", ["a", "b"], matrix))
    rates = words(figures.confusion("rates", ["a", "b"], matrix, True))
    assert {"97", "3.0", "99.9", "<.1"} <= rates


def test_a_curve_of_one_point_is_seen():
    chart = figures.curves("Loss", "nats", [Series("training", BLUE, ((0.5, 2.0),))])
    assert "<use " in chart.svg()
    assert {"Loss", "epochs", "nats", "training: 2 at 0.5"} <= words(chart)


@pytest.mark.parametrize(
    ("scale", "values"),
    [
        *(
            ("nines", values)
            for values in (
                [0.1, 0.999], [0.5, 0.5], [1.0, 1.0], [0.99, 0.9912], [0.0, 0.0], [0.3, 1.0]
            )
        ),
        *(
            ("log", values)
            for values in ([1e-3, 2.3], [0.5, 0.51], [2.0, 2.0], [0.0, 0.0], [1e-12, 9])
        ),
        *(("linear", [most]) for most in (0.0, 9.0, 8_000.0, 950_000.0, 1_300_000.0, 12_000_000.0)),
    ],
)  # fmt: skip
def test_values_lie_on_their_scale(scale, values):
    axes = Chart(200, 200, "one").axes(50, 20, 180, 180)
    figures._set_scale(axes, scale, values)
    least, most = {"nines": (1e-5, 1 - 1e-5), "log": (1e-9, 1e9), "linear": (0, 1e9)}[scale]
    bounds = min(values), max(values)
    low, high = axes.transAxes.inverted().transform(
        axes.transData.transform([(0, min(max(least, value), most)) for value in bounds])
    )[:, 1]
    assert -1e-6 <= low <= high <= 1 + 1e-6
    start, end = axes.get_ylim()
    labels = [
        axes.yaxis.get_major_formatter()(tick) for tick in axes.get_yticks() if start <= tick <= end
    ]
    assert labels
    assert len(set(labels)) == len(labels)
    assert max(map(len, labels)) <= 8  # They have room beside the axis.
