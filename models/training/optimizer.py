"""A recipe's optimizer and its learning rate by step."""

from typing import Any

from ...base.tf import keras, tf
from ..recipe import Recipe
from . import fused_adam as fused

# The rate that a one-cycle schedule begins with, as a share of its peak.
_ONE_CYCLE_START = 1 / 25


def make_optimizer(
    recipe: Recipe, total_steps: int, examples: int, variables: list[Any]
) -> keras.optimizers.Optimizer:
    """The recipe's optimizer, built for `variables`.

    Weight decay is decoupled from the gradient (I. Loshchilov, F. Hutter,
    "Decoupled weight decay regularization", ICLR 2019), and applies to kernels
    alone: vectors are biases and the scales of batch normalization.

    Args:
      recipe: how to train.
      total_steps: of the whole run.
      examples: in an epoch.
      variables: the network's trainable ones.
    """
    rate: Any = make_schedule(recipe, total_steps, examples)
    common = {
        "learning_rate": rate,
        "weight_decay": recipe.weight_decay or None,
        "global_clipnorm": recipe.clip_norm or None,
    }
    kind = recipe.optimizer
    if kind == "sgd":
        optimizer = keras.optimizers.SGD(momentum=recipe.momentum, nesterov=True, **common)
    elif kind == "rmsprop":
        optimizer = keras.optimizers.RMSprop(**common)
    elif kind == "adamw" and recipe.weight_decay:
        optimizer = fused.AdamW(**common)
    else:  # AdamW without decay is Adam.
        optimizer = fused.Adam(**common)
    if recipe.weight_decay:
        vectors = [variable for variable in variables if len(variable.shape) < 2]
        optimizer.exclude_from_weight_decay(var_list=vectors)
    optimizer.build(variables)
    return optimizer


def make_schedule(recipe: Recipe, total_steps: int, examples: int) -> Any:
    """The learning rate by step: a number, or a Keras schedule.

    Args:
      recipe: how to train.
      total_steps: of the whole run.
      examples: in an epoch.
    """
    if recipe.schedule == "constant" and not recipe.warmup:
        return recipe.learning_rate
    return Schedule(
        kind=recipe.schedule,
        peak=recipe.learning_rate,
        total_steps=total_steps,
        warmup_steps=round(recipe.warmup * total_steps),
        decay_rate=recipe.decay_rate,
        decay_steps=recipe.decay_epochs * examples / recipe.batch_size,
    )


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A climb to the peak, then what `kind` says.

    `cosine`: I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with
    warm restarts", ICLR 2017 (one period, no restart). `one_cycle`: L. Smith, N.
    Topin, "Super-convergence: very fast training of neural networks using large
    learning rates", 2018 (a line up from a 25th, and one down to 0).
    """

    def __init__(
        self,
        kind: str,
        peak: float,
        total_steps: int,
        warmup_steps: int,
        decay_rate: float,
        decay_steps: float,
    ):
        super().__init__()
        self._config = {
            "kind": kind,
            "peak": peak,
            "total_steps": total_steps,
            "warmup_steps": warmup_steps,
            "decay_rate": decay_rate,
            "decay_steps": decay_steps,
        }

    def __call__(self, step: Any) -> tf.Tensor:
        """The rate of a step, from 0."""
        c = self._config
        at = tf.cast(step, tf.float32)
        peak, warmup = c["peak"], c["warmup_steps"]
        share = tf.clip_by_value((at - warmup) / max(1, c["total_steps"] - warmup), 0.0, 1.0)
        if c["kind"] == "cosine":
            rate = peak * 0.5 * (1.0 + tf.cos(3.14159265 * share))
        elif c["kind"] == "one_cycle":
            rate = peak * (1.0 - share)
        elif c["kind"] == "step":
            rate = peak * c["decay_rate"] ** tf.floor(at / c["decay_steps"])
        else:
            rate = tf.fill(tf.shape(at), peak)
        if not warmup:
            return rate
        start = peak * _ONE_CYCLE_START if c["kind"] == "one_cycle" else 0.0
        return tf.where(at < warmup, start + (peak - start) * at / warmup, rate)

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return dict(self._config)
