"""Optimizer steps as one graph function."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ...base.errors import UsageError
from ...base.tf import keras, tf
from ..recipe import Recipe
from .devices.strategy import Devices
from .network.layers import FusedBatchNorm
from .network.networks import Networks
from .state import Trainer

# Images float32 [N, H, W, C], preprocessed, or their features [N, F], and labels int64 [N].
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
    devices: Devices,
    networks: Networks,
    trainer: Trainer,
    recipe: Recipe,
    num_classes: int,
    xla: bool,
) -> Callable[[Iterator[Batch], tf.Tensor], StepFigures]:
    """A graph function of (iterator, count) that does up to `count` steps.

    It ends early, after the step, where the loss is not finite.

    Args:
      trainer: of the networks' trained one, or of a part of it.
      xla: compiles each replica's gradients.

    Raises:
      UsageError: XLA cannot compile the network for several devices.
    """
    strategy, network, optimizer = devices.strategy, trainer.network, trainer.optimizer
    replicas, weights = strategy.num_replicas_in_sync, network.trainable_variables
    gradients_of = _gradient_function(network, recipe, num_classes, replicas)
    if xla:
        if replicas > 1 and any(isinstance(layer, FusedBatchNorm) for layer in network.layers):
            raise UsageError(
                f"--xla cannot compile {network.name} for {replicas} devices, which sum "
                "within the network for batch normalization: leave out --xla"
            )
        gradients_of = tf.function(gradients_of, jit_compile=True, autograph=False)

    def replica_step(
        images: tf.Tensor, labels: tf.Tensor, is_last: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        gradients, figures = gradients_of(images, labels)
        if replicas > 1:  # All in one message.
            context = tf.distribute.get_replica_context()
            *gradients, figures = context.all_reduce(
                tf.distribute.ReduceOp.SUM, [*gradients, figures]
            )
        step = tf.cast(optimizer.iterations, tf.int64)
        optimizer.apply(gradients, weights)
        networks.follow(step)
        figures = tf.cast(figures, tf.float32)
        # Logged once in a while: not worth computing at each step.
        is_logged = tf.logical_or(is_last, tf.logical_not(tf.math.is_finite(figures[0])))
        norm = tf.cond(
            is_logged,
            lambda: tf.cast(tf.linalg.global_norm(gradients), tf.float32),
            lambda: tf.zeros([]),
        )
        return figures, norm

    @tf.function
    def run_steps(iterator: Iterator[Batch], count: tf.Tensor) -> StepFigures:
        done = tf.zeros([], tf.int64)
        loss, accuracy, norm = tf.zeros([]), tf.zeros([]), tf.zeros([])
        while done < count and tf.math.is_finite(loss):
            images, labels = next(iterator)
            is_last = tf.equal(done, count - 1)
            results = strategy.run(replica_step, (images, labels, is_last))
            # The same on each replica.
            figures, norm = (strategy.experimental_local_results(each)[0] for each in results)
            loss += figures[0]
            accuracy += figures[1]
            done += 1
        return StepFigures(done, loss, accuracy, norm)

    return run_steps


def _gradient_function(
    network: keras.Model, recipe: Recipe, num_classes: int, replicas: int
) -> Callable[[tf.Tensor, tf.Tensor], tuple[list[tf.Tensor], tf.Tensor]]:
    """A function of a replica's images and labels.

    It gives the replica's part of the gradients, and of the batch's mean loss and accuracy
    (of their type, [2]): the sums over all replicas are those of the whole batch.
    """
    smoothing, dtype = recipe.label_smoothing, network.trainable_variables[0].dtype

    def gradients_of(images: tf.Tensor, labels: tf.Tensor) -> tuple[list[tf.Tensor], tf.Tensor]:
        targets = tf.one_hot(labels, num_classes, dtype=dtype)
        targets = targets * (1.0 - smoothing) + smoothing / num_classes
        with tf.GradientTape() as tape:
            logits = tf.cast(network(images, training=True), dtype)
            losses = tf.nn.softmax_cross_entropy_with_logits(targets, logits)
            loss = tf.reduce_sum(losses) / recipe.batch_size
            penalties = tf.add_n([tf.zeros([], dtype), *network.losses])  # Of regularizers, if any.
            loss += penalties / replicas
        gradients: Any = tape.gradient(loss, network.trainable_variables)
        right = tf.reduce_sum(tf.cast(tf.equal(tf.argmax(logits, axis=-1), labels), dtype))
        return gradients, tf.stack([loss, right / recipe.batch_size])

    return gradients_of
