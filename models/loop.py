"""The training loop: some steps for each graph call, under a `tf.distribute` strategy.

A step's batch is a pure function of (seed, step), and a checkpoint holds the
weights, the optimizer and the step; so a run that is killed and resumed ends
in the same weights as one that was not.
"""

import dataclasses
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..base import progress
from ..base.errors import UserError
from ..base.tf import keras, tf
from ..data import pipeline, records, shards
from ..data.augment import Augment
from ..data.pipeline import Source
from . import registry
from .evaluation import Evaluation, evaluator
from .recipe import Recipe
from .run import Run, RunConfig

_EVALUATION_BATCH = 500
# What damaged records can end in; running out of memory, for one, cannot.
_DATA_ERRORS = (
    tf.errors.DataLossError,
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
    tf.errors.OutOfRangeError,
)


def train(
    run: Run,
    config: RunConfig,
    sources: Sequence[Source],
    validation: Source,
    *,
    steps_per_call: int = 100,
    checkpoint_interval_s: float = 30.0,
    cache_dir: Path | None = None,
) -> tuple[keras.Model, Evaluation, dict[str, Any]]:
    """Trains a run to its end, from its last checkpoint if there is one.

    Args:
      run: the folder, held by the caller.
      config: what to train.
      sources: what to train on.
      validation: what to validate on.
      steps_per_call: optimizer steps in one graph call.
      checkpoint_interval_s: seconds between two checkpoints, at least.
      cache_dir: the folder of the cache file, if the configuration asks for one.

    Returns:
      The trained model, its figures on the validation split, and how it went:
      `steps`, `resumed_from` (the last time), `seconds` and `images_per_s` (in all).

    Raises:
      UserError: the loss is not finite, or the data are damaged.
    """
    recipe, module = config.recipe, registry.get(config.model)
    dataset = validation.dataset
    examples = sum(shards.count(source.parts()) for source in sources)
    total = recipe.total_steps(examples)
    strategy = _strategy()
    # Keras draws the seeds of initializers and dropout from Python's generator.
    # TensorFlow's global seed is left alone: tf.data would mix it into the order.
    random.seed(config.seed)
    with strategy.scope():
        model = module.build(config.preprocess.output_shape, dataset.num_classes)
        optimizer = make_optimizer(recipe, total)
        optimizer.build(model.trainable_variables)
    step = tf.Variable(tf.constant(0, tf.int64), trainable=False, name="step")
    elapsed = tf.Variable(tf.constant(0.0, tf.float64), trainable=False, name="seconds")
    # All variables by their order: tracking the model itself would leave out the
    # state of dropout's random numbers.
    checkpoint = tf.train.Checkpoint(
        model=[variable.value for variable in model.variables],
        optimizer=[variable.value for variable in optimizer.variables],
        step=step,
        seconds=elapsed,
    )
    manager = tf.train.CheckpointManager(checkpoint, str(run.checkpoints), max_to_keep=1)
    first = _restore(checkpoint, manager, step)
    if first:
        progress.say(f"resuming {run.workdir} at step {first:,} of {total:,}")
    run.rewind_metrics(first)

    batches = pipeline.training_batches(
        sources,
        config.preprocess,
        batch_size=recipe.batch_size,
        seed=config.seed,
        start_step=first,
        cache=config.pipeline["cache"],
        cache_dir=cache_dir,
        shuffle_buffer=config.pipeline["shuffle_buffer"] or 1,
        balance_classes=config.pipeline["balance_classes"],
        augment=_augment(recipe),
    )
    # The stream is the same for every worker: a batch is cut among the replicas.
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    iterator = iter(strategy.experimental_distribute_dataset(batches.with_options(options)))
    run_steps = _step_function(strategy, model, optimizer, recipe, dataset.num_classes)
    evaluate = evaluator(model, dataset.num_classes)
    # Read once: the split is small, and it is seen after every epoch.
    held = list(
        pipeline.evaluation_batches(
            dataset,
            validation.split,
            config.preprocess,
            batch_size=_EVALUATION_BATCH,
            shards=validation.shards,
        )
    )

    before = float(elapsed)
    start = last_saved = time.monotonic()
    figures: Evaluation | None = None
    with progress.Progress(
        config.model, total * recipe.batch_size, first * recipe.batch_size
    ) as bar:
        for at, count, epoch_ends in _calls(first, total, examples, recipe, steps_per_call):
            call_start = time.monotonic()
            try:
                loss, accuracy = run_steps(iterator, tf.constant(count, tf.int64))
            except _DATA_ERRORS as error:
                for source in sources:
                    damage = records.diagnose(source.dataset, source.parts())
                    if damage:
                        raise damage from error
                raise
            row = {
                "step": at,
                "epoch": at * recipe.batch_size / examples,
                "loss": float(loss),
                "accuracy": float(accuracy),
                "learning_rate": float(optimizer.learning_rate),
                "images_per_s": count * recipe.batch_size / (time.monotonic() - call_start),
            }
            if not math.isfinite(row["loss"]):
                raise UserError(
                    f"the loss is {row['loss']} at step {at:,}: training diverged; try a lower "
                    f"--learning_rate than {recipe.learning_rate:g} (with --overwrite)"
                )
            step.assign(at)
            if epoch_ends:
                figures = evaluate(held)
                row |= {
                    "validation_loss": figures.loss,
                    "validation_accuracy": figures.accuracy,
                }
            run.log_metrics(row)
            bar.advance(
                count * recipe.batch_size,
                f"loss {row['loss']:.4f}, accuracy {row['accuracy']:.2%}",
            )
            if figures is not None and epoch_ends:
                progress.say(_epoch_line(row, recipe, figures))
            if at == total or time.monotonic() - last_saved >= checkpoint_interval_s:
                elapsed.assign(before + time.monotonic() - start)
                manager.save(at)
                last_saved = time.monotonic()
    if figures is None:  # The run was killed after its last step.
        figures = evaluate(held)
    went = {
        "steps": total,
        "resumed_from": first,
        "seconds": float(elapsed),
        "images_per_s": total * recipe.batch_size / float(elapsed),
    }
    return model, figures, went


def _augment(recipe: Recipe) -> Augment:
    names = (field.name for field in dataclasses.fields(Augment))
    return Augment(**{name: getattr(recipe, f"augment_{name}") for name in names})


def make_optimizer(recipe: Recipe, total_steps: int) -> keras.optimizers.Optimizer:
    """The recipe's optimizer with its learning-rate schedule."""
    rate = make_schedule(recipe, total_steps)
    if recipe.optimizer == "adam":
        return keras.optimizers.Adam(rate)
    if recipe.optimizer == "rmsprop":
        return keras.optimizers.RMSprop(rate)
    return keras.optimizers.SGD(rate, momentum=recipe.momentum, nesterov=True)


def make_schedule(recipe: Recipe, total_steps: int) -> Any:
    """The learning rate by step: a climb to the peak, then constant or half a cosine to 0.

    I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm
    restarts", ICLR 2017 (one period, no restart).
    """
    if recipe.schedule == "constant" and not recipe.warmup:
        return recipe.learning_rate
    warmup_steps = round(recipe.warmup * total_steps)
    fall = max(1, total_steps - warmup_steps)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup_steps else recipe.learning_rate,
        decay_steps=fall,
        alpha=0.0 if recipe.schedule == "cosine" else 1.0,
        warmup_target=recipe.learning_rate if warmup_steps else None,
        warmup_steps=warmup_steps,
    )


def _strategy() -> tf.distribute.Strategy:
    """All local GPUs where there is more than one, else TensorFlow's default device."""
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def _restore(
    checkpoint: tf.train.Checkpoint, manager: tf.train.CheckpointManager, step: tf.Variable
) -> int:
    """Restores the last checkpoint, if there is one; returns the step it was taken at."""
    if manager.latest_checkpoint:
        try:
            checkpoint.restore(manager.latest_checkpoint).assert_existing_objects_matched()
        except (AssertionError, ValueError, tf.errors.OpError) as error:
            raise UserError(
                f"the checkpoint {manager.latest_checkpoint} does not fit or is damaged "
                f"({str(error).splitlines()[0]}); start anew with --overwrite"
            ) from error
    return int(step)


def _step_function(
    strategy: tf.distribute.Strategy,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    recipe: Recipe,
    num_classes: int,
) -> Callable[[Any, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """A graph function of (iterator, count): `count` steps; mean loss and accuracy of them."""
    smoothing = recipe.label_smoothing
    variables = model.trainable_variables

    def replica_step(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        targets = tf.one_hot(labels, num_classes) * (1.0 - smoothing) + smoothing / num_classes
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            losses = tf.nn.softmax_cross_entropy_with_logits(targets, logits)
            # Over the global batch, since replicas' gradients are summed.
            loss = tf.reduce_sum(losses) / recipe.batch_size
            penalties = tf.add_n([tf.zeros([]), *model.losses])  # Of regularizers, if any.
            loss += penalties / strategy.num_replicas_in_sync
        optimizer.apply(tape.gradient(loss, variables), variables)
        right = tf.equal(tf.argmax(logits, axis=-1), labels)
        return loss, tf.reduce_sum(tf.cast(right, tf.float32)) / recipe.batch_size

    @tf.function
    def run_steps(iterator: Any, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        loss, accuracy = tf.zeros([]), tf.zeros([])
        for _ in tf.range(count):
            step_loss, step_accuracy = strategy.run(replica_step, next(iterator))
            loss += strategy.reduce(tf.distribute.ReduceOp.SUM, step_loss, axis=None)
            accuracy += strategy.reduce(tf.distribute.ReduceOp.SUM, step_accuracy, axis=None)
        steps = tf.cast(count, tf.float32)
        return loss / steps, accuracy / steps

    return run_steps


def _calls(
    first: int, total: int, examples: int, recipe: Recipe, steps_per_call: int
) -> Iterator[tuple[int, int, bool]]:
    """The graph calls of a run: (step after it, steps in it, whether an epoch ends with it).

    An epoch ends with the first step that reaches its last image.
    """
    at = first
    while at < total:
        epoch = at * recipe.batch_size // examples + 1
        epoch_end = min(total, -(-epoch * examples // recipe.batch_size))
        count = min(steps_per_call, epoch_end - at)
        at += count
        yield at, count, at == epoch_end


def _epoch_line(row: dict[str, Any], recipe: Recipe, figures: Evaluation) -> str:
    return (
        f"epoch {row['epoch']:.2f} of {recipe.epochs:g}: loss {row['loss']:.4f}, "
        f"accuracy {row['accuracy']:.2%}, validation loss {figures.loss:.4f}, "
        f"validation accuracy {figures.accuracy:.2%}, {row['images_per_s']:,.0f} images/s"
    )
