"""Arrays in a NumPy file (.npz): for people who have their images in memory.

The arrays' names are those of Keras's `mnist.npz`, `x_train`, `y_train`, `x_test` and
`y_test`, perhaps `x_validation` and `y_validation`; or `images` and `labels`, which are then
the training split. `label_names` is optional. Pixels are from 0 to 255, or all from 0 to 1.
Source: https://keras.io/api/datasets/mnist/.
"""

import dataclasses
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

from ...base import progress
from ...base.errors import DataError, first_line
from .raw import RawSplit
from .stratify import SPLITS

# What the arrays of a split may be called.
_PAIRS = (*((split, f"x_{split}", f"y_{split}") for split in SPLITS), ("train", "images", "labels"))
# No class number is larger, whatever the type of the array.
_LARGEST = 2**31 - 1


def read(path: Path) -> tuple[dict[str, RawSplit], tuple[str, ...]]:
    """Reads and checks a file.

    Returns:
      The splits that have images, and the names of the classes.

    Raises:
      DataError: it is not of the form; says which array, and what was expected.
    """
    with _opened(path) as file:
        arrays = _arrays(file, path)
        if "train" not in arrays:
            raise DataError(
                f"{path}: expected arrays x_train and y_train (and x_test, y_test), or images and "
                f"labels, that hold some; it holds {', '.join(sorted(file.files)) or 'nothing'}"
            )
        whole = (pair.images for pair in arrays.values() if pair.images.dtype.kind in "iu")
        brightest = max((int(images.max(initial=0)) for images in whole), default=0)
        splits = {split: pair.checked(brightest) for split, pair in arrays.items()}
        shapes = {split: raw.images.shape[1:] for split, raw in splits.items()}
        for split, shape in shapes.items():
            if shape != shapes["train"]:
                raise DataError(
                    f"{path}: the {split} images are {list(shape)}, the training images "
                    f"{list(shapes['train'])}"
                )
        names = _array(file, path, "label_names") if "label_names" in file.files else None
    return splits, _label_names(path, splits, arrays, names)


@dataclasses.dataclass(frozen=True)
class _Pair:
    """The two arrays of a split, and how they are called in errors."""

    images: np.ndarray
    labels: np.ndarray
    images_name: str
    labels_name: str

    def checked(self, brightest: int) -> RawSplit:
        raw = RawSplit(
            _images(self.images, self.images_name, brightest),
            _labels(self.labels, self.labels_name),
        )
        if len(raw.images) != len(raw.labels):
            raise DataError(
                f"{self.images_name} holds {len(raw.images):,} images, but {self.labels_name} "
                f"{len(raw.labels):,} labels"
            )
        return raw


def _arrays(file: NpzFile, path: Path) -> dict[str, _Pair]:
    """The arrays by split; empty ones are left out."""
    pairs: dict[str, _Pair] = {}
    for split, x, y in _PAIRS:
        if x not in file.files or split in pairs:
            continue
        if y not in file.files:
            raise DataError(f"{path}: holds {x}, but no {y}")
        images, labels = _array(file, path, x), _array(file, path, y)
        if images.size or labels.size:
            pairs[split] = _Pair(images, labels, f"{path}, {x}", f"{path}, {y}")
    return pairs


def _label_names(
    path: Path,
    splits: dict[str, RawSplit],
    arrays: dict[str, _Pair],
    names: np.ndarray | None,
) -> tuple[str, ...]:
    """The classes' names: those of the file, or the numbers from 0 to the largest label."""
    largest = max(splits, key=lambda split: splits[split].labels.max())
    labels = splits[largest].labels
    classes, images = 1 + int(labels.max()), sum(len(raw.labels) for raw in splits.values())
    if names is not None:
        if names.size < classes:
            raise DataError(f"{path}: {names.size} label_names, but labels up to {classes - 1}")
        return tuple(map(str, names.ravel()))
    if classes > images:
        raise DataError(
            f"{arrays[largest].labels_name}: label {classes - 1:,} at index {labels.argmax():,} "
            f"would make {classes:,} classes of {images:,} images; mend it, number the classes "
            "from 0 without gaps, or give label_names"
        )
    return tuple(map(str, range(classes)))


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
        raise DataError(f"{path}, {name}: cannot be read: {first_line(error)}") from None


def _images(array: np.ndarray, name: str, brightest: int) -> np.ndarray:
    """Uint8 [N, H, W, C] of whole numbers from 0 to 255, or from 0 to 1, or fractions of 1.

    `brightest` is the largest of all whole numbers in the file; 1: they are black and white.
    """
    if array.ndim == 3:
        array = array[..., np.newaxis]
    if array.ndim != 4 or array.shape[3] not in (1, 3) or 0 in array.shape[1:]:
        raise DataError(
            f"{name}: expected images [N, H, W] or [N, H, W, C] with 1 or 3 channels, got "
            f"{list(array.shape)}"
        )
    if array.dtype.kind not in "iufb":
        raise DataError(f"{name}: expected numbers, got {array.dtype}")
    if array.dtype.kind == "b":
        array, brightest = array.astype(np.uint8), 1
    low, high = array.min(initial=0), array.max(initial=0)
    if not (low >= 0 and high <= 255):  # NaN is neither.
        raise DataError(
            f"{name}: expected pixels from 0 to 255, or from 0 to 1, got {low:g} to {high:g}"
        )
    is_float = array.dtype.kind == "f"
    if not is_float:
        array = array.astype(np.uint8)
    if high <= 1 if is_float else brightest == 1:
        progress.say(f"{name}: pixels from 0 to 1, multiplied by 255")
        array = array * np.uint8(255)
    return np.ascontiguousarray(np.rint(array) if is_float else array, np.uint8)


def _labels(array: np.ndarray, name: str) -> np.ndarray:
    """Int64 [N] of class numbers, or of one-hot rows."""
    is_numbers = array.dtype.kind in "iuf"
    if is_numbers and array.ndim == 2 and array.shape[1] > 1 and (array.sum(axis=1) == 1).all():
        array = array.argmax(axis=1)
    if not is_numbers or array.ndim == 0 or array.size != len(array):
        raise DataError(
            f"{name}: expected class numbers [N], got {array.dtype} {list(array.shape)}"
        )
    labels = array.ravel()
    valid = (labels >= 0) & (labels <= _LARGEST) & (labels == np.floor(labels))
    if not valid.all():
        index = int(valid.argmin())
        raise DataError(
            f"{name}: expected class numbers from 0, got {labels[index]:g} at index {index:,}"
        )
    return labels.astype(np.int64)
