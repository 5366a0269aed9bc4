import numpy as np
import pytest

from digitline.base.tf import keras, tf
from digitline.models.recipe import Recipe
from digitline.models.training.network import layers
from digitline.models.training.network.networks import make_networks


def build():
    layers = keras.layers
    inputs = keras.Input((4, 4, 1))
    x = layers.BatchNormalization()(layers.Flatten()(inputs))
    x = layers.Dropout(0.5)(layers.Dense(8, "relu")(x))
    return keras.Model(inputs, layers.Dense(3)(x))


def test_without_an_average_and_in_float32_there_is_one_network():
    networks = make_networks(build, Recipe())
    assert networks.model is networks.trained
    assert len(networks.variables) == len(networks.trained.variables)


def test_the_average_against_numpy():
    networks = make_networks(build, Recipe(ema_decay=0.9))
    kernel = networks.trained.trainable_variables[2]
    expected = kernel.numpy()
    for step in range(30):
        kernel.assign(kernel.numpy() + step)
        networks.follow(tf.constant(step, tf.int64))
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * kernel.numpy()
    np.testing.assert_allclose(networks.model.trainable_variables[2].numpy(), expected, rtol=1e-4)
    before = networks.model.get_weights()
    networks.catch_up()  # It is an average: it stays one.
    for one, other in zip(before, networks.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_computes_in_bfloat16_and_keeps_float32():
    networks = make_networks(build, Recipe(dtype="bfloat16"))
    images = np.random.default_rng(0).random((5, 4, 4, 1)).astype(np.float32)
    assert networks.trained(images).dtype == "bfloat16"
    assert networks.trained.trainable_variables[0].dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"
    for variable in networks.trained.trainable_variables:
        variable.assign(variable + 0.1)
    networks.catch_up()
    assert networks.model(images).dtype == "float32"
    np.testing.assert_allclose(
        networks.model(images), tf.cast(networks.trained(images), tf.float32), atol=0.05
    )


@pytest.mark.parametrize("recipe", [Recipe(ema_decay=0.5), Recipe(dtype="bfloat16", ema_decay=0.9)])
def test_both_start_at_the_same_weights(recipe):
    networks = make_networks(build, recipe)
    assert len(networks.pairs) == len(networks.trained.get_weights())
    for own, followed in networks.pairs:
        np.testing.assert_array_equal(own.numpy(), followed.numpy())


def test_only_training_has_fused_layers(tmp_path):
    def normalized():
        inputs = keras.Input((6, 6, 1))
        x = layers.batch_norm()(keras.layers.Conv2D(4, 3)(inputs))
        return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(x)))

    networks = make_networks(normalized, Recipe())
    assert any(isinstance(layer, layers.FusedBatchNorm) for layer in networks.trained.layers)
    images = np.random.default_rng(0).random((50, 6, 6, 1)).astype(np.float32)
    networks.trained(images, training=True)
    networks.catch_up()
    networks.model.save(tmp_path / "model.keras")
    plain = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    assert not any(isinstance(layer, layers.FusedBatchNorm) for layer in plain.layers)
    np.testing.assert_allclose(plain(images), networks.trained(images), atol=1e-5)
