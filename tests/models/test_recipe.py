import dataclasses

import pytest

from digitline.base import command
from digitline.base.errors import DataError
from digitline.models import loop
from digitline.models import recipe as recipes
from digitline.models.recipe import Recipe


def parsed(*arguments):
    values = command.new_flags()
    recipes.define_flags(**command.group(values, "Recipe"))
    values(["program", *arguments])
    return values


def test_every_field_is_a_flag_and_only_given_flags_override():
    base = Recipe(optimizer="sgd", learning_rate=0.1, batch_size=32)
    values = parsed("--learning_rate=0.5", "--epochs=2")
    assert {field.name for field in dataclasses.fields(Recipe)} <= set(values)
    assert recipes.override(base, values) == dataclasses.replace(base, learning_rate=0.5, epochs=2)


def test_steps_of_a_run():
    assert Recipe(batch_size=64, epochs=5).total_steps(55_000) == 4297  # 4296.875
    assert Recipe(batch_size=64, epochs=0.5).total_steps(640) == 5
    assert Recipe(batch_size=64, epochs=0.0).total_steps(640) == 1


def test_configuration():
    recipe = Recipe(optimizer="sgd", warmup=0.2)
    assert Recipe.from_config(recipe.to_config()) == recipe
    with pytest.raises(DataError, match="recipe in the configuration is wrong"):
        Recipe.from_config({"speed": 3})


def rates(recipe, steps):
    schedule = loop.make_schedule(recipe, steps)
    return [float(schedule(step)) for step in range(steps + 1)]


def test_warmup_climbs_to_the_peak_and_cosine_falls_to_zero():
    found = rates(Recipe(learning_rate=0.1, schedule="cosine", warmup=0.2), 100)
    assert found[0] == 0
    assert found[10] == pytest.approx(0.05)
    assert found[20] == pytest.approx(0.1)
    assert found[60] == pytest.approx(0.05)
    assert found[100] == pytest.approx(0, abs=1e-6)


def test_cosine_without_warmup_starts_at_the_peak():
    found = rates(Recipe(learning_rate=0.1, schedule="cosine"), 100)
    assert found[0] == pytest.approx(0.1)
    assert found[50] == pytest.approx(0.05)


def test_constant_with_warmup_stays_at_the_peak():
    found = rates(Recipe(learning_rate=0.1, warmup=0.1), 100)
    assert found[5] == pytest.approx(0.05)
    assert found[10:] == pytest.approx([0.1] * 91)
    assert loop.make_schedule(Recipe(learning_rate=0.1), 100) == 0.1


@pytest.mark.parametrize("name", recipes.OPTIMIZERS)
def test_optimizers(name):
    optimizer = loop.make_optimizer(Recipe(optimizer=name, learning_rate=0.25), 10)
    assert type(optimizer).__name__.lower() == name
    assert float(optimizer.learning_rate) == 0.25
