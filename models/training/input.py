"""What the loop trains and validates on."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ...base.tf import keras, tf
from ...data.dataset import Split
from ...data.pipeline import features, records, served
from ...data.pipeline.augment import Augment
from ...data.pipeline.batches import Batching, evaluation_batches, training_batches
from ..evaluation.metrics import Evaluation, evaluator
from ..run.config import RunConfig
from .devices import rows
from .network import heads
from .options import Settings
from .plan import Stage
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
    body: features.Body | None = None,
    ahead: served.Ahead | None = None,
) -> Iterator[Batch]:
    """The batches of a run from `start_step` on, each cut among the strategy's replicas.

    A worker reads only the rows of its own replicas.

    Args:
      body: what makes features of the images, if the batches are to be of these.
      ahead: fetches and counts what a data service makes.

    Raises:
      UsageError: there are fewer images in a batch than replicas.
    """
    batching = Batching(
        batch_size=config.recipe.batch_size,
        seed=config.seed,
        augment=_augment(config),
        balance_classes=config.pipeline.balance_classes,
        cache=config.pipeline.cache,
        cache_dir=settings.cache_dir,
        service=settings.data_service,
        ahead=ahead,
        shuffle_buffer=config.pipeline.shuffle_buffer or 1,
    )

    held = _features(config, splits, settings, body) if body else None

    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        replicas = context.num_replicas_in_sync // context.num_input_pipelines
        first = context.input_pipeline_id * replicas
        places = rows.bounds(batching.batch_size, context.num_replicas_in_sync)
        places = places[first : first + replicas + 1]
        own = dataclasses.replace(batching, rows=(places[0], places[-1]))
        if held:
            batches = features.training_batches(held, splits, own, start_step)
        else:
            batches = training_batches(splits, config.preprocess, own, start_step)
        # Else TensorFlow asks all workers before each step whether there is one.
        endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
        return rows.cut(batches, places).apply(endless)

    return iter(strategy.distribute_datasets_from_function(of_worker))


def _augment(config: RunConfig) -> Augment:
    names = (field.name for field in dataclasses.fields(Augment))
    return Augment(**{name: getattr(config.recipe, f"augment_{name}") for name in names})


def _features(
    config: RunConfig, splits: Sequence[Split], settings: Settings, body: features.Body
) -> features.Features:
    """Of the training images: all views."""
    views = features.Views(config.recipe.views, _augment(config), config.seed)
    return features.compute(splits, config.preprocess, body, views, _cache_dir(settings))


def _cache_dir(settings: Settings) -> Path:
    if settings.cache_dir is None:
        raise ValueError("Expected settings with a cache_dir. Received: None")
    return settings.cache_dir


@contextlib.contextmanager
def naming_damage(splits: Sequence[Split]) -> Iterator[None]:
    """While the block lasts, what a damaged record ends in is a `DataError` that names it.

    What goes wrong with a data service is a `UserError`.
    """
    try:
        yield
    except (*_DATA_ERRORS, tf.errors.UnknownError, UnicodeDecodeError) as error:
        if trouble := served.trouble(error):
            raise trouble from error
        for damage in filter(None, map(records.diagnose, splits)):
            raise damage from error
        raise


def validation_batches(config: RunConfig, validation: Split) -> Iterator[Batch]:
    """What a run is validated on, preprocessed: see `evaluation_batches`."""
    batch_size = records.images_at_once(config.preprocess.image_shape, EVALUATION_BATCH)
    return evaluation_batches(validation, config.preprocess, batch_size)


class Validators:
    """Evaluate a model on the validation split.

    Args:
      settings: with the folder of the cache.
    """

    def __init__(
        self, config: RunConfig, validation: Split, model: keras.Model, settings: Settings
    ):
        self._config, self._split, self._model = config, validation, model
        self._settings = settings

    def after(self, stage: Stage) -> Callable[[], Evaluation]:
        """A function that evaluates the model as it is in a stage."""
        return self._on_features if stage.on_features else self._on_images

    @functools.cached_property
    def _on_features(self) -> Callable[[], Evaluation]:
        """Its body stays as it is: features are computed once."""
        body, evaluate = heads.body_of(self._model), evaluator(heads.head_of(self._model))
        folder, preprocess = _cache_dir(self._settings), self._config.preprocess
        held = features.compute([self._split], preprocess, body, features.Views(), folder)
        batches = features.evaluation_batches(held, EVALUATION_BATCH)
        return lambda: evaluate(batches)

    @functools.cached_property
    def _on_images(self) -> Callable[[], Evaluation]:
        evaluate = evaluator(self._model)
        batches = functools.partial(validation_batches, self._config, self._split)
        if self._config.pipeline.cache != "memory":  # Images are not to be held.
            return lambda: evaluate(batches())
        held = list(batches())  # Read once, since it is seen after every epoch.
        return lambda: evaluate(held)
