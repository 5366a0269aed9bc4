import numpy as np
import pytest

from digitline.base.errors import VerificationError
from digitline.export.gate import comparison

REFERENCE = np.array([[0.9, 0.1, 0.0], [0.50001, 0.49999, 0.0], [0.2, 0.3, 0.5]], np.float32)
LABELS = np.array([0, 1, 1])


def outputs(probabilities, classes=None):
    probabilities = np.asarray(probabilities, np.float32)
    classes = probabilities.argmax(1) if classes is None else np.array(classes)
    return {"probabilities": probabilities, "classes": classes.astype(np.int64)}


def compare(outputs):
    return comparison.compare("TFLite", "serving_default", outputs, REFERENCE, LABELS)


def test_equal_answers_agree():
    result = compare(outputs(REFERENCE))
    assert result.agrees
    assert result.max_difference == 0
    assert result.accuracy == result.reference_accuracy == pytest.approx(1 / 3)
    comparison.require_agreement(result)


def test_rounding_agrees_and_a_near_tie_may_fall_either_way():
    nudged = REFERENCE + np.array([[5e-5, -5e-5, 0], [-3e-5, 3e-5, 0], [0, 0, 0]], np.float32)
    result = compare(outputs(nudged))
    assert result.agrees
    assert result.max_difference == pytest.approx(5e-5, rel=0.01)


def test_refuses_a_probability_that_is_off_and_names_its_image():
    off = REFERENCE.copy()
    off[2] = [0.2, 0.3002, 0.4998]
    result = compare(outputs(off))
    assert (result.far, result.wrong_class) == ((2,), ())
    with pytest.raises(VerificationError, match="disagrees") as caught:
        comparison.require_agreement(result)
    message = str(caught.value)
    assert "TFLite, serving_default: disagrees" in message
    assert "on 1 of 3 images a probability is off by more than 0.0001 (at most 0.0002)" in message
    assert "first images: 2" in message
    assert "nothing was published" in message
    assert caught.value.details["verification"]["far"] == 1


def test_refuses_classes_that_do_not_fit_the_probabilities():
    result = compare(outputs(REFERENCE, classes=[0, 1, 0]))
    assert result.far == ()
    assert result.wrong_class == (2,)  # Image 1 is a near tie.


def test_refuses_probabilities_that_are_not_finite():
    broken = REFERENCE.copy()
    broken[0, 0] = np.nan
    result = compare(outputs(broken))
    assert result.far == (0,)
    assert result.to_json()["max_difference"] == 1e30


@pytest.mark.parametrize(
    "other",
    [
        {"probabilities": REFERENCE},
        {"scores": REFERENCE, "classes": LABELS},
        outputs(REFERENCE[:2]),
        {"probabilities": REFERENCE.astype(np.float64), "classes": LABELS},
        {"probabilities": REFERENCE, "classes": LABELS.astype(np.int32)},
    ],
)
def test_refuses_outputs_that_are_not_in_the_table(other):
    with pytest.raises(VerificationError, match="expected the outputs classes int64"):
        compare(other)


@pytest.mark.parametrize(
    ("examples", "lost", "won", "agrees"),
    [
        (10_000, 30, 0, True),  # The limit of 0.3 points.
        (10_000, 31, 0, False),
        (10_000, 300, 265, True),  # Rounded to and fro.
        (400, 6, 0, True),
        (400, 7, 0, False),
        (400, 0, 7, False),  # Better is another model, too.
        (40, 1, 0, True),
    ],
)
def test_accuracy_may_change_by_its_limit_and_by_chance(examples, lost, won, agrees):
    reference = np.zeros((examples, 2), np.float32)
    reference[:, 0] = 1
    labels = np.zeros(examples, np.int64)
    labels[examples - won :] = 1
    answers = reference.copy()
    turned = np.r_[:lost, examples - won : examples]
    answers[turned] = 1 - answers[turned]
    result = comparison.compare("TFLite int8", "s", outputs(answers), reference, labels, 0.003)
    assert result.turned == lost + won
    assert result.agrees == agrees
    if not agrees:
        with pytest.raises(VerificationError, match=r"and by chance; .*, or leave the file out of"):
            comparison.require_agreement(result)
