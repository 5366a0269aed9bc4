"""The splits of a NumPy file, by the names of its arrays (`base/pixels/array_names.py`).

`label_names`, `class_names` and `target_names` are the names of the classes.
"""

import dataclasses
import re
from collections.abc import Mapping

import numpy as np

from ....base import progress
from ....base.errors import DataError
from ....base.pixels import array_names
from ..stratify import SPLITS

_CLASS_NAMES = {"labelnames", "classnames", "targetnames", "categories"}
_EXPECTED = "x_train and y_train (and x_val, x_test, …), or images and labels"


@dataclasses.dataclass(frozen=True)
class Pair:
    """The two arrays of a split, and how they are called."""

    images: np.ndarray
    labels: np.ndarray
    images_name: str
    labels_name: str

    @property
    def names(self) -> str:
        return f"{self.images_name} and {self.labels_name}"


def find(arrays: Mapping[str, np.ndarray], origin: object) -> tuple[dict[str, Pair], str | None]:
    """The arrays by split, and the name of the one with the classes' names.

    Empty pairs are left out. So are, said, arrays that are neither images nor labels.

    Raises:
      DataError: there is no training split, an array of images would be left out, or it is not
        clear which array is what.
    """
    found: dict[tuple[str, str], str] = {}
    class_names, others = None, []
    # Last, the array `classes`: the classes' names where there are labels beside it, else these.
    for name, array in sorted(arrays.items(), key=lambda item: item[0].lower() == "classes"):
        word = re.sub(r"[^a-z0-9]", "", name.lower())
        place = array_names.role(name)
        are_words = array.dtype.kind in "US"
        if are_words and (word in _CLASS_NAMES or (word == "classes" and place in found)):
            class_names = name
        elif place is None:
            others.append(name)
        elif other := found.get(place):
            found[place] = _of_two(arrays, other, name, place, origin)
        else:
            found[place] = name
    if sorted(others) == sorted(arrays) == ["arr_0", "arr_1"]:
        images, labels = sorted(others, key=lambda name: (-arrays[name].ndim, name))
        progress.say(f"{origin}: {images} is taken for the images, {labels} for the labels")
        found, others = {("train", "images"): images, ("train", "labels"): labels}, []
    if others and all(re.fullmatch("arr_[0-9]+", name) for name in arrays):
        shapes = ", ".join(f"{name} {list(arrays[name].shape)}" for name in sorted(arrays))
        raise DataError(
            f"{origin}: its arrays have no names ({shapes}), so which is what cannot be told: save "
            "them as numpy.savez(path, x_train=…, y_train=…, x_test=…, y_test=…)"
        )
    pairs: dict[str, Pair] = {}
    for split in SPLITS:
        x, y = found.get((split, "images")), found.get((split, "labels"))
        if x and y:
            pairs[split] = Pair(arrays[x], arrays[y], x, y)
        elif name := x or y:
            missing = "labels" if x else "images"
            raise DataError(f"{origin}: holds {name}, but no {missing} of the {split} split")
    for name in others:
        _leave_out(name, arrays[name], origin)
    for split, pair in pairs.items():
        if split == "train" and not (pair.images.size or pair.labels.size):
            raise DataError(f"{origin}: {pair.names} hold no image")
    pairs = {split: pair for split, pair in pairs.items() if pair.images.size or pair.labels.size}
    if "train" not in pairs:
        raise DataError(
            f"{origin}: expected arrays {_EXPECTED}; it holds "
            f"{', '.join(sorted(arrays)) or 'nothing'}"
        )
    return pairs, class_names


def _of_two(
    arrays: Mapping[str, np.ndarray], one: str, other: str, place: tuple[str, str], origin: object
) -> str:
    """The one with a picture's dimensions, where another is the same row by row."""
    large, small = sorted((one, other), key=lambda name: -arrays[name].ndim)
    are_plain = all(arrays[name].dtype.kind in "biufUS" for name in (one, other))
    if are_plain and np.array_equal(arrays[large].ravel(), arrays[small].ravel()):
        progress.say(f"{origin}: left out: {small}, which is {large} in rows")
        return large
    raise DataError(
        f"{origin}: {one} and {other} may both be the {place[1]} of the {place[0]} split: leave one"
    )


def _leave_out(name: str, array: np.ndarray, origin: object) -> None:
    """Says that an array is not used.

    Raises:
      DataError: it may hold images.
    """
    is_numbers = array.dtype.kind in "iufb" and array.size > 0
    if is_numbers and (array.ndim > 2 or array_names.may_be_images(name)):
        raise DataError(
            f"{origin}: {name} {list(array.shape)} may hold images, but its name does not say of "
            f"which split: call it x_val or x_test (and its labels y_val or y_test), or remove it; "
            f"the usual names are {_EXPECTED}"
        )
    progress.say(f"{origin}: left out: {name} ({array.dtype} {list(array.shape)})")
