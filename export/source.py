"""What is exported, as it lies on disk: a finished run, and the images of its dataset."""

import dataclasses

import numpy as np

from ..base import catalog
from ..base.files import JsonObject
from ..data.dataset import Dataset, Split
from ..data.pipeline import salvage
from ..data.pipeline.records import load as load_images
from ..models.run.config import RunConfig, open_run_dataset
from ..models.run.folder import Run
from ..models.run.records import Robustness
from .functions import TrainedModel
from .options import ExportOptions


@dataclasses.dataclass(frozen=True)
class Images:
    """Images of a split, uint8 [N, H, W, C], and their true classes, int64 [N]."""

    split: Split
    images: np.ndarray
    labels: np.ndarray


@dataclasses.dataclass(frozen=True)
class Source:
    """What is exported.

    Attributes:
      config: of the run.
      run: the content of the run's `config.json`, with what it says of its environment.
      trained: the model.
      compared: the images of --split.
      validation: those of the run's validation split.
      calibration: training images, evenly spaced, uint8 [n, H, W, C]; None if no file has int8.
      robustness: what was measured on corrupted images, by split.
    """

    config: RunConfig
    run: JsonObject
    trained: TrainedModel
    compared: Images
    validation: Images
    calibration: np.ndarray | None
    robustness: dict[str, Robustness]


# Calibration images unless a flag says how many: each pixel of an image is a sample of its own of
# the values of the first layers.
_MOST, _LEAST, _PIXELS = 500, 100, 500 * 64 * 64


def load(options: ExportOptions) -> Source:
    """Reads the run and the images.

    Raises:
      UserError: the run or the dataset cannot be used.
    """
    folder = Run(catalog.fetched(options.workdir or catalog.newest_run()))
    config, model = folder.load()
    dataset = open_run_dataset(config, options.data_dir, allow_other=False)
    validation = config.dataset.validation_split
    names = [dataset.reported_split(options.split, validation), validation]
    if options.takes_calibration:
        names.append(config.dataset.train_split)
    splits = [dataset.split(name) for name in names]
    calibration_images = options.calibration_images or _calibration_images(dataset)
    read = [*splits[:2], *(split.spread(calibration_images) for split in splits[2:])]
    with salvage.sound(splits, options.max_corrupt_records) as (splits, lost):
        folder.require_same_data(read, lost)
        compared, validation = (
            Images(split, *(tensor.numpy() for tensor in load_images(split)))
            for split in splits[:2]
        )
        calibration = None
        if options.takes_calibration:  # Of the training split, never of another.
            calibration = load_images(splits[2].spread(calibration_images))[0].numpy()
    trained = TrainedModel(
        model,
        config.preprocess,
        config.label_names,
        config.pictures,
        encoding=dataset.encoding,
        dark_on_light=options.dark_on_light,
        name=options.model_name or config.model,
    )
    run = folder.recorded()
    robustness = folder.evaluations.robustness()
    return Source(config, run, trained, compared, validation, calibration, robustness)


def _calibration_images(dataset: Dataset) -> int:
    height, width, _ = dataset.image_shape
    return max(_LEAST, min(_MOST, _PIXELS // (height * width)))
