"""What the loop trains and validates on."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence

from ...base.tf import keras, tf
from ...data.dataset import Split
from ...data.pipeline import records, served
from ...data.pipeline.augment import Augment
from ...data.pipeline.batches import Batching, evaluation_batches, training_batches
from ..evaluation.metrics import Evaluation, evaluator
from ..run.config import RunConfig
from .devices import rows
from .options import Settings
from .steps import Batch

EVALUATION_BATCH = 500
# What damaged records can end in; running out of memory, for one, cannot.
_DATA_ERRORS = (
    tf.errors.DataLossError,
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
    tf.errors.OutOfRangeError,
)


def run_batches(
    strategy: tf.distribute.Strategy,
    config: RunConfig,
    splits: Sequence[Split],
    settings: Settings,
    start_step: int,
) -> Iterator[Batch]:
    """The batches of a run from `start_step` on, each cut among the strategy's replicas.

    A worker reads only the rows of its own replicas.

    Raises:
      UsageError: there are fewer images in a batch than replicas.
    """
    names = (field.name for field in dataclasses.fields(Augment))
    augment = Augment(**{name: getattr(config.recipe, f"augment_{name}") for name in names})
    batching = Batching(
        batch_size=config.recipe.batch_size,
        seed=config.seed,
        augment=augment,
        balance_classes=config.pipeline.balance_classes,
        cache=config.pipeline.cache,
        cache_dir=settings.cache_dir,
        service=settings.data_service,
        shuffle_buffer=config.pipeline.shuffle_buffer or 1,
    )

    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        replicas = context.num_replicas_in_sync // context.num_input_pipelines
        first = context.input_pipeline_id * replicas
        places = rows.bounds(batching.batch_size, context.num_replicas_in_sync)
        places = places[first : first + replicas + 1]
        own = dataclasses.replace(batching, rows=(places[0], places[-1]))
        batches = training_batches(splits, config.preprocess, own, start_step)
        # Else TensorFlow asks all workers before each step whether there is one.
        endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
        return rows.cut(batches, places).apply(endless)

    return iter(strategy.distribute_datasets_from_function(of_worker))


@contextlib.contextmanager
def naming_damage(splits: Sequence[Split]) -> Iterator[None]:
    """While the block lasts, what a damaged record ends in is a `DataError` that names it.

    What goes wrong with a data service is a `UserError`.
    """
    try:
        yield
    except (*_DATA_ERRORS, tf.errors.UnknownError) as error:
        if trouble := served.trouble(error):
            raise trouble from error
        for damage in filter(None, map(records.diagnose, splits)):
            raise damage from error
        raise


def validation_batches(config: RunConfig, validation: Split) -> Iterator[Batch]:
    """What a run is validated on, preprocessed: see `evaluation_batches`."""
    batch_size = records.images_at_once(config.preprocess.image_shape, EVALUATION_BATCH)
    return evaluation_batches(validation, config.preprocess, batch_size)


def validator(config: RunConfig, validation: Split, model: keras.Model) -> Callable[[], Evaluation]:
    """A function that evaluates the model on the validation split."""
    evaluate, batches = evaluator(model), functools.partial(validation_batches, config, validation)
    if config.pipeline.cache != "memory":  # Images are not to be held.
        return lambda: evaluate(batches())
    held = list(batches())  # Read once, since it is seen after every epoch.
    return lambda: evaluate(held)
