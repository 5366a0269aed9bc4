import numpy as np
import pytest

from digitline.base.errors import VerificationError
from digitline.export.gate import comparison as verify

REFERENCE = np.array([[0.9, 0.1, 0.0], [0.50001, 0.49999, 0.0], [0.2, 0.3, 0.5]], np.float32)
LABELS = np.array([0, 1, 1])


def outputs(probabilities, classes=None):
    probabilities = np.asarray(probabilities, np.float32)
    classes = probabilities.argmax(1) if classes is None else np.array(classes)
    return {"probabilities": probabilities, "classes": classes.astype(np.int64)}


def compare(given):
    return verify.compare("TFLite", "serving_default", given, REFERENCE, LABELS)


def test_equal_answers_agree():
    found = compare(outputs(REFERENCE))
    assert found.agrees
    assert found.max_difference == 0
    assert found.accuracy == found.reference_accuracy == pytest.approx(1 / 3)
    verify.require_agreement(found)


def test_rounding_agrees_and_a_near_tie_may_fall_either_way():
    nudged = REFERENCE + np.array([[5e-5, -5e-5, 0], [-3e-5, 3e-5, 0], [0, 0, 0]], np.float32)
    found = compare(outputs(nudged))
    assert found.agrees
    assert found.max_difference == pytest.approx(5e-5, rel=0.01)


def test_a_probability_that_is_off_is_refused_with_its_image_and_number():
    off = REFERENCE.copy()
    off[2] = [0.2, 0.3002, 0.4998]
    found = compare(outputs(off))
    assert (found.far, found.wrong_class) == ((2,), ())
    with pytest.raises(VerificationError) as caught:
        verify.require_agreement(found)
    message = str(caught.value)
    assert "TFLite, serving_default: disagrees" in message
    assert "on 1 of 3 images a probability is off by more than 0.0001 (at most 0.0002)" in message
    assert "first images: 2" in message
    assert "nothing was published" in message
    assert caught.value.details["verification"]["far"] == 1


def test_classes_that_do_not_belong_to_the_probabilities_are_refused():
    found = compare(outputs(REFERENCE, classes=[0, 1, 0]))
    assert found.far == ()
    assert found.wrong_class == (2,)  # Image 1 is a near tie.


def test_numbers_that_are_none_are_refused():
    broken = REFERENCE.copy()
    broken[0, 0] = np.nan
    found = compare(outputs(broken))
    assert found.far == (0,)
    assert found.to_json()["max_difference"] == 1e30


@pytest.mark.parametrize(
    "given",
    [
        {"probabilities": REFERENCE},
        {"scores": REFERENCE, "classes": LABELS},
        outputs(REFERENCE[:2]),
        {"probabilities": REFERENCE.astype(np.float64), "classes": LABELS},
        {"probabilities": REFERENCE, "classes": LABELS.astype(np.int32)},
    ],
)
def test_other_outputs_than_the_tables_are_refused(given):
    with pytest.raises(VerificationError, match="expected the outputs classes int64"):
        compare(given)
