"""Optimizer steps as one graph function."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from ...base.tf import keras, tf
from ..recipe import Recipe
from .network import Networks

# Images float32 [N, H, W, C], preprocessed, and labels int64 [N].
Batch = tuple[tf.Tensor, tf.Tensor]


class StepFigures(NamedTuple):
    """What some steps gave.

    Attributes:
      steps: how many were done: fewer than requested if a loss is not finite.
      loss, accuracy: sums over the steps of each batch's mean.
      gradient_norm: global norm of the last step's gradients, before clipping.
    """

    steps: tf.Tensor
    loss: tf.Tensor
    accuracy: tf.Tensor
    gradient_norm: tf.Tensor


def step_function(
    strategy: tf.distribute.Strategy,
    networks: Networks,
    optimizer: keras.optimizers.Optimizer,
    recipe: Recipe,
    num_classes: int,
) -> Callable[[Iterator[Batch], tf.Tensor], StepFigures]:
    """A graph function of (iterator, count) that does up to `count` steps.

    It ends early, after the step, where the loss is not finite.
    """
    smoothing, network = recipe.label_smoothing, networks.trained
    variables = network.trainable_variables

    def replica_step(
        images: tf.Tensor, labels: tf.Tensor, is_last: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        targets = tf.one_hot(labels, num_classes) * (1.0 - smoothing) + smoothing / num_classes
        with tf.GradientTape() as tape:
            logits = tf.cast(network(images, training=True), tf.float32)
            losses = tf.nn.softmax_cross_entropy_with_logits(targets, logits)
            # Over the global batch, since replicas' gradients are summed.
            loss = tf.reduce_sum(losses) / recipe.batch_size
            penalties = tf.add_n([tf.zeros([]), *network.losses])  # Of regularizers, if any.
            loss += penalties / strategy.num_replicas_in_sync
        gradients = tape.gradient(loss, variables)
        step = tf.cast(optimizer.iterations, tf.int64)
        optimizer.apply(gradients, variables)
        networks.follow(step)
        right = tf.reduce_sum(tf.cast(tf.equal(tf.argmax(logits, axis=-1), labels), tf.float32))
        # Logged once in a while: not worth computing at each step. (Of several
        # replicas' gradients, the sum of their norms, which is at least the norm.)
        is_logged = tf.logical_or(is_last, tf.logical_not(tf.math.is_finite(loss)))
        norm = tf.cond(is_logged, lambda: tf.linalg.global_norm(gradients), lambda: tf.zeros([]))
        return loss, right / recipe.batch_size, norm

    def total(value: tf.Tensor) -> tf.Tensor:
        return strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None)

    @tf.function
    def run_steps(iterator: Iterator[Batch], count: tf.Tensor) -> StepFigures:
        done = tf.zeros([], tf.int64)
        loss, accuracy, norm = tf.zeros([]), tf.zeros([]), tf.zeros([])
        while done < count and tf.math.is_finite(loss):
            images, labels = next(iterator)
            is_last = tf.equal(done, count - 1)
            figures = strategy.run(replica_step, (images, labels, is_last))
            loss += total(figures[0])
            accuracy += total(figures[1])
            norm = total(figures[2])
            done += 1
        return StepFigures(done, loss, accuracy, norm)

    return run_steps
