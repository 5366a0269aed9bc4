"""Keras's Adam and AdamW with each variable's update in one kernel of TensorFlow.

Keras writes an update as a dozen small ops, each of which goes over all weights once: a fifth
of a step of `mlp` on a processor. The formula is the same (D. Kingma, J. Ba, "Adam: a method
for stochastic optimization", ICLR 2015, with the bias corrections in the rate), and so are the
slots and the checkpoints.
"""

from typing import Any

from ...base.tf import keras, tf


class _AdamUpdate:
    """What Adam and AdamW share."""

    def update_step(self: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One variable's update, in place."""
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations.value, tf.float32) + 1.0
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].handle,
            v=self._velocities[index].handle,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


class Adam(_AdamUpdate, keras.optimizers.Adam):
    """Adam."""


class AdamW(_AdamUpdate, keras.optimizers.AdamW):
    """Adam with decoupled weight decay."""
