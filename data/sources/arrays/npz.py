"""Arrays in a NumPy file (.npz): for people who have their images in memory.

Which array is what: `members`. What their numbers are as images: `base/pixels`. Labels are class
numbers, one-hot rows or names: `classes`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ....base import progress
from ....base.errors import DataError
from ....base.pictures import decode
from ....base.pictures.config import PictureConfig
from ....base.pixels import layout, numpy_file, scale
from ..raw import RawSplit
from . import classes, members
from .classes import MISSING, Labels
from .members import Pair

# From the shape (height, width, channels) of the images of each split to what is made of all.
Plan = Callable[[Mapping[str, tuple[int, int, int]]], PictureConfig]


@dataclasses.dataclass(frozen=True)
class Arrays:
    """What is in a file.

    Attributes:
      splits: those that have images.
      label_names: the names of the classes.
      damaged: the images that have no label and are left out.
      factor: what pixels were multiplied by; see `scale`.
    """

    splits: dict[str, RawSplit]
    label_names: tuple[str, ...]
    damaged: tuple[str, ...]
    factor: int


def read(path: Path, plan: Plan) -> Arrays:
    """Reads and checks a file.

    Args:
      path: of the file.
      plan: decides what is made of the images.

    Raises:
      DataError: it is not of the form; says which array, and what was expected.
    """
    arrays = numpy_file.read(path)
    if "" in arrays:
        raise DataError(f"{path}: holds one array; expected an .npz file with images and labels")
    pairs, names = members.find(arrays, path)
    found = (f"{split} of {pair.names}" for split, pair in pairs.items())
    progress.say(f"{path}: {', '.join(found)}")
    read_labels = {
        split: classes.read(pair.labels, f"{path}, {pair.labels_name}")
        for split, pair in pairs.items()
    }
    images = _upright(pairs, read_labels, path)
    config = plan({split: _shape(array) for split, array in images.items()})
    looked = ((pairs[split].images_name, scale.look(array)) for split, array in images.items())
    factor = scale.common_scale(looked, path)
    numbered, label_names = classes.number(
        read_labels, None if names is None else arrays[names], str(path)
    )
    splits, damaged = {}, []
    for split, labels in numbered.items():
        pair, causes = pairs[split], dict(labels.causes)
        are_sound = scale.are_pixels(images[split], factor).all(axis=(1, 2, 3))
        causes |= {
            row: f"its pixels in {pair.images_name} are not all {scale.expected(factor)}"
            for row in np.flatnonzero(~are_sound).tolist()
        }
        rows = are_sound & (labels.numbers != MISSING)
        if rows.any():
            chosen = scale.levels(images[split][rows], factor)
            made = _made(chosen, config, f"{path}, {pair.images_name}")
            splits[split] = RawSplit(made, labels.numbers[rows])
        damaged += [
            f"{path}, {pair.labels_name}, index {row:,}: {causes[row]}" for row in sorted(causes)
        ]
    return Arrays(splits, label_names, tuple(damaged), factor)


def _upright(
    pairs: Mapping[str, Pair], labels: Mapping[str, Labels], path: Path
) -> dict[str, np.ndarray]:
    """The images of each split [N, H, W, C], as many as there are labels."""
    result: dict[str, np.ndarray] = {}
    for split, pair in pairs.items():
        count = len(labels[split].numbers)
        images = layout.upright(pair.images, f"{path}, {pair.images_name}", count)
        if len(images) != count:
            raise DataError(
                f"{path}, {pair.images_name} holds {len(images):,} images, but {pair.labels_name} "
                f"{count:,} labels"
            )
        result[split] = images
    return result


def _made(images: np.ndarray, config: PictureConfig, name: str) -> np.ndarray:
    """Images uint8 [N, H, W, C] of the dataset's shape."""
    if images.shape[1:] == config.image_shape and not config.digits:
        return images
    return np.stack([decode.made(image, config, name) for image in images])


def _shape(images: np.ndarray) -> tuple[int, int, int]:
    height, width, channels = images.shape[1:]
    return height, width, channels
