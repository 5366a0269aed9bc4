"""What feeds the loop: the devices it runs on, and the batches."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...base.tf import tf
from ...data.dataset import Split
from ...data.pipeline.augment import Augment
from ...data.pipeline.batches import Batching, training_batches
from ..run import RunConfig


def strategy() -> tf.distribute.Strategy:
    """All local GPUs where there is more than one, else TensorFlow's default device."""
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def iterator(
    under: tf.distribute.Strategy,
    config: RunConfig,
    splits: Sequence[Split],
    cache_dir: Path | None,
    start_step: int,
) -> Any:
    """The batches of a run, for `run_steps`.

    Args:
      under: the strategy; a batch is cut among its replicas.
      config: of the run.
      splits: what to train on.
      cache_dir: the folder of the cache file, if the configuration asks for one.
      start_step: the first batch is the one of this step.
    """
    names = (field.name for field in dataclasses.fields(Augment))
    augment = Augment(**{name: getattr(config.recipe, f"augment_{name}") for name in names})
    batching = Batching(
        batch_size=config.recipe.batch_size,
        seed=config.seed,
        augment=augment,
        balance_classes=config.pipeline["balance_classes"],
        cache=config.pipeline["cache"],
        cache_dir=cache_dir,
        shuffle_buffer=config.pipeline["shuffle_buffer"] or 1,
    )
    batches = training_batches(splits, config.preprocess, batching, start_step)
    # The stream is the same for every worker.
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return iter(under.experimental_distribute_dataset(batches.with_options(options)))
