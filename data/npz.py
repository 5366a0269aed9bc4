"""Arrays in a NumPy file (.npz) to a dataset: for people who have their images in memory.

The arrays' names are those of Keras's `mnist.npz`, `x_train`, `y_train`,
`x_test` and `y_test`, perhaps `x_validation` and `y_validation`; or `images` and
`labels`, which are then the training split. `label_names` is optional.
Source: https://keras.io/api/datasets/mnist/.
"""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ..base import progress
from ..base.errors import DataError, first_line
from . import builders
from .file_request import Request
from .sources import RawDataset, RawSplit
from .stratify import SPLITS, Cut

VERSION = "1.0.0"
_SHARDS = 8


def prepare(asked: Request, cut: Cut, data_dir: Path, overwrite: bool) -> None:
    """Prepares the dataset.

    Args:
      asked: with a `source_file`.
      cut: of the training split.
      data_dir: the root of all datasets.
      overwrite: replaces what is there.

    Raises:
      DataError: the file is not of the form.
      UserError: the dataset cannot be written.
    """
    assert asked.source_file is not None
    splits, label_names = read(asked.source_file)
    splits = {**splits, **_cut(splits["train"], label_names, cut)}
    splits = {name: split for name, split in splits.items() if len(split.labels)}
    raw = RawDataset(
        asked.name, VERSION, splits, label_names, asked.origin, metadata={"source": asked.source}
    )
    smallest = min(len(split.labels) for split in splits.values())
    with builders.preparing(data_dir, asked.name):
        builders.write(raw, data_dir, asked.num_shards or min(_SHARDS, smallest), overwrite)


def given_splits(path: Path) -> set[str]:
    """The splits that a file holds.

    Raises:
      DataError: it is no NumPy file.
    """
    with _opened(path) as file:
        return {split for split in SPLITS if _keys(split) & set(file.files)}


def read(path: Path) -> tuple[dict[str, RawSplit], tuple[str, ...]]:
    """Reads and checks a file.

    Returns:
      Images uint8 [N, H, W, C] and labels int64 [N] by split, and the names of
      the classes.

    Raises:
      DataError: it is not of the form; says which array, and what was expected.
    """
    with _opened(path) as file:
        names = set(file.files)
        splits = {}
        for split in SPLITS:
            for x, y in ((f"x_{split}", f"y_{split}"), ("images", "labels")):
                if x in names and (split == "train" or x != "images") and split not in splits:
                    if y not in names:
                        raise DataError(f"{path}: holds {x}, but no {y}")
                    images = _images(_array(file, path, x), f"{path}, {x}")
                    labels = _labels(_array(file, path, y), f"{path}, {y}")
                    if len(images) != len(labels):
                        raise DataError(
                            f"{path}: {x} holds {len(images):,} images, but {y} {len(labels):,} "
                            "labels"
                        )
                    splits[split] = RawSplit(images, labels)
        if "train" not in splits or not len(splits["train"].labels):
            raise DataError(
                f"{path}: expected arrays x_train and y_train (and x_test, y_test), or images "
                f"and labels; it holds {', '.join(sorted(names)) or 'nothing'}"
            )
        shapes = {split: raw.images.shape[1:] for split, raw in splits.items()}
        for split, shape in shapes.items():
            if shape != shapes["train"]:
                raise DataError(
                    f"{path}: the {split} images are {list(shape)}, the training images "
                    f"{list(shapes['train'])}"
                )
        classes = 1 + int(max(raw.labels.max(initial=0) for raw in splits.values()))
        label_names = tuple(map(str, range(classes)))
        if "label_names" in names:
            label_names = tuple(map(str, _array(file, path, "label_names").ravel()))
            if len(label_names) < classes:
                raise DataError(
                    f"{path}: {len(label_names)} label_names, but labels up to {classes - 1}"
                )
    return splits, label_names


def _keys(split: str) -> set[str]:
    return {f"x_{split}", *(("images",) if split == "train" else ())}


def _opened(path: Path) -> Any:
    try:
        file = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: no NumPy file (.npz): {first_line(error)}") from None
    if not isinstance(file, np.lib.npyio.NpzFile):
        raise DataError(f"{path}: holds one array; expected an .npz file with images and labels")
    return file


def _array(file: Any, path: Path, name: str) -> np.ndarray:
    try:
        return file[name]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}, {name}: cannot be read: {first_line(error)}") from None


def _images(array: np.ndarray, name: str) -> np.ndarray:
    """Uint8 [N, H, W, C] of whole numbers from 0 to 255, or fractions from 0 to 1."""
    if array.ndim == 3:
        array = array[..., np.newaxis]
    if array.ndim != 4 or array.shape[3] not in (1, 3) or 0 in array.shape[1:]:
        raise DataError(
            f"{name}: expected images [N, H, W] or [N, H, W, C] with 1 or 3 channels, got "
            f"{list(array.shape)}"
        )
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype.kind not in "iufb":
        raise DataError(f"{name}: expected numbers, got {array.dtype}")
    if not np.isfinite(array).all() or array.min(initial=0) < 0 or array.max(initial=0) > 255:
        raise DataError(
            f"{name}: expected pixels from 0 to 255, or from 0 to 1, got "
            f"{array.min(initial=0):g} to {array.max(initial=0):g}"
        )
    if array.dtype.kind == "f" and array.max(initial=0) <= 1:
        progress.say(f"{name}: pixels from 0 to 1, taken times 255")
        array = array * 255
    return np.rint(array).astype(np.uint8)


def _labels(array: np.ndarray, name: str) -> np.ndarray:
    """Int64 [N] of class numbers, or of one-hot rows."""
    if array.ndim == 2 and array.shape[1] > 1 and (array.sum(axis=1) == 1).all():
        array = array.argmax(axis=1)
    array = array.reshape(len(array), -1)
    if array.shape[1] != 1 or array.dtype.kind not in "iuf":
        raise DataError(
            f"{name}: expected class numbers [N], got {array.dtype} {list(array.shape)}"
        )
    labels = array[:, 0]
    if (labels < 0).any() or (labels != np.floor(labels)).any():
        raise DataError(f"{name}: expected class numbers from 0, got {labels.min():g}")
    return labels.astype(np.int64)


def _cut(train: RawSplit, label_names: tuple[str, ...], cut: Cut) -> dict[str, RawSplit]:
    """The training split, cut as asked for."""
    places = np.zeros(len(train.labels), np.int8)
    for number, name in enumerate(label_names):
        rows = np.flatnonzero(train.labels == number)
        places[rows] = cut.splits(name, len(rows), np.arange(len(rows)))
    found = {}
    for number, split in enumerate(SPLITS):
        if number == 0 or (places == number).any():
            rows = places == number
            found[split] = RawSplit(train.images[rows], train.labels[rows])
    return found
