"""`--model=auto`: the network that suits the images."""

import dataclasses
import functools
from typing import TYPE_CHECKING

from ..base import progress
from ..base.errors import UserError, first_line
from ..base.pictures.config import is_like_mnist
from ..data.sources.slices import LARGEST_SQUARE
from .training import own_data
from .training.options import AUTO, TrainOptions

if TYPE_CHECKING:
    from ..data.dataset import Dataset

_PRETRAINED, _SIDE = "efficientnet_lite0", 224
_SMALL, _ANY_SIZE = "lenet5", "convnet3"
# `lenet5` looks at 32x32 pixels: of images of four times as many it does not see what is small.
_SMALL_PIXELS = 4 * 32 * 32
# Of more images a network learns as much by itself, and the body takes its time for each.
_FEW = 20_000


def largest_square(options: TrainOptions) -> int:
    """The side of the images that large pictures of one's own become."""
    if options.model == _PRETRAINED:
        return _SIDE
    if options.model != AUTO or options.data is None or options.files.digits:
        return LARGEST_SQUARE
    are_pictures = own_data.are_pictures(options.data, options.files)
    return _SIDE if are_pictures and not _trouble() else LARGEST_SQUARE


def with_network(options: TrainOptions, dataset: "Dataset") -> TrainOptions:
    """The options with a network; says which, and why, where none was named."""
    if options.model != AUTO:
        return options
    model, why = _suiting(dataset)
    progress.say(f"--model=auto: {model}, since {why}")
    return dataclasses.replace(options, model=model)


def _suiting(dataset: "Dataset") -> tuple[str, str]:
    """The network for a dataset, and why."""
    from . import defaults  # It loads TensorFlow.

    height, width, channels = dataset.image_shape
    if is_like_mnist(dataset.name, dataset.image_shape):
        return _SMALL, "the images are like MNIST's"
    if defaults.shows_things(dataset):
        examples = dataset.split("train").examples
        if examples > _FEW:
            return _ANY_SIZE, f"{examples:,} pictures are enough to train a network from nothing"
        trouble = _trouble()
        if trouble:
            return _ANY_SIZE, (
                f"the pretrained {_PRETRAINED}, which suits pictures of things, has no weights "
                f"here ({trouble})"
            )
        return _PRETRAINED, (
            "these are pictures of things: its body was trained on 1.2 million others (ImageNet)"
        )
    if channels == 1 and height * width < _SMALL_PIXELS:
        return _SMALL, "the images are small and grey"
    return _ANY_SIZE, "it takes the images in their own size"


@functools.cache
def _trouble() -> str:
    """Why there are no pretrained weights; empty if they are here, fetched now if need be."""
    from .pretrained import imagenet

    try:
        imagenet.fetch()
    except UserError as error:
        return first_line(error)
    return ""
