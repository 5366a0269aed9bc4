import numpy as np
import pytest

from digitline.base.tf import keras, tf
from digitline.data.dataset import open_dataset
from digitline.data.pipeline import records
from digitline.data.pipeline.preprocess import Preprocess
from digitline.models.training.network import layers

from support import DATASET, python


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False, "momentum": 0.8}])
def test_fused_does_what_keras_does(options):
    images = np.random.default_rng(0).normal(3, 2, (64, 7, 5, 4)).astype(np.float32)
    plain = layers.batch_norm(**options)
    with layers.for_training(4):
        fast = layers.batch_norm(**options)
    assert type(plain) is keras.layers.BatchNormalization
    assert type(fast) is layers.FusedBatchNorm
    upstream = tf.constant(np.random.default_rng(1).normal(size=images.shape), tf.float32)
    gradients = []
    for layer in (plain, fast):
        with tf.GradientTape() as tape:
            inputs = tf.constant(images)
            tape.watch(inputs)
            outputs = layer(inputs, training=True)
        gradients.append(
            tape.gradient(outputs, [inputs, *layer.trainable_variables], output_gradients=upstream)
        )
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
    # The fused variance is of a sample: larger by 1 in 2,240.
    for one, other in zip(plain.variables, fast.variables, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-3)
    np.testing.assert_allclose(plain(images), fast(images), rtol=1e-2, atol=1e-2)


def test_other_ranks_are_keras_own():
    with layers.for_training(4):
        layer = layers.batch_norm()
    rows = np.random.default_rng(0).normal(3, 2, (64, 4)).astype(np.float32)
    outputs = layer(rows, training=True).numpy()
    np.testing.assert_allclose(outputs.mean(0), 0, atol=1e-5)


@pytest.fixture
def normalized(data_dir):
    """A network with batch normalization, its inputs, and its statistics over them."""
    split = open_dataset(data_dir, DATASET).split("train[:200]")
    preprocess = Preprocess.as_is((28, 28, 1), 0.1, 0.3)
    inputs = keras.Input((28, 28, 1))
    x = layers.batch_norm(name="norm")(keras.layers.Conv2D(4, 3, name="conv")(inputs))
    x = keras.layers.Dropout(0.5)(keras.layers.Flatten()(x))
    model = keras.Model(inputs, keras.layers.Dense(3)(x))
    features = model.get_layer("conv")(preprocess(records.load(split)[0])).numpy()
    expected = features.mean((0, 1, 2)), features.var((0, 1, 2))
    return model, layers.PopulationStatistics(model, [split], preprocess), expected


def moving(model):
    norm = model.get_layer("norm")
    return norm.moving_mean.numpy(), norm.moving_variance.numpy()


def test_statistics_of_the_training_images_take_the_place_of_moving_averages(normalized):
    model, population, expected = normalized
    with population.in_place(step=20):
        for one, other in zip(moving(model), expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(moving(model), [[0] * 4, [1] * 4])  # As they were.
    population.put(step=20)
    np.testing.assert_allclose(moving(model)[0], expected[0], rtol=1e-3, atol=1e-4)


def test_moving_averages_stay_where_they_have_forgotten_their_first_values(normalized):
    model, population, _ = normalized
    assert population.are_needed(400)
    assert not population.are_needed(500)
    population.put(step=500)
    np.testing.assert_array_equal(moving(model)[0], [0] * 4)


# Layers on three devices, which have 3, 3 and 4 of ten images, and on one.
REPLICAS = """
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 3)
import numpy as np
from digitline.base.tf import keras
from digitline.models.training.network import layers
from digitline.models.training.devices import rows

random = np.random.default_rng(0)
images = tf.constant(random.normal(3.0, 2.0, [10, 5, 6, 4]), tf.float32)
weights = tf.constant(random.normal(size=images.shape), tf.float32)
strategy = tf.distribute.MirroredStrategy([f"CPU:{number}" for number in range(3)])
places = tf.constant(rows.bounds(10, 3))

def networks():
    keras.utils.set_random_seed(0)
    with layers.for_training(10):
        inputs = keras.Input([5, 6, 4])
        normalized = layers.batch_norm()(inputs)
        flat = keras.layers.Flatten()(normalized)
        return keras.Model(inputs, [normalized, layers.dropout(0.5)(layers.batch_norm()(flat))])

def figures(network, images, weights):
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = network(images, training=True)
        loss = tf.reduce_sum(outputs[0] ** 2 * weights) + tf.reduce_sum(outputs[1] ** 2)
    return *outputs, tape.gradient(loss, images)

one = networks()
expected = [*figures(one, images, weights), *one.non_trainable_variables]
with strategy.scope():
    many = networks()

@tf.function
def on_all():
    def on_one():
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        here = slice(places[replica], places[replica + 1])
        return figures(many, images[here], weights[here])
    return strategy.run(on_one)

parts = [tf.concat(strategy.experimental_local_results(part), 0) for part in on_all()]
for found, wanted in zip([*parts, *many.non_trainable_variables], expected, strict=True):
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4)
assert 0.3 < np.mean(expected[1] == 0) < 0.7
"""


@pytest.mark.long
def test_replicas_of_several_sizes_share_statistics_and_masks(tmp_path):
    done = python(REPLICAS, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_statistics_of_layers_that_are_not_trained_stay(normalized):
    model, _, _ = normalized
    model.get_layer("norm").trainable = False
    population = layers.PopulationStatistics(model, [], Preprocess.as_is((28, 28, 1), 0.1, 0.3))
    assert not population.are_needed(20)
    population.put(step=20)
    np.testing.assert_array_equal(moving(model), [[0] * 4, [1] * 4])
