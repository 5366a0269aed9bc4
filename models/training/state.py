"""The state of a run: networks, optimizer and validations, as the last checkpoint has them."""

import dataclasses
import random
from collections.abc import Sequence

from ...base import addresses, configs, progress
from ...base.files import JsonObject
from ...base.tf import keras, tf
from .. import registry
from ..pretrained import imagenet, transfer
from ..run import weights
from ..run.config import RunConfig
from ..run.folder import Run
from ..run.metrics_file import METRICS, MetricsFile
from ..run.records import Written
from .checkpoints import Checkpoints, Trackable
from .devices.workers import Workers
from .network import heads
from .network.networks import Networks, make_networks
from .network.optimizer import make_optimizer
from .plan import Plan, Stage
from .validations import Validations

# What converting and quantizing take is many times the weights: 100 million need 20 GB.
_MAX_WEIGHTS = 100_000_000


@dataclasses.dataclass(frozen=True)
class Trainer:
    """What a stage of a run changes: a network, or the head of one, by an optimizer of its own."""

    network: keras.Model
    optimizer: keras.optimizers.Optimizer


@dataclasses.dataclass(frozen=True)
class Variables:
    """What a step changes, and how far a run is: its step, and its seconds of training.

    Attributes:
      trainers: of each stage.
    """

    networks: Networks
    trainers: tuple[Trainer, ...]
    step: tf.Variable
    seconds: tf.Variable

    def tracked(self) -> dict[str, Trackable]:
        """By the names that they have in checkpoints.

        All by their order: tracking the model itself would leave out the state of dropout's
        random numbers.
        """
        names = ("optimizer", "fine_tuning")
        optimizers = {
            name: [variable.value for variable in trainer.optimizer.variables]
            for name, trainer in zip(names, self.trainers, strict=False)
        }
        return {
            "networks": self.networks.variables,
            **optimizers,
            "step": self.step,
            "seconds": self.seconds,
        }

    def take_over(self, workers: Workers) -> None:
        """Gives them the chief's values, at all workers."""
        tracked = self.tracked().values()
        workers.take_over([each for part in tracked for each in _listed(part)])


def _listed(part: Trackable) -> Sequence[tf.Variable]:
    return part if isinstance(part, Sequence) else [part]


@dataclasses.dataclass(frozen=True)
class State:
    """The variables of a run, and where they are saved; `first_step` steps are done already."""

    variables: Variables
    validations: Validations
    first_step: int
    _checkpoints: Checkpoints
    _metrics: MetricsFile

    @property
    def networks(self) -> Networks:
        return self.variables.networks

    @property
    def seconds(self) -> float:
        """Of training, up to the last checkpoint."""
        return float(self.variables.seconds)

    def save(self, step: int, seconds: float) -> None:
        """Writes a checkpoint."""
        self.variables.step.assign(step)
        self.variables.seconds.assign(seconds)
        metrics = self._metrics.written()
        record = {**self.validations.record(), METRICS: metrics and configs.to_config(metrics)}
        self._checkpoints.save(step, record)


def new_variables(config: RunConfig, plan: Plan, strategy: tf.distribute.Strategy) -> Variables:
    """Those of a run's first step, with new weights.

    Raises:
      UsageError: the network cannot take images of that size.
    """
    _require_exportable(config)
    # Keras draws the seeds of initializers and dropout from Python's generator.
    # TensorFlow's global seed is left alone: tf.data would mix it into the order.
    random.seed(config.seed)
    with strategy.scope():
        networks = make_networks(lambda: _build(config), config.recipe)
        trainers = tuple(_trainer(networks.trained, stage, plan) for stage in plan.stages)
    step = tf.Variable(tf.constant(0, tf.int64), trainable=False, name="step")
    seconds = tf.Variable(tf.constant(0.0, tf.float64), trainable=False, name="seconds")
    return Variables(networks, trainers, step, seconds)


def _trainer(trained: keras.Model, stage: Stage, plan: Plan) -> Trainer:
    part = heads.head_of(trained) if stage.on_features else trained
    weights, steps = part.trainable_variables, stage.end - stage.first
    return Trainer(part, make_optimizer(stage.recipe, steps, plan.examples, weights))


def restore(
    run: Run, config: RunConfig, plan: Plan, variables: Variables, workers: Workers
) -> State:
    """The state of a run at its last checkpoint; at its first step if there is none.

    Raises:
      UsageError: the network cannot take the weights that it is to begin with.
      UserError: all checkpoints are damaged.
    """
    checkpoints = Checkpoints(
        run.checkpoints, "ckpt", plan.settings.keep_checkpoints, config.id, **variables.tracked()
    )
    bests = Checkpoints(run.checkpoints, "best", 1, config.id)

    def missing(record: JsonObject) -> str | None:
        best = record.get("best_step") if plan.selects_best else None
        lost = isinstance(best, int) and not bests.has(best)
        return f"needs the best weights, best-{best}, which are damaged" if lost else None

    record = checkpoints.restore(missing) or {}
    networks, step = variables.networks, int(variables.step)
    if not step:
        if config.init_from:
            weights.begin_with(networks.trained, config, addresses.local(config.init_from))
        elif plan.is_pretrained:
            transfer.put(networks.trained, imagenet.weights())
        networks.restart()
    variables.take_over(workers)
    networks.catch_up()  # A model that is a copy is not in checkpoints.
    selected = [variable.value for variable in networks.model.variables]
    validations = Validations(run.checkpoints, selected, record, config.id)
    if step:
        progress.say(f"resuming {run.workdir} at step {step:,} of {plan.total_steps:,}")
    metrics = record.get(METRICS)
    run.metrics_log.rewind(step, metrics and configs.from_config(Written, metrics))
    return State(variables, validations, step, checkpoints, run.metrics_log)


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
