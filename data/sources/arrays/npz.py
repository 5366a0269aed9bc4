"""Arrays in a NumPy file (.npz): for people who have their images in memory.

Which array is what: `members`. Pixels are from 0 to 255, or all from 0 to 1: `pixels`. Labels are
class numbers, one-hot rows or names: `classes`.
"""

import dataclasses
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

from ....base import progress
from ....base.errors import DataError, first_line
from ..raw import RawSplit
from . import classes, members, pixels
from .classes import MISSING, Labels
from .members import Pair


@dataclasses.dataclass(frozen=True)
class Arrays:
    """What is in a file.

    Attributes:
      splits: those that have images.
      label_names: the names of the classes.
      damaged: the images that have no label and are left out.
    """

    splits: dict[str, RawSplit]
    label_names: tuple[str, ...]
    damaged: tuple[str, ...]


def read(path: Path) -> Arrays:
    """Reads and checks a file.

    Raises:
      DataError: it is not of the form; says which array, and what was expected.
    """
    with _opened(path) as file:
        arrays = {name: _array(file, path, name) for name in file.files}
    pairs, names = members.find(arrays, path)
    found = (f"{split} of {pair.names}" for split, pair in pairs.items())
    progress.say(f"{path}: {', '.join(found)}")
    read_labels = {
        split: classes.read(pair.labels, f"{path}, {pair.labels_name}")
        for split, pair in pairs.items()
    }
    images = _images(pairs, read_labels, path)
    numbered, label_names = classes.number(
        read_labels, None if names is None else arrays[names], str(path)
    )
    splits, damaged = {}, []
    for split, labels in numbered.items():
        rows = labels.numbers != MISSING
        if rows.any():
            splits[split] = RawSplit(images[split][rows], labels.numbers[rows])
        damaged += [
            f"{path}, {pairs[split].labels_name}, index {row:,}: {cause}"
            for row, cause in sorted(labels.causes.items())
        ]
    return Arrays(splits, label_names, tuple(damaged))


def _images(
    pairs: Mapping[str, Pair], labels: Mapping[str, Labels], path: Path
) -> dict[str, np.ndarray]:
    """The images of each split: uint8 [N, H, W, C], of one shape, as many as there are labels."""
    whole = (pair.images for pair in pairs.values() if pair.images.dtype.kind in "iu")
    brightest = max((int(images.max(initial=0)) for images in whole), default=0)
    result: dict[str, np.ndarray] = {}
    for split, pair in pairs.items():
        count = len(labels[split].numbers)
        images = pixels.images(pair.images, f"{path}, {pair.images_name}", brightest, count)
        if len(images) != count:
            raise DataError(
                f"{path}, {pair.images_name} holds {len(images):,} images, but {pair.labels_name} "
                f"{count:,} labels"
            )
        result[split] = images
    for split, images in result.items():
        if images.shape[1:] != result["train"].shape[1:]:
            raise DataError(
                f"{path}: the {split} images are {list(images.shape[1:])}, the training images "
                f"{list(result['train'].shape[1:])}"
            )
    return result


def _opened(path: Path) -> NpzFile:
    try:
        file = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a NumPy file (.npz): {first_line(error)}") from None
    if not isinstance(file, NpzFile):
        raise DataError(f"{path}: holds one array; expected an .npz file with images and labels")
    return file


def _array(file: NpzFile, path: Path, name: str) -> np.ndarray:
    try:
        return file[name]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        hint = "; save it as numbers or text, not objects (for words: labels.astype(str))"
        advice = hint if "Object arrays" in str(error) else ""
        raise DataError(f"{path}, {name}: cannot be read: {first_line(error)}{advice}") from None
