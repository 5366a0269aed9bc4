import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from digitline.models import lenet5, registry
from digitline.models.recipe import Recipe

ROOT = Path(__file__).parents[2]
RESULTS = sorted((ROOT / "benchmarks" / "results").glob("accuracy-*.json"))
# Layers with their output shapes on MNIST, and the number of parameters, as the articles have it.
ARTICLES = {
    "softmax": (7_850, "flatten 784, logits 10"),
    "mlp": (669_706, "flatten 784, hidden1 512, hidden2 512, logits 10"),
    "cnn": (
        1_199_882,
        "conv1 26x26x32, conv2 24x24x64, pool 12x12x64, dropout1 12x12x64, flatten 9216, "
        "hidden 128, dropout2 128, logits 10",
    ),
    "lenet5": (
        61_706,
        "c1 28x28x6, s2 14x14x6, c3 10x10x16, s4 5x5x16, flatten 400, c5 120, f6 84, logits 10",
    ),
    "convnet3": (
        97_414,
        "conv1 26x26x32, pool1 13x13x32, conv2 11x11x64, pool2 5x5x64, conv3 3x3x64, "
        "pool3 1x1x64, flatten 64, hidden1 64, hidden2 500, logits 10",
    ),
    "lenet3x3": (
        81_194,
        "c1 26x26x6, s2 13x13x6, c3 11x11x16, s4 6x6x16, flatten 576, c5 120, f6 84, logits 10",
    ),
    "twoconv": (
        242_062,
        "conv1 28x28x16, pool1 14x14x16, relu1 14x14x16, conv2 14x14x36, pool2 7x7x36, "
        "relu2 7x7x36, flatten 1764, hidden 128, logits 10",
    ),
}
# What the articles set; everything else has a recipe's default.
RECIPES = {
    "softmax": Recipe(
        optimizer="sgd", momentum=0.0, learning_rate=0.5, batch_size=100, epochs=2, max_steps=1000
    ),
    "mlp": Recipe(optimizer="adam", learning_rate=1e-3, batch_size=128, epochs=5),
    "cnn": Recipe(optimizer="adam", learning_rate=1e-3, batch_size=128, epochs=5),
    "lenet5": Recipe(optimizer="adam", learning_rate=1e-3, batch_size=64, epochs=5),
    "convnet3": Recipe(optimizer="rmsprop", learning_rate=1e-3, batch_size=128, epochs=10),
    "lenet3x3": Recipe(optimizer="adam", learning_rate=1e-3, batch_size=64, epochs=10),
    "twoconv": Recipe(
        optimizer="adam", learning_rate=1e-4, batch_size=64, epochs=12, max_steps=10_000
    ),
}


def built(name, image_shape=(28, 28, 1), classes=10):
    module = registry.get(name)
    recipe = module.RECIPES.get("article", module.RECIPES["best"])
    preprocess = registry.preprocess(module, image_shape, recipe)
    return preprocess, module.build(preprocess.output_shape, classes)


@pytest.mark.parametrize("name", ARTICLES)
def test_layers_and_parameters_are_the_articles(name):
    parameters, layers = ARTICLES[name]
    preprocess, model = built(name)
    shapes = ", ".join(
        f"{layer.name} {'x'.join(map(str, layer.output.shape[1:]))}" for layer in model.layers[1:]
    )
    assert shapes == layers
    assert model.count_params() == parameters
    logits = model(preprocess(np.zeros((3, 28, 28, 1), np.uint8)))
    assert logits.shape == (3, 10)
    assert logits.dtype == "float32"


@pytest.mark.parametrize(
    ("name", "parameters"), [("swift", 69_722), ("tiny", 5_490), ("sharp", 445_482)]
)
def test_our_networks_have_their_size(name, parameters):
    _, model = built(name)
    assert model.count_params() == parameters
    assert name != "tiny" or parameters <= 6_000  # Its goal; moving statistics count.


@pytest.mark.parametrize("name", RECIPES)
def test_the_article_recipe_to_the_letter(name):
    assert registry.get(name).RECIPES["article"] == RECIPES[name]


@pytest.mark.parametrize("name", ARTICLES)
def test_both_recipes_train_the_same_layers(name):
    best = registry.get(name).RECIPES["best"]
    assert best != RECIPES[name]
    assert dataclasses.replace(best, mean=0.0, std=1.0) != RECIPES[name]


def test_twoconv_starts_with_its_articles_weights():
    _, model = built("twoconv")
    for layer in model.layers:
        if layer.weights:
            kernel, bias = (weight.numpy() for weight in layer.weights)
            np.testing.assert_allclose(bias, 0.05)
            assert np.abs(kernel).max() <= 0.1001  # Cut at two standard deviations.
            assert 0.03 < kernel.std() < 0.05


def test_softmax_starts_at_zero():
    assert not built("softmax")[1].get_weights()[0].any()


@pytest.mark.parametrize("name", registry.NAMES)
def test_other_sizes_channels_and_classes(name):
    preprocess, model = built(name, (32, 36, 3), 4)
    assert model(preprocess(np.zeros((2, 32, 36, 3), np.uint8))).shape == (2, 4)


def test_images_larger_than_the_network_are_averaged():
    preprocess = registry.preprocess(lenet5, (64, 48, 3), lenet5.RECIPES["best"])
    assert preprocess.resizing == "average"
    assert preprocess.output_shape == (32, 32, 3)


@pytest.mark.parametrize("name", registry.NAMES)
def test_every_model_keeps_the_convention(name):
    module = registry.get(name)
    assert "best" in module.RECIPES
    assert set(module.RECIPES) <= set(registry.RECIPES)
    assert module.ARTICLE_ACCURACY
    for recipe in module.RECIPES.values():
        assert registry.preprocess(module, (28, 28, 1), recipe).image_shape == (28, 28, 1)


def test_rejects_an_unknown_model():
    with pytest.raises(ValueError, match="Received: 'lenet'"):
        registry.get("lenet")


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_a_network_states_what_was_measured(path):
    measured = json.loads(path.read_text())
    accuracies = [run["accuracy"] for run in measured["runs"]]
    stated = (
        f"--recipe={measured['recipe_name']:<7}  {measured['accuracy_mean'] * 100:.2f} % "
        f"({min(accuracies) * 100:.2f} to {max(accuracies) * 100:.2f})"
    )
    assert stated in registry.get(measured["model"]).__doc__
