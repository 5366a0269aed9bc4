"""The network that is trained, and the model that comes of it.

They are one and the same, unless the recipe averages the weights, or the network
trains in another type or with layers of ours: then the model is a second build, in
float32 and of Keras's own layers, whose variables follow the network's.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator

from ....base.tf import keras, tf
from ...recipe import Recipe
from . import layers


@dataclasses.dataclass(frozen=True)
class Networks:
    """What is trained, and what is kept.

    Attributes:
      trained: the network whose weights the optimizer changes.
      model: float32, to be evaluated and saved.
      pairs: variables of `model` and those of `trained` that they follow.
      ema_decay: decay of the moving average; 0 to follow at once.
      is_saved: whether checkpoints hold the model's variables too.
    """

    trained: keras.Model
    model: keras.Model
    pairs: tuple[tuple[keras.Variable, keras.Variable], ...]
    ema_decay: float
    is_saved: bool

    @property
    def variables(self) -> list[tf.Variable]:
        """All variables, for checkpoints; dropout's state too."""
        own = self.model.variables if self.is_saved else []
        return [variable.value for variable in (*self.trained.variables, *own)]

    def restart(self) -> None:
        """Before the first step: averages begin at the weights as they are."""
        for own, followed in self.pairs:
            own.assign(followed.value)

    def follow(self, step: tf.Tensor) -> None:
        """After a step (int64, from 0), in its graph: moves the averages.

        The decay climbs to its value, so that the first weights, which are
        random, are soon forgotten; as in `tf.train.ExponentialMovingAverage`.
        """
        if not self.ema_decay:
            return
        steps = tf.cast(step, tf.float32)
        decay = tf.minimum(self.ema_decay, (1.0 + steps) / (10.0 + steps))
        for own, followed in self.pairs:
            now = tf.cast(followed.value, own.dtype)
            own.assign(own - (own - now) * (1.0 - decay))

    def catch_up(self) -> None:
        """Before an evaluation: a model that is not an average takes the weights over."""
        if not self.ema_decay:
            for own, followed in self.pairs:
                own.assign(followed.value)


def make_networks(build: Callable[[], keras.Model], recipe: Recipe) -> Networks:
    """Builds what the recipe needs; the averages begin at the first weights."""
    with _computing_in(recipe.dtype), layers.for_training(recipe.batch_size):
        trained = build()
    # A model that only has other layers of dropout is a copy, which its checkpoints never held.
    is_saved = bool(recipe.dtype != "float32" or recipe.ema_decay) or any(
        isinstance(layer, layers.FusedBatchNorm) for layer in trained.layers
    )
    if not is_saved and not any(isinstance(each, layers.SharedDropout) for each in trained.layers):
        return Networks(trained, trained, (), 0.0, is_saved)
    model = build()
    pairs = tuple(
        (own, followed)
        for own, followed in zip(model.variables, trained.variables, strict=True)
        if own.dtype == "float32"  # Not the state of random numbers.
    )
    networks = Networks(trained, model, pairs, recipe.ema_decay, is_saved)
    networks.restart()
    return networks


@contextlib.contextmanager
def _computing_in(dtype: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if dtype == "bfloat16" else dtype)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
