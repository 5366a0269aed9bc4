import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from digitline.models.report import axes as figures_axes
from digitline.models.report import figures
from digitline.models.report.canvas import COLORS, visible, width_of
from digitline.models.report.figures import Series


def words(canvas):
    """All that is written, and what is told under a mouse."""
    return [each.text for each in ElementTree.fromstring(canvas.svg()).iter() if each.text]


def test_counts_are_on_the_bars():
    written = words(figures.bars("train", ["a", "b"], [1234, 0]))
    assert {"a", "b", "1,234", "0", "images"} <= set(written)


def test_of_many_classes_some_are_shown():
    names = [f"class {number}" for number in range(100)]
    written = words(figures.bars("train", names, list(range(100))))
    assert "the 30 largest and smallest of 100 classes" in written
    assert {"class 99", "class 0"} <= set(written)
    assert "class 50" not in written
    matrix = np.diag(np.full(100, 9))
    matrix[70, 3] = 5
    written = words(figures.confusion("all", names, matrix))
    assert "the 40 classes of 100 with most mistakes" in written
    assert "class 70 taken for class 3: 5 (35.71%)" in written
    assert "class 99" not in written


def test_a_matrix_in_counts_and_in_rates():
    matrix = np.array([[97, 3], [1, 12_345]])
    assert {"97", "3", "12k"} <= set(words(figures.confusion("counts", ["a", "b"], matrix)))
    assert {"97", "3.0", "99.9", "<.1"} <= set(
        words(figures.confusion("rates", ["a", "b"], matrix, True))
    )


def test_a_curve_of_one_point_is_seen():
    canvas = figures.curves("Loss", "epochs", "nats", [Series("training", "blue", ((0.5, 2.0),))])
    assert "<circle" in canvas.svg()
    assert {"Loss", "epochs", "nats"} <= set(words(canvas))


@pytest.mark.parametrize(
    "values",
    [[0.1, 0.999], [0.5, 0.5], [1.0, 1.0], [0.99, 0.9912], [0.0, 0.0], [0.3, 1.0]],
)
def test_shares_lie_on_the_scale(values):
    scale = figures_axes.nines(values)
    assert scale.ticks
    assert all(-1e-6 <= scale.place(each) <= 1 + 1e-6 for each in values)
    assert all(-1e-6 <= scale.place(each) <= 1 + 1e-6 for each, _ in scale.ticks)


@pytest.mark.parametrize("values", [[1e-3, 2.3], [0.5, 0.51], [2.0, 2.0], [0.0, 0.0], [1e-12, 9]])
def test_losses_lie_on_the_scale(values):
    scale = figures_axes.logarithmic(values)
    assert scale.ticks
    assert all(-1e-6 <= scale.place(each) <= 1 + 1e-6 for each in values)


def test_a_page_sets_the_colours():
    canvas = figures.bars("train", ["a"], [3])
    assert "var(--blue)" in canvas.svg(themed=True)
    assert COLORS["blue"] not in canvas.svg(themed=True)
    assert COLORS["blue"] in canvas.svg()


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_images_of_any_channels_are_shown(channels):
    image = np.full((4, 5, channels), 100, np.uint8)
    assert visible(image).tolist() == np.full((4, 5, 3), 100).tolist()


@pytest.mark.parametrize("most", [9.0, 8_000.0, 950_000.0, 1_300_000.0, 12_000_000.0])
def test_labels_of_large_numbers_have_room(most):
    labels = [label for _, label in figures_axes.linear(0, most).ticks]
    assert len(set(labels)) == len(labels) >= 3
    assert max(width_of(label, 10) for label in labels) <= 48 - 5  # Beside the axis.
