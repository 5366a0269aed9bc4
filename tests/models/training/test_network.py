import numpy as np
import pytest

from digitline.base.tf import keras, tf
from digitline.models.recipe import Recipe
from digitline.models.training import layers, network


def build():
    layers = keras.layers
    inputs = keras.Input((4, 4, 1))
    x = layers.BatchNormalization()(layers.Flatten()(inputs))
    x = layers.Dropout(0.5)(layers.Dense(8, "relu")(x))
    return keras.Model(inputs, layers.Dense(3)(x))


def test_without_average_and_in_float32_there_is_one_network():
    made = network.make(build, Recipe())
    assert made.model is made.trained
    assert len(made.variables) == len(made.trained.variables)


def test_the_average_against_numpy():
    made = network.make(build, Recipe(average=0.9))
    kernel = made.trained.trainable_variables[2]
    expected = kernel.numpy()
    for step in range(30):
        kernel.assign(kernel.numpy() + step)
        made.follow(tf.constant(step, tf.int64))
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * kernel.numpy()
    np.testing.assert_allclose(made.model.trainable_variables[2].numpy(), expected, rtol=1e-4)
    before = made.model.get_weights()
    made.catch_up()  # It is an average: it stays one.
    for one, other in zip(before, made.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_bfloat16_computes_and_float32_is_kept():
    made = network.make(build, Recipe(dtype="bfloat16"))
    images = np.random.default_rng(0).random((5, 4, 4, 1)).astype(np.float32)
    assert made.trained(images).dtype == "bfloat16"
    assert made.trained.trainable_variables[0].dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"
    for variable in made.trained.trainable_variables:
        variable.assign(variable + 0.1)
    made.catch_up()
    assert made.model(images).dtype == "float32"
    np.testing.assert_allclose(
        made.model(images), tf.cast(made.trained(images), tf.float32), atol=0.05
    )


@pytest.mark.parametrize("recipe", [Recipe(average=0.5), Recipe(dtype="bfloat16", average=0.9)])
def test_both_begin_at_the_same_weights(recipe):
    made = network.make(build, recipe)
    assert len(made.pairs) == len(made.trained.get_weights())
    for mine, followed in made.pairs:
        np.testing.assert_array_equal(mine.numpy(), followed.numpy())


def test_fused_layers_are_for_training_alone(tmp_path):
    def normalized():
        inputs = keras.Input((6, 6, 1))
        x = layers.batch_norm()(keras.layers.Conv2D(4, 3)(inputs))
        return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(x)))

    made = network.make(normalized, Recipe())
    assert any(isinstance(layer, layers.FusedBatchNorm) for layer in made.trained.layers)
    images = np.random.default_rng(0).random((50, 6, 6, 1)).astype(np.float32)
    made.trained(images, training=True)
    made.catch_up()
    made.model.save(tmp_path / "model.keras")
    plain = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    assert not any(isinstance(layer, layers.FusedBatchNorm) for layer in plain.layers)
    np.testing.assert_allclose(plain(images), made.trained(images), atol=1e-5)
