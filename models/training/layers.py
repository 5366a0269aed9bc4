"""Batch normalization that trains fast.

Keras 3's layer computes the statistics and the output by a dozen elementwise
operations; TensorFlow has one fused operation for them, about four times as fast
on a CPU. Only the network that is trained has the fused layer: the model that is
saved is built of Keras's own layers, so that any Keras opens it.
"""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

from ...base.tf import keras, tf

_FUSED = contextvars.ContextVar("fused", default=False)


@contextlib.contextmanager
def fused() -> Iterator[None]:
    """While the block lasts, networks are built of fused layers."""
    token = _FUSED.set(True)
    try:
        yield
    finally:
        _FUSED.reset(token)


def batch_norm(**options: Any) -> keras.layers.Layer:
    """Batch normalization, fused where networks are built for training.

    S. Ioffe, C. Szegedy, "Batch normalization: accelerating deep network training by
    reducing internal covariate shift", ICML 2015.
    """
    kind = FusedBatchNorm if _FUSED.get() else keras.layers.BatchNormalization
    return kind(**options)


class FusedBatchNorm(keras.layers.BatchNormalization):
    """Keras's layer, with the same variables; in training one operation."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalizes [N, H, W, C] over all but the channels; other ranks as Keras does."""
        if not training or inputs.shape.rank != 4:
            return super().call(inputs, training=training, mask=mask)
        channels = inputs.shape[-1]
        scale = tf.cast(self.gamma, tf.float32) if self.scale else tf.ones([channels])
        offset = tf.cast(self.beta, tf.float32) if self.center else tf.zeros([channels])
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            tf.cast(inputs, self.compute_dtype),
            scale,
            offset,
            epsilon=self.epsilon,
            is_training=True,
        )[:3]
        moments: Any = ((self.moving_mean, mean), (self.moving_variance, variance))
        for moving, now in moments:
            moving.assign(moving - (moving - now) * (1.0 - self.momentum))
        return outputs
