"""Layers that train fast, and on several devices as on one; statistics right after few steps.

Keras 3's layer computes the statistics and the output by a dozen elementwise
operations; TensorFlow has one fused operation for them, about four times as fast
on a CPU. Only the network that is trained has the fused layer: the model that is
saved is built of Keras's own layers, so that any Keras opens it.

Where several replicas share a batch, the statistics are those of the whole batch, and dropout
gives an image the mask that it has on one device.

What the layer normalizes with outside of training are moving averages over the steps, which begin
at mean 0 and variance 1: until these are forgotten, `PopulationStatistics` computes them anew from
training images.
"""

import contextlib
import contextvars
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ....base.tf import keras, tf
from ....data.dataset import Split
from ....data.pipeline import records, statistics
from ....data.pipeline.preprocess import Preprocess
from ..devices import rows

# Images in a batch of the networks that are built to be trained; 0 for others.
_TRAINED_BATCH = contextvars.ContextVar("batch", default=0)


@contextlib.contextmanager
def for_training(batch_size: int) -> Iterator[None]:
    """While the block lasts, networks are built of the layers that train best."""
    token = _TRAINED_BATCH.set(batch_size)
    try:
        yield
    finally:
        _TRAINED_BATCH.reset(token)


def dropout(rate: float, **options: Any) -> keras.layers.Layer:
    """Dropout whose masks do not depend on the devices, where networks are built for training.

    N. Srivastava and others, "Dropout: a simple way to prevent neural networks from
    overfitting", JMLR 15, 2014.
    """
    batch_size = _TRAINED_BATCH.get()
    if batch_size:
        return SharedDropout(rate, batch_size, **options)
    return keras.layers.Dropout(rate, **options)


def batch_norm(**options: Any) -> keras.layers.Layer:
    """Batch normalization, fused where networks are built for training.

    S. Ioffe, C. Szegedy, "Batch normalization: accelerating deep network training by
    reducing internal covariate shift", ICML 2015.
    """
    kind = FusedBatchNorm if _TRAINED_BATCH.get() else keras.layers.BatchNormalization
    return kind(**options)


def _replicas() -> int:
    """How many replicas share the batch; 1 outside of a strategy."""
    context = tf.distribute.get_replica_context()
    return context.num_replicas_in_sync if context else 1


class SharedDropout(keras.layers.Dropout):
    """Keras's layer; a replica takes its rows of the mask of the whole batch."""

    def __init__(self, rate: float, batch_size: int, **options: Any):
        super().__init__(rate, **options)
        self._batch_size = batch_size

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drops values of [N, …], N being the replica's rows."""
        if not training or _replicas() == 1:
            return super().call(inputs, training=training)
        whole = tf.ones([self._batch_size, *inputs.shape[1:]], inputs.dtype)
        mask: Any = super().call(whole, training=True)
        places = tf.constant(rows.bounds(self._batch_size, _replicas()))
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return inputs * mask[places[replica] : places[replica + 1]]


class FusedBatchNorm(keras.layers.BatchNormalization):
    """Keras's layer, with the same variables; in training one operation."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalizes [N, H, W, C] over all but the channels; other ranks as Keras does."""
        is_shared, rank = _replicas() > 1, inputs.shape.rank
        if not training or (rank != 4 and not is_shared):
            return super().call(inputs, training=training, mask=mask)
        channels, dtype = inputs.shape[-1], self.variable_dtype
        scale = tf.convert_to_tensor(self.gamma) if self.scale else tf.ones([channels], dtype)
        offset = tf.convert_to_tensor(self.beta) if self.center else tf.zeros([channels], dtype)
        is_fused = not is_shared and dtype == "float32"  # There is no such operation for float64.
        normalize = self._normalized if is_fused else self._normalized_over_replicas
        outputs, mean, variance = normalize(inputs, scale, offset)
        moments: Any = ((self.moving_mean, mean), (self.moving_variance, variance))
        for moving, now in moments:
            moving.assign(moving - (moving - now) * (1.0 - self.momentum))
        return outputs

    def _normalized(
        self, inputs: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        """The output, and the batch's mean and variance."""
        return tf.compat.v1.nn.fused_batch_norm(
            tf.cast(inputs, self.compute_dtype),
            scale,
            offset,
            epsilon=self.epsilon,
            is_training=True,
        )[:3]

    def _normalized_over_replicas(
        self, inputs: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        """The same over the batches of all replicas, which may differ in size: one sum of all."""
        # Sums of squares far from the mean cancel: they are taken from where it was lately, the
        # same point on all replicas.
        start = tf.stop_gradient(tf.convert_to_tensor(self.moving_mean))
        values = tf.cast(inputs, start.dtype) - start
        axes = list(range(values.shape.rank - 1))
        channels = values.shape[-1]
        number = tf.cast(tf.size(values) // channels, start.dtype)
        own = [tf.reduce_sum(values, axes), tf.reduce_sum(tf.square(values), axes), [number]]
        sums = tf.concat(own, 0)
        if _replicas() > 1:
            context = tf.distribute.get_replica_context()
            sums = context.all_reduce(tf.distribute.ReduceOp.SUM, sums)
        total, squares, numbers = tf.split(sums, [channels, channels, 1])
        mean = total / numbers
        variance = tf.maximum(squares / numbers - tf.square(mean), 0.0)
        factor = scale * tf.math.rsqrt(variance + self.epsilon)
        outputs = tf.cast((values - mean) * factor + offset, self.compute_dtype)
        if len(axes) == 3:  # What the fused operation gives is corrected for the mean's own error.
            variance *= numbers / tf.maximum(numbers - 1.0, 1.0)
        return outputs, start + mean, variance


# Images that the statistics are computed from, in batches that are mixed.
_IMAGES, _BATCH = 2048, 256
# The share of a moving average that may still be its first value.
_REST = 0.01


class PopulationStatistics:
    """The statistics of a model's batch normalization over training images, and no moving averages.

    S. Ioffe, C. Szegedy (as above), algorithm 2; for averaged weights P. Izmailov and others,
    "Averaging weights leads to wider optima and better generalization", UAI 2018.

    Args:
      model: of Keras's own layers; one without batch normalization is left alone, and so are
        layers of it that are not trained: these normalize with what they have in training too.
      splits: the training images; a sample is read when it is first needed.
      preprocess: from them to the network's input.
    """

    def __init__(self, model: keras.Model, splits: Sequence[Split], preprocess: Preprocess):
        self._model, self._splits, self._preprocess = model, splits, preprocess
        momentum = {
            id(variable): layer.momentum
            for layer in model.layers
            if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
            for variable in (layer.moving_mean, layer.moving_variance)
        }
        # Each variable that is not trained, with its momentum if it is a moving average.
        self._variables = [
            (variable, momentum.get(id(variable))) for variable in model.non_trainable_variables
        ]

    def are_needed(self, step: int) -> bool:
        """Whether moving averages after this many steps are still partly what they began as."""
        return any(
            momentum is not None and momentum**step > _REST for _, momentum in self._variables
        )

    @contextlib.contextmanager
    def in_place(self, step: int) -> Iterator[None]:
        """While the block lasts, the model has them, where they are needed.

        After it the moving averages go on as if nothing had been.
        """
        before = [variable.numpy() for variable in self._moving()]
        self.put(step)
        try:
            yield
        finally:
            self._assign(before)

    def put(self, step: int) -> None:
        """Gives them to the model for good, where they are needed."""
        if self.are_needed(step):
            batches = [[value.numpy() for value in self._of(images)] for images in self._batches]
            self._assign([np.mean(values, axis=0) for values in zip(*batches, strict=True)])

    def _moving(self) -> list[keras.Variable]:
        return [variable for variable, momentum in self._variables if momentum is not None]

    def _assign(self, values: Sequence[np.ndarray]) -> None:
        for variable, value in zip(self._moving(), values, strict=True):
            variable.assign(value)

    @functools.cached_property
    def _batches(self) -> list[tf.Tensor]:
        """Images uint8 [n, H, W, C], in an order that mixes the classes."""
        share = _IMAGES // len(self._splits)
        images = [records.load(statistics.sample(split, share))[0] for split in self._splits]
        mixed = np.random.default_rng(0).permutation(np.concatenate(images))
        return [tf.constant(batch) for batch in np.array_split(mixed, -(-len(mixed) // _BATCH))]

    @tf.function(reduce_retracing=True, autograph=False)
    def _of(self, images: tf.Tensor) -> list[tf.Tensor]:
        """The means and variances of a batch: what one step makes of moving averages of 0."""
        before = [
            variable.value if momentum is None else tf.zeros_like(variable.value)
            for variable, momentum in self._variables
        ]
        weights = [variable.value for variable in self._model.trainable_variables]
        inputs = self._preprocess(images)
        after = self._model.stateless_call(weights, before, inputs, training=True)[1]
        return [
            value / (1.0 - momentum)
            for value, (_, momentum) in zip(after, self._variables, strict=True)
            if momentum is not None
        ]
