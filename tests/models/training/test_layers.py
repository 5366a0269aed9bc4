import numpy as np
import pytest

from digitline.base.tf import keras, tf
from digitline.models.training import layers


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False, "momentum": 0.8}])
def test_fused_does_what_keras_does(options):
    images = np.random.default_rng(0).normal(3, 2, (64, 7, 5, 4)).astype(np.float32)
    plain = layers.batch_norm(**options)
    with layers.fused():
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
    with layers.fused():
        layer = layers.batch_norm()
    rows = np.random.default_rng(0).normal(3, 2, (64, 4)).astype(np.float32)
    outputs = layer(rows, training=True).numpy()
    np.testing.assert_allclose(outputs.mean(0), 0, atol=1e-5)
