"""The network that is trained, and the model that comes of it.

They are one and the same, unless the recipe averages the weights, or the network
trains in bfloat16 or with fused layers: then the model is a second build, in
float32 and of Keras's own layers, whose variables follow the network's.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from ...base.tf import keras, tf
from ..recipe import Recipe
from . import layers


@dataclasses.dataclass(frozen=True)
class Networks:
    """What is trained, and what is kept.

    Attributes:
      trained: the network whose weights the optimizer changes.
      model: float32, to be evaluated and kept.
      pairs: variables of `model` and those of `trained` that they follow.
      average: decay of the moving average; 0 to follow at once.
    """

    trained: keras.Model
    model: keras.Model
    pairs: tuple[tuple[Any, Any], ...]
    average: float

    @property
    def variables(self) -> list[Any]:
        """All variables, for checkpoints; dropout's state too."""
        own = self.model.variables if self.model is not self.trained else []
        return [variable.value for variable in (*self.trained.variables, *own)]

    def follow(self, step: tf.Tensor) -> None:
        """After a step (int64, from 0), in its graph: moves the averages.

        The decay climbs to its value, so that the first weights, which are
        random, are soon forgotten; as in `tf.train.ExponentialMovingAverage`.
        """
        if not self.average:
            return
        at = tf.cast(step, tf.float32)
        decay = tf.minimum(self.average, (1.0 + at) / (10.0 + at))
        for mine, followed in self.pairs:
            mine.assign(mine - (mine - followed) * (1.0 - decay))

    def catch_up(self) -> None:
        """Before an evaluation: a model that is not an average takes the weights over."""
        if not self.average:
            for mine, followed in self.pairs:
                mine.assign(followed.value)


def make(build: Callable[[], keras.Model], recipe: Recipe) -> Networks:
    """Builds what the recipe needs; the averages begin at the first weights.

    Args:
      build: makes the network, the same one each time but for the weights.
      recipe: how it is trained.
    """
    with _computing_in(recipe.dtype), layers.fused():
        trained = build()
    is_plain = recipe.dtype == "float32" and not any(
        isinstance(layer, layers.FusedBatchNorm) for layer in trained.layers
    )
    if is_plain and not recipe.average:
        return Networks(trained, trained, (), 0.0)
    model = build()
    pairs = tuple(
        (mine, followed)
        for mine, followed in zip(model.variables, trained.variables, strict=True)
        if mine.dtype == "float32"  # Not the state of random numbers.
    )
    for mine, followed in pairs:
        mine.assign(followed.value)
    return Networks(trained, model, pairs, recipe.average)


@contextlib.contextmanager
def _computing_in(dtype: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    if dtype == "bfloat16":
        keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
