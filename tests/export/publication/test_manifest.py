import numpy as np
import pytest

from digitline.export.publication.manifest import Certainty
from digitline.models.evaluation.metrics import of_probabilities


def certainty(confidences, errors):
    """Of a model of two classes that takes all images for class 1, some of them wrongly."""
    probabilities = np.stack([1 - np.array(confidences), confidences], axis=1).astype(np.float32)
    labels = np.ones(len(confidences), np.int64)
    labels[list(errors)] = 0
    return Certainty.of(of_probabilities(labels, probabilities), "validation")


@pytest.mark.parametrize(
    ("confidences", "errors", "threshold", "coverage", "accuracy"),
    [
        # Two errors: that of which it is least sure is left out. Four: two, one of which is right.
        ([0.6, 0.9, 0.99, 0.7, 0.95, 0.98], [0, 4], 0.7, 5 / 6, 4 / 5),
        ([0.6, 0.9, 0.99, 0.7, 0.95, 0.98], [0, 1, 2, 4], 0.9, 4 / 6, 1 / 4),
        # Without an error it answers all of them, and anything from one half on.
        ([0.9, 0.95, 0.99], [], 0.5, 1, 1),
        ([0.9], [0], 0.9, 1, 0),
    ],
)
def test_a_third_as_many_images_as_are_wrong_are_not_sure(
    confidences, errors, threshold, coverage, accuracy
):
    found = certainty(confidences, errors)
    assert found.threshold == pytest.approx(threshold)
    assert (found.coverage, found.accuracy) == (pytest.approx(coverage), pytest.approx(accuracy))
    assert (found.split, found.images) == ("validation", len(confidences))
