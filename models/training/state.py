"""The state of a run: networks, optimizer and validations, as the last checkpoint has them."""

import dataclasses
import random

from ...base import addresses, progress
from ...base.tf import keras, tf
from .. import registry
from ..run import weights
from ..run.config import RunConfig
from ..run.folder import Run
from . import network
from .checkpoints import Checkpoints
from .optimizer import make_optimizer
from .plan import Plan
from .validations import Validations

# What converting and quantizing take is many times the weights: 100 million need 20 GB.
_MAX_WEIGHTS = 100_000_000


@dataclasses.dataclass(frozen=True)
class State:
    """What a step changes, and where it is saved; `first_step` steps are done already."""

    networks: network.Networks
    optimizer: keras.optimizers.Optimizer
    validations: Validations
    first_step: int
    _step: tf.Variable
    _seconds: tf.Variable
    _checkpoints: Checkpoints

    @property
    def seconds(self) -> float:
        """Of training, up to the last checkpoint."""
        return float(self._seconds)

    def save(self, step: int, seconds: float) -> None:
        """Writes a checkpoint."""
        self._step.assign(step)
        self._seconds.assign(seconds)
        self._checkpoints.save(step, self.validations.record())


def new_networks(config: RunConfig, strategy: tf.distribute.Strategy) -> network.Networks:
    """The networks of a run, with new weights.

    Raises:
      UsageError: the network cannot take images of that size.
    """
    _require_exportable(config)
    # Keras draws the seeds of initializers and dropout from Python's generator.
    # TensorFlow's global seed is left alone: tf.data would mix it into the order.
    random.seed(config.seed)
    with strategy.scope():
        return network.make(lambda: _build(config), config.recipe)


def restore(
    run: Run,
    config: RunConfig,
    plan: Plan,
    strategy: tf.distribute.Strategy,
    networks: network.Networks,
) -> State:
    """The state of a run at its last checkpoint; of the new networks if there is none.

    Raises:
      UsageError: the network cannot take the weights that it is to begin with.
      UserError: all checkpoints are damaged.
    """
    with strategy.scope():
        variables = networks.trained.trainable_variables
        optimizer = make_optimizer(config.recipe, plan.total_steps, plan.examples, variables)
    step = tf.Variable(tf.constant(0, tf.int64), trainable=False, name="step")
    seconds = tf.Variable(tf.constant(0.0, tf.float64), trainable=False, name="seconds")
    # All variables by their order: tracking the model itself would leave out the
    # state of dropout's random numbers.
    checkpoints = Checkpoints(
        run.checkpoints,
        "ckpt",
        plan.settings.keep_checkpoints,
        networks=networks.variables,
        optimizer=[variable.value for variable in optimizer.variables],
        step=step,
        seconds=seconds,
    )
    record = checkpoints.restore() or {}
    if config.init_from and not int(step):
        weights.begin_with(networks.trained, config, addresses.local(config.init_from))
        networks.restart()
    selected = [variable.value for variable in networks.model.variables]
    validations = Validations(run.checkpoints, selected, record)
    if int(step):
        progress.say(f"resuming {run.workdir} at step {int(step):,} of {plan.total_steps:,}")
    run.rewind_metrics(int(step))
    return State(networks, optimizer, validations, int(step), step, seconds, checkpoints)


def _require_exportable(config: RunConfig) -> None:
    """Refuses images so large that the network could be trained, perhaps, but not exported.

    Raises:
      UsageError: names the number of weights.
    """
    if registry.get(config.model).INPUT_SIZE:
        return  # It has as many, whatever the images.
    with tf.Graph().as_default():  # Where weights take no memory.
        weights = _build(config).count_params()
    if weights > _MAX_WEIGHTS:
        why = (
            f": it would have {weights:,} weights, and more than {_MAX_WEIGHTS:,} are not exported"
        )
        raise registry.cannot_take(config.model, config.preprocess.image_shape, 0, why)


def _build(config: RunConfig) -> keras.Model:
    """The network, with new weights.

    Raises:
      UsageError: it cannot take images of that size.
    """
    preprocess = config.preprocess
    try:
        build = registry.get(config.model).build
        return build(preprocess.output_shape, len(config.label_names))
    except ValueError as error:
        if "output size would be zero or negative" not in str(error):
            raise
        crop, seen = config.recipe.crop, "x".join(map(str, preprocess.output_shape))
        cut = f" ({seen} after --crop={crop})" if crop else ""
        why = f"{cut}: they are too small, no pixel is left for one of its layers"
        raise registry.cannot_take(config.model, preprocess.image_shape, crop, why) from error
