import pytest

from digitline.models.recipe import Recipe
from digitline.models.training.options import Settings
from digitline.models.training.plan import Plan

# Batches of 64.
RECIPE = Recipe(epochs=3)


def plan(examples=1100, recipe=RECIPE, **settings):
    return Plan(recipe, Settings(**settings), examples)


def stops(some_plan):
    steps = [0]
    while steps[-1] < some_plan.total_steps:
        steps.append(some_plan.next_stop(steps[-1]))
    return steps[1:]


def test_validates_after_each_interval_and_at_the_end():
    half = plan(validation_epochs=0.5)  # 17.19 steps in an epoch, 52 in all.
    assert stops(half) == [9, 18, 26, 35, 43, 52]
    assert all(half.validates_at(step) for step in stops(half))
    assert not half.validates_at(10)
    assert plan(validation_epochs=5.0).validates_at(52)


def test_an_epoch_of_a_few_images_is_not_validated_each_time():
    few = plan(recipe=Recipe(batch_size=8, epochs=12), examples=21)  # 2.6 steps in an epoch.
    assert stops(few) == [10, 20, 30, 32]
    each = plan(recipe=Recipe(batch_size=8, epochs=2), examples=21, validation_epochs=1.0)
    assert stops(each) == [3, 5]


def test_logs_between_validations():
    often = plan(log_steps=10)
    assert stops(often) == [10, 18, 20, 30, 35, 40, 50, 52]
    assert often.stops_at(20)
    assert not often.validates_at(20)
    assert often.epoch(20) == pytest.approx(20 * 64 / 1100)


def test_patience_counts_intervals():
    patient = plan(recipe=Recipe(epochs=9, patience=2))
    assert not patient.patience_ends(35, 17)
    assert patient.patience_ends(52, 34)
    assert not patient.patience_ends(51, 60)  # Only where an interval ends.
    assert not plan().patience_ends(52, 52)


def test_says_which_limit_ends_the_run():
    assert plan().last_step_ends_by == "epochs"
    assert plan(recipe=Recipe(max_steps=7)).last_step_ends_by == "max_steps"
