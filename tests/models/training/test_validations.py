import numpy as np
import pytest

from digitline.base.errors import UserError
from digitline.base.tf import tf
from digitline.models.evaluation.metrics import Evaluation
from digitline.models.run.records import Validation
from digitline.models.training.validations import Validations


def evaluation(right, loss):
    """Of ten images of two classes, this many of them right."""
    labels = np.zeros(10, np.int64)
    probabilities = np.tile(np.float32([0.2, 0.8]), (10, 1))
    probabilities[:right] = [0.8, 0.2]
    return Evaluation(labels, probabilities, loss)


@pytest.fixture
def value():
    return tf.Variable([0.0])


def validations_of(folder, value, record=None):
    return Validations(folder, [value], record or {})


def after(folder, value, evaluations):
    """Validations of steps 1, 2, …, each with that step as its weight."""
    validations = validations_of(folder, value)
    for step, (right, loss) in enumerate(evaluations, 1):
        value.assign([step])
        validations.add(step, evaluation(right, loss))
    return validations


def test_the_most_accurate_is_the_best_and_patience_looks_at_the_loss(value, tmp_path):
    validations = after(tmp_path, value, [(7, 0.9), (8, 0.5), (9, 0.7), (9, 0.8), (9, 0.6)])
    assert validations.best == Validation(5, 0.9, 0.6)
    assert validations.since_lowest(5) == 3
    value.assign([77])
    validations.restore_best()
    assert value.numpy() == [5]


def test_before_the_first_validation_there_is_nothing(value, tmp_path):
    validations = validations_of(tmp_path, value)
    assert validations.best is None
    assert validations.since_lowest(9) == 0
    validations.restore_best()
    assert value.numpy() == [0]
    assert validations.record() == {"lowest": None, "best_step": None}


def test_a_restart_remembers_both(value, tmp_path):
    first = after(tmp_path, value, [(7, 0.5), (9, 0.7)])
    again = validations_of(tmp_path, value, first.record())
    assert again.best == first.best
    assert again.since_lowest(10) == 9
    again.add(3, evaluation(8, 0.6))
    assert (again.best.step, again.since_lowest(10)) == (2, 9)


def damage(folder, step):
    path = folder / f"best-{step}.data-00000-of-00001"
    path.write_bytes(path.read_bytes()[:-1])


def test_a_damaged_best_is_named_and_the_one_before_is_used(value, tmp_path, capsys):
    record = after(tmp_path, value, [(7, 0.9), (8, 0.5), (9, 0.7)]).record()
    damage(tmp_path, 3)
    again = validations_of(tmp_path, value, record)
    assert f"the checkpoint {tmp_path}/best-3 is damaged" in capsys.readouterr().err
    again.restore_best()
    assert value.numpy() == [2]
    assert again.best.validation_accuracy == 0.8


def test_where_all_are_lost_it_says_so_and_never_gives_others(value, tmp_path, capsys):
    record = after(tmp_path, value, [(7, 0.9), (8, 0.5)]).record()
    damage(tmp_path, 1)
    damage(tmp_path, 2)
    again = validations_of(tmp_path, value, record)
    said = capsys.readouterr().err
    assert "best-2 is damaged" in said
    assert "the best weights so far, of step 2, are lost: the best from here on count" in said
    with pytest.raises(UserError, match=r"step 2, are lost, and the run has ended; .*--overwrite"):
        again.restore_best()
    again.add(3, evaluation(6, 1.0))
    value.assign([77])
    again.restore_best()
    assert again.best.step == 3
