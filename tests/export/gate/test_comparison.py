import dataclasses

import numpy as np
import pytest

from digitline.base.errors import VerificationError
from digitline.export import options
from digitline.export.gate import compare as numbers
from digitline.export.gate import comparison
from digitline.export.gate.reference import Question

REFERENCE = np.array([[0.9, 0.1, 0.0], [0.50001, 0.49999, 0.0], [0.2, 0.3, 0.5]], np.float32)
LABELS = np.array([0, 1, 1])


def outputs(probabilities, classes=None):
    probabilities = np.asarray(probabilities, np.float32)
    classes = probabilities.argmax(1) if classes is None else np.array(classes)
    return {"probabilities": probabilities, "classes": classes.astype(np.int64)}


def question(reference, labels):
    return Question("images", np.zeros((len(reference), 1, 1, 1), np.uint8), labels, reference)


def compare(outputs, reference=REFERENCE, labels=LABELS, limits=None):
    return numbers.compare("TFLite", "s", outputs, question(reference, labels), limits)


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
    assert "TFLite, s: disagrees" in message
    assert "on 1 of 3 images a probability is off by more than 0.0001 (at most 0.0002)" in message
    assert "first images: 2" in message
    assert "nothing was published" in message
    assert caught.value.details["verification"]["far"] == 1


def test_a_sample_names_the_images_of_the_split():
    sample = question(np.tile(REFERENCE, (4, 1)), np.tile(LABELS, 4)).spread(3)
    off = sample.probabilities.copy()
    off[1] = [0.4, 0.6, 0.0]
    result = numbers.compare("SavedModel", "s", outputs(off), sample)
    assert (result.examples, result.far) == (3, (4,))


@pytest.mark.parametrize("limits", [None, options.INT8.limits])
@pytest.mark.parametrize("classes", [[0, 1, 0], [1, 0, 2], [0, 0, -1], [0, 0, 3]])
def test_refuses_classes_that_do_not_fit_the_probabilities(limits, classes):
    result = compare(outputs(REFERENCE, classes), limits=limits)
    assert result.far == ()
    assert result.wrong_class
    assert not result.agrees


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


@pytest.fixture(scope="module")
def unsure():
    """Probabilities of 400 images of which a model is not sure, and their classes."""
    logits = np.random.default_rng(0).normal(0, 1.5, (400, 10))
    return softmax(logits), logits.argmax(axis=1)


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def rounded(probabilities, sigma):
    """As int8 gives them: the logits a little off, in steps of 1/256."""
    off = np.random.default_rng(1).normal(0, sigma, probabilities.shape)
    return np.round(softmax(np.log(probabilities) + off) * 256) / 256


@pytest.mark.parametrize(
    ("variant", "sigma"), [(options.FLOAT16, 0), (options.DYNAMIC_INT8, 0.1), (options.INT8, 0.2)]
)
def test_rounding_of_a_file_agrees(unsure, variant, sigma):
    reference, labels = unsure
    answers = rounded(reference, sigma) if sigma else reference + np.float32(1e-5)
    limits = dataclasses.replace(variant.limits, accuracy=1.0)
    result = compare(outputs(answers), reference, labels, limits)
    assert result.faults == ()
    assert result.slope == pytest.approx(1, abs=0.02)


FAULTS = {
    "reversed": lambda p, _: p[:, ::-1],
    "flat": lambda p, classes: np.where(np.arange(10) == classes[:, None], 0.11, 0.09889),
    "warmer": lambda p, _: softmax(np.log(p) / 1.1),
    "colder": lambda p, _: softmax(np.log(p) * 1.1),
    "two classes swapped": lambda p, _: p[:, [0, 2, 1, 3, 4, 5, 6, 7, 8, 9]],
    "one image": lambda p, _: np.concatenate([np.roll(p[:1], 1, axis=1), p[1:]]),
    "noise": lambda p, _: rounded(p, 0.8),
    "not finite": lambda p, _: np.where(np.arange(len(p))[:, None] == 7, np.nan, p),
}


@pytest.mark.parametrize("variant", [options.FLOAT16, options.DYNAMIC_INT8, options.INT8])
@pytest.mark.parametrize("fault", FAULTS)
def test_refuses_probabilities_that_no_rounding_gives(unsure, variant, fault):
    """The classes are right, so that only the probabilities tell."""
    reference, labels = unsure
    answers = FAULTS[fault](reference, labels)
    result = compare(outputs(answers, labels), reference, labels, variant.limits)
    result = dataclasses.replace(result, wrong_class=())
    with pytest.raises(VerificationError, match=r"off by|times the model's") as caught:
        comparison.require_agreement(result)
    assert str(caught.value).endswith("or leave the file out of --tflite_variants")


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
    reference = np.tile(np.array([0.9, 0.1], np.float32), (examples, 1))
    labels = np.zeros(examples, np.int64)
    labels[examples - won :] = 1
    turned = np.r_[:lost, examples - won : examples]
    reference[turned] = 0.501, 0.499
    answers = reference.copy()
    answers[turned] = 1 - answers[turned]
    result = compare(outputs(answers), reference, labels, options.INT8.limits)
    assert result.turned == lost + won
    assert result.agrees == agrees
    if not agrees:
        with pytest.raises(VerificationError, match=r"and by chance; .*, or leave the file out of"):
            comparison.require_agreement(result)
