import numpy as np
import pytest

from digitline.base.errors import UsageError
from digitline.base.tf import keras
from digitline.models import efficientnet_lite0, registry


@pytest.fixture(scope="module")
def model():
    return efficientnet_lite0.build((224, 224, 3), 5)


def test_layers_and_parameters_are_the_articles(model):
    body, logits = 3_413_024, 1281 * 5  # With 1,000 classes 4,694,024.
    assert model.count_params() == body + logits
    assert model.input.name == "normalized_images"
    assert model.get_layer("features").output.shape == (None, 1280)
    assert [layer.name for layer in model.layers[-3:]] == ["features", "dropout", "logits"]
    sides = [
        f"{layer.output.shape[1]}x{layer.output.shape[3]}"
        for layer in model.layers
        if layer.name.endswith("project")
    ]
    assert sides == [
        "112x16", *["56x24"] * 2, *["28x40"] * 2, *["14x80"] * 3, *["14x112"] * 3, *["7x192"] * 4,
        "7x320",
    ]  # fmt: skip


def test_layers_are_keras_own_and_normalization_is_not_trained(model):
    assert {type(layer).__module__.partition(".")[0] for layer in model.layers} == {"keras"}
    norms = [each for each in model.layers if isinstance(each, keras.layers.BatchNormalization)]
    assert len(norms) == 49
    assert not any(norm.trainable for norm in norms)
    assert not any(weight.name in ("gamma", "beta") for weight in model.trainable_weights)


def test_random_weights_tell_images_apart(model):
    generator = np.random.default_rng(0)
    images = generator.normal(0, 0.5, (4, 7, 7, 3)).repeat(32, 1).repeat(32, 2)
    logits = model(images.astype(np.float32)).numpy()
    assert logits.dtype == np.float32
    assert 0.1 < logits.std(0).mean() < 10


def test_pixels_become_what_the_weights_are_for():
    recipe = efficientnet_lite0.RECIPES["best"]
    preprocess = registry.preprocess(efficientnet_lite0, (224, 224, 1), recipe)
    pixels = np.arange(256, dtype=np.uint8).repeat(196).reshape(1, 224, 224, 1)
    np.testing.assert_allclose(preprocess(pixels), (pixels - 127.0) / 128, atol=1e-6)


@pytest.mark.parametrize("channels", [2, 4])
def test_rejects_images_that_are_neither_grey_nor_in_colour(channels):
    with pytest.raises(UsageError, match=f"cannot take images 224x224x{channels}, only grey"):
        efficientnet_lite0.build((224, 224, channels), 5)
