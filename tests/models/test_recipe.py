import dataclasses

import pytest

from digitline.base import command
from digitline.base.errors import DataError
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
    assert Recipe(batch_size=64, epochs=5, max_steps=1000).total_steps(55_000) == 1000
    assert Recipe(batch_size=64, epochs=1, max_steps=1000).total_steps(6400) == 100


def test_configuration():
    recipe = Recipe(optimizer="sgd", warmup=0.2)
    assert Recipe.from_config(recipe.to_config()) == recipe
    with pytest.raises(DataError, match="recipe in the configuration is wrong"):
        Recipe.from_config({"speed": 3})
