import numpy as np
import pytest

from digitline.base.errors import DataError
from digitline.data.pipeline.batches import evaluation_batches
from digitline.data.pipeline.records import load
from digitline.models.evaluation.metrics import evaluator, of_probabilities, wilson_interval
from digitline.models.run.folder import Run
from digitline.models.run.records import ClassFigures


def test_wilson_interval_against_a_published_value():
    # Newcombe 1998, table I, example (a): 81 of 263.
    low, high = wilson_interval(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    for examples in (10, 200):  # Of 200, rounding would leave all-right ones out.
        assert wilson_interval(examples, examples)[1] == 1
        assert wilson_interval(0, examples)[0] == 0


def test_figures_against_numpy(trained, dataset):
    config, model = Run(trained.workdir).load()
    images, labels = load(dataset.split("test"))
    logits = model.predict(config.preprocess(images), verbose=0)
    batches = evaluation_batches(dataset.split("test"), config.preprocess, 70)
    found = evaluator(model)(batches)
    labels = labels.numpy()
    assert found.examples == 300
    assert found.correct == (logits.argmax(1) == labels).sum()
    shifted = logits - logits.max(1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(300), labels]
    assert found.loss == pytest.approx(losses.mean(), rel=1e-4)
    np.testing.assert_array_equal(found.confusion.sum(1), np.bincount(labels))
    wrong = np.flatnonzero(logits.argmax(1) != labels)
    np.testing.assert_array_equal(found.misclassified, wrong)


def test_figures_by_hand():
    labels = np.array([0, 0, 0, 1, 1, 3])
    probabilities = np.zeros((6, 4), np.float32)
    for place, (predicted, sure) in enumerate(
        ((0, 0.9), (0, 0.8), (1, 0.7), (1, 0.95), (0, 0.6), (3, 1.0))
    ):
        probabilities[place] = (1 - sure) / 3
        probabilities[place, predicted] = sure
    found = of_probabilities(labels, probabilities)
    assert found.correct == 4
    assert found.misclassified.tolist() == [2, 4]
    assert found.confusion.tolist() == [[2, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]
    rows = found.by_class()
    assert rows[0] == ClassFigures(3, precision=2 / 3, recall=2 / 3, f1=2 / 3)
    assert rows[1] == ClassFigures(2, precision=0.5, recall=0.5, f1=0.5)
    assert rows[2] == ClassFigures(0, precision=None, recall=None, f1=None)
    # In bins of a fifteenth: 0.9 right, 0.8 right, 0.7 wrong, 0.95 and 1 right, 0.6 wrong.
    expected = (0.1 + 0.2 + 0.7 + (0.05 + 0) + 0.6) / 6
    assert found.calibration_error == pytest.approx(expected, abs=1e-6)
    chosen = [0.9, 0.8, 0.1, 0.95, 0.4 / 3, 1.0]
    assert found.loss == pytest.approx(-np.log(chosen).mean(), rel=1e-5)


def test_probabilities_that_are_not_finite_are_refused():
    probabilities = np.full((5, 2), 0.5, np.float32)
    probabilities[3:] = np.nan
    with pytest.raises(DataError, match=r"of 2 of 5 images are not finite .* image 3:"):
        of_probabilities(np.zeros(5, np.int64), probabilities)
