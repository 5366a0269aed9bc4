"""A recipe's optimizer and its learning rate by step."""

from collections.abc import Iterable, Sequence
from typing import Any

from ....base.tf import keras, tf
from ...recipe import Recipe

_schedules = keras.optimizers.schedules
Schedule = _schedules.LearningRateSchedule
# The rate that a one-cycle schedule begins with, as a share of its peak.
_ONE_CYCLE_START = 1 / 25


def make_optimizer(
    recipe: Recipe, total_steps: int, examples: int, variables: Sequence[keras.Variable]
) -> keras.optimizers.Optimizer:
    """The recipe's optimizer, built for `variables`.

    Weight decay is decoupled from the gradient (I. Loshchilov, F. Hutter,
    "Decoupled weight decay regularization", ICLR 2019), and applies only to
    kernels: vectors are biases and the scales of batch normalization.
    `total_steps` are those of the whole run, `examples` those of an epoch.
    """
    common: dict[str, Any] = {
        "learning_rate": make_schedule(recipe, total_steps, examples),
        "weight_decay": recipe.weight_decay or None,
        "global_clipnorm": recipe.clip_norm or None,
    }
    if recipe.optimizer == "sgd":
        optimizer = SGD(momentum=recipe.momentum, nesterov=True, **common)
    elif recipe.optimizer == "rmsprop":
        optimizer = RMSprop(**common)
    elif recipe.optimizer == "adamw" and recipe.weight_decay:
        optimizer = AdamW(**common)
    else:  # AdamW without decay is Adam.
        optimizer = Adam(**common)
    if recipe.weight_decay:
        vectors = [variable for variable in variables if len(variable.shape) < 2]
        optimizer.exclude_from_weight_decay(var_list=vectors)
    optimizer.build(variables)
    return optimizer


def make_schedule(recipe: Recipe, total_steps: int, examples: int) -> float | Schedule:
    """The learning rate by step, from 0: one number, or a Keras schedule.

    `cosine`: I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with
    warm restarts", ICLR 2017 (one period, no restart). `one_cycle`: L. Smith, N.
    Topin, "Super-convergence: very fast training of neural networks using large
    learning rates", 2018.
    """
    peak, warmup = recipe.learning_rate, round(recipe.warmup * total_steps)
    rest = max(1, total_steps - warmup)
    if recipe.schedule == "constant":
        return _schedules.PolynomialDecay(0.0, warmup, peak) if warmup else peak
    if recipe.schedule == "cosine":
        if warmup:
            return _schedules.CosineDecay(0.0, rest, warmup_target=peak, warmup_steps=warmup)
        return _schedules.CosineDecay(peak, rest)
    if recipe.schedule == "one_cycle":
        # The line down goes through the peak at the end of the warm-up.
        fall = _schedules.PolynomialDecay(peak * (warmup + rest) / rest, warmup + rest, 0.0)
        return WarmUp(warmup, peak * _ONE_CYCLE_START, peak, fall) if warmup else fall
    steps = recipe.decay_epochs * examples / recipe.batch_size
    fall = _schedules.ExponentialDecay(peak, steps, recipe.decay_rate, staircase=True)
    return WarmUp(warmup, 0.0, peak, fall) if warmup else fall


class WarmUp(Schedule):
    """A line from `start` up to `peak` within `steps`; from there on what `after` gives."""

    def __init__(self, steps: int, start: float, peak: float, after: Schedule):
        super().__init__()
        self._config = {"steps": steps, "start": start, "peak": peak, "after": after}

    def __call__(self, step: Any) -> tf.Tensor:
        """The rate of a step, from 0."""
        steps, start, peak, after = self._config.values()
        rising = start + (peak - start) * tf.cast(step, tf.float32) / steps
        return tf.where(step < steps, rising, after(step))

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return dict(self._config)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "WarmUp":
        """The schedule back from its configuration, in which Keras has serialized `after`."""
        return cls(**{**config, "after": _schedules.deserialize(config["after"])})


class _OfSums:
    """Takes gradients that are summed over all replicas already.

    Keras clips each replica's own gradients and sums them after that, which gives others.
    """

    def _all_reduce_sum_gradients(
        self, grads_and_vars: Iterable[tuple[tf.Tensor, tf.Variable]]
    ) -> list[tuple[tf.Tensor, tf.Variable]]:
        return list(grads_and_vars)


class _FusedUpdate(_OfSums):
    """Each variable's update in one kernel of TensorFlow.

    Keras writes an update as a dozen small ops, each of which goes over all weights once: a fifth
    of a step of `mlp` on a processor. The formula is the same (D. Kingma, J. Ba, "Adam: a method
    for stochastic optimization", ICLR 2015, with the bias corrections in the rate), and so are the
    slots and the checkpoints.
    """

    def update_step(
        self: Any, gradient: tf.Tensor, variable: keras.Variable, learning_rate: tf.Tensor
    ) -> None:
        """One variable's update, in place."""
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations.value, gradient.dtype) + 1.0
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].handle,
            v=self._velocities[index].handle,
            beta1_power=tf.pow(tf.constant(self.beta_1, gradient.dtype), step),
            beta2_power=tf.pow(tf.constant(self.beta_2, gradient.dtype), step),
            lr=tf.cast(learning_rate, gradient.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


class SGD(_OfSums, keras.optimizers.SGD):
    """Stochastic gradient descent."""


class RMSprop(_OfSums, keras.optimizers.RMSprop):
    """RMSprop."""


class Adam(_FusedUpdate, keras.optimizers.Adam):
    """Adam."""


class AdamW(_FusedUpdate, keras.optimizers.AdamW):
    """Adam with decoupled weight decay."""
