import numpy as np
import pytest

from digitline.models import lenet5, registry


def test_parameters_and_shapes_are_the_articles():
    recipe = lenet5.RECIPES["article"]
    preprocess = lenet5.preprocess((28, 28, 1), recipe)
    model = lenet5.build(preprocess.output_shape, 10)
    assert model.count_params() == 61_706
    assert preprocess.output_shape == (32, 32, 1)
    shapes = {layer.name: tuple(layer.output.shape[1:]) for layer in model.layers[1:]}
    assert shapes == {
        "c1": (28, 28, 6),
        "s2": (14, 14, 6),
        "c3": (10, 10, 16),
        "s4": (5, 5, 16),
        "flatten": (400,),
        "c5": (120,),
        "f6": (84,),
        "logits": (10,),
    }
    logits = model(preprocess(np.zeros((3, 28, 28, 1), np.uint8)))
    assert logits.shape == (3, 10)
    assert logits.dtype == "float32"


def test_the_article_recipe_to_the_letter():
    recipe = lenet5.RECIPES["article"]
    assert (recipe.optimizer, recipe.learning_rate, recipe.schedule) == ("adam", 1e-3, "constant")
    assert (recipe.batch_size, recipe.epochs) == (64, 5)
    assert (recipe.mean, recipe.std, recipe.label_smoothing) == (0.0, 1.0, 0.0)


def test_images_larger_than_the_network_are_resized():
    preprocess = lenet5.preprocess((64, 48, 3), lenet5.RECIPES["best"])
    assert preprocess.resizing == "resize"
    assert preprocess.output_shape == (32, 32, 3)


@pytest.mark.parametrize("name", registry.NAMES)
def test_every_model_keeps_the_convention(name):
    module = registry.get(name)
    assert set(module.RECIPES) == set(registry.RECIPES)
    for recipe in module.RECIPES.values():
        assert module.preprocess((28, 28, 1), recipe).image_shape == (28, 28, 1)


def test_an_unknown_model():
    with pytest.raises(ValueError, match="Received: 'lenet'"):
        registry.get("lenet")
