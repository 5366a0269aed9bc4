"""What the loop trains and validates on: the devices, and the batches."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ...base.tf import keras, tf
from ...data.dataset import Split
from ...data.pipeline.augment import Augment
from ...data.pipeline.batches import Batching, evaluation_batches, training_batches
from ...data.pipeline.records import images_at_once
from ..evaluation.metrics import Evaluation, evaluator
from ..run.config import RunConfig
from .steps import Batch

EVALUATION_BATCH = 500


def local_strategy() -> tf.distribute.Strategy:
    """All local GPUs where there is more than one, else TensorFlow's default device."""
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def run_batches(
    strategy: tf.distribute.Strategy,
    config: RunConfig,
    splits: Sequence[Split],
    cache_dir: Path | None,
    start_step: int,
) -> Iterator[Batch]:
    """The batches of a run from `start_step` on, each cut among the strategy's replicas."""
    names = (field.name for field in dataclasses.fields(Augment))
    augment = Augment(**{name: getattr(config.recipe, f"augment_{name}") for name in names})
    batching = Batching(
        batch_size=config.recipe.batch_size,
        seed=config.seed,
        augment=augment,
        balance_classes=config.pipeline.balance_classes,
        cache=config.pipeline.cache,
        cache_dir=cache_dir,
        shuffle_buffer=config.pipeline.shuffle_buffer or 1,
    )
    batches = training_batches(splits, config.preprocess, batching, start_step)
    # The stream is the same for every worker.
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return iter(strategy.experimental_distribute_dataset(batches.with_options(options)))


def validation_batches(config: RunConfig, validation: Split) -> Iterator[Batch]:
    """What a run is validated on, preprocessed: see `evaluation_batches`."""
    batch_size = images_at_once(config.preprocess.image_shape, EVALUATION_BATCH)
    return evaluation_batches(validation, config.preprocess, batch_size)


def validator(config: RunConfig, validation: Split, model: keras.Model) -> Callable[[], Evaluation]:
    """A function that evaluates the model on the validation split."""
    evaluate, batches = evaluator(model), functools.partial(validation_batches, config, validation)
    if config.pipeline.cache != "memory":  # Images are not to be held.
        return lambda: evaluate(batches())
    held = list(batches())  # Read once, since it is seen after every epoch.
    return lambda: evaluate(held)
