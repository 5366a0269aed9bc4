import dataclasses

import pytest

from digitline.base import configs
from digitline.base.errors import DataError
from digitline.models.recipe import Recipe
from digitline.models.training import options


def parsed(*arguments):
    options.FLAGS.unparse_flags()
    options.FLAGS(["program", *arguments])
    return options.from_flags(options.FLAGS, [])


def test_every_field_is_a_flag_and_only_flags_that_are_given_change_the_recipe():
    assert {field.name for field in dataclasses.fields(Recipe)} <= set(options.FLAGS)
    assert parsed("--learning_rate=0.5", "--epochs=2").changes == {
        "learning_rate": 0.5,
        "epochs": 2.0,
    }


def test_the_former_names_of_flags_are_understood():
    assert parsed("--average=0.9", "--keep=best").changes == {"ema_decay": 0.9, "select": "best"}


def test_flags_become_the_values_that_a_caller_gives():
    assert parsed() == options.TrainOptions()
    given = parsed("--cache=off", "--max_minutes=2", "--mix=a:1,b:2", "--workdir=here")
    assert given.pipeline.cache == "off"
    assert given.settings.max_minutes == 2.0
    assert given.mix == ("a:1", "b:2")
    assert given.workdir.name == "here"


def test_steps_of_a_run():
    assert Recipe(batch_size=64, epochs=5).total_steps(55_000) == 4297  # 4296.875
    assert Recipe(batch_size=64, epochs=0.5).total_steps(640) == 5
    assert Recipe(batch_size=64, epochs=0.0).total_steps(640) == 1
    assert Recipe(batch_size=64, epochs=5, max_steps=1000).total_steps(55_000) == 1000
    assert Recipe(batch_size=64, epochs=1, max_steps=1000).total_steps(6400) == 100


def test_configuration():
    recipe = Recipe(optimizer="sgd", warmup=0.2)
    assert configs.from_config(Recipe, configs.to_config(recipe)) == recipe
    older = {"optimizer": "sgd", "average": 0.9, "keep": "best", "epochs": 3}
    assert configs.from_config(Recipe, older) == Recipe(
        optimizer="sgd", ema_decay=0.9, select="best", epochs=3.0
    )
    for wrong, message in (
        ({"speed": 3}, "unknown key 'speed'"),
        ({"epochs": "many"}, "epochs is 'many', expected float"),
        (5, "expected a JSON object, got 5"),
    ):
        with pytest.raises(DataError, match=message):
            configs.from_config(Recipe, wrong)
