"""Arrays of labels in any usual form to class numbers and names.

Numbers are class numbers, as Keras takes them: 0, 1 and 3 are four classes, one without images.
Words, and numbers written as words, are names, and only what occurs is a class (see `labels`).
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from ....base import progress
from ....base.errors import DataError
from .. import labels

# No class number is larger, whatever the type of the array.
_LARGEST = 2**31 - 1
# What stands for an image without a label.
MISSING = -1
_NAMED = 5


@dataclasses.dataclass(frozen=True)
class Labels:
    """The labels of a split.

    Attributes:
      numbers: int64 [N], class numbers or indices into `words`; `MISSING` where there is none.
      causes: by index, why it is missing.
      columns: of one-hot rows, how many classes they tell apart; else 0.
      words: the names that occur, if labels are names.
    """

    numbers: np.ndarray
    causes: dict[int, str]
    columns: int = 0
    words: tuple[str, ...] | None = None


def read(array: np.ndarray, name: str) -> Labels:
    """Reads an array of class numbers, one-hot rows, or names.

    Raises:
      DataError: it is none of these; says what was expected and what came.
    """
    kind, shape = array.dtype.kind, list(array.shape)
    if kind in "biuf" and array.ndim == 2 and array.shape[1] > 1:
        return _one_hot(array, name)
    if kind not in "biufUS" or array.ndim == 0 or array.size != len(array):
        raise DataError(f"{name}: expected class numbers [N], got {array.dtype} {shape}")
    values = array.ravel()
    if kind in "US":
        return _names(values)
    missing = np.isnan(values) if kind == "f" else np.zeros(len(values), bool)
    with np.errstate(invalid="ignore"):  # Some bits of NaN are signals.
        if kind == "f" and array.itemsize == 2:  # It does not hold `_LARGEST`.
            values = values.astype(np.float32)
        is_whole = values == np.floor(values)
        valid = missing | ((values >= 0) & (values <= _LARGEST) & is_whole)
    if not valid.all():
        index = int(valid.argmin())
        raise DataError(
            f"{name}: expected class numbers from 0, got {values[index]:g} at index {index:,}"
        )
    numbers = np.where(missing, MISSING, values).astype(np.int64)
    return Labels(numbers, dict.fromkeys(np.flatnonzero(missing).tolist(), "it has no label: NaN"))


def number(
    splits: Mapping[str, Labels], given: np.ndarray | None, origin: str
) -> tuple[dict[str, Labels], tuple[str, ...]]:
    """Gives all splits the same class numbers.

    Args:
      splits: the labels by split.
      given: the names of the classes in the file, if it has them.
      origin: the file, for messages.

    Returns:
      The labels without `words`, and the classes' names.

    Raises:
      DataError: numbers and names do not go together, or there are more classes than images.
    """
    names = None if given is None else labels.checked(given.ravel().tolist(), f"{origin}, names")
    if any(split.words is not None for split in splits.values()):
        splits = {name: _worded(split) for name, split in splits.items()}
        names = names or tuple(labels.classes(splits["train"].words or (), origin))
        labels.say_oddities(names, origin, are_classes=False)
        splits = {name: _renumbered(split, names) for name, split in splits.items()}
    classes = max(
        *(1 + int(split.numbers.max(initial=-1)) for split in splits.values()),
        *(split.columns for split in splits.values()),
    )
    if names is not None and len(names) < classes:
        raise DataError(f"{origin}: {len(names)} label_names, but labels up to {classes - 1}")
    images = sum(len(split.numbers) for split in splits.values())
    if names is None and classes > images:
        raise DataError(
            f"{origin}: label {classes - 1:,} would make {classes:,} classes of {images:,} images; "
            "mend it, number the classes from 0 without gaps, or give label_names"
        )
    names = names or tuple(map(str, range(classes)))
    if not names:
        raise DataError(f"{origin}: no image has a label")
    _say_empty(splits, names, origin)
    return dict(splits), names


def _one_hot(array: np.ndarray, name: str) -> Labels:
    are_ones = array == 1
    sums = are_ones.sum(axis=1)
    are_zeros = (array == 0) | (np.isnan(array) if array.dtype.kind == "f" else False)
    if not ((are_ones | are_zeros).all() and sums.max(initial=0) <= 1 and sums.any()):
        raise DataError(
            f"{name}: expected class numbers [N], or one-hot rows of zeros and a single 1, got "
            f"{array.dtype} {list(array.shape)}"
        )
    progress.say(f"{name}: one-hot rows of {array.shape[1]:,} classes")
    numbers = np.where(sums == 1, are_ones.argmax(axis=1), MISSING).astype(np.int64)
    causes = dict.fromkeys(np.flatnonzero(sums != 1).tolist(), "it has no label: no 1 in its row")
    return Labels(numbers, causes, columns=array.shape[1])


def _names(values: np.ndarray) -> Labels:
    different, indices = np.unique(values, return_inverse=True)
    words, causes, numbers = {}, {}, []
    for word in different.tolist():
        try:
            numbers.append(words.setdefault(labels.read(word), len(words)))
        except labels.LabelError as error:
            causes[len(numbers)] = str(error)
            numbers.append(MISSING)
    by_row = np.array(numbers, np.int64)[indices.ravel()]
    missing = np.flatnonzero(by_row == MISSING).tolist()
    return Labels(
        by_row, {row: causes[int(indices.ravel()[row])] for row in missing}, words=tuple(words)
    )


def _worded(split: Labels) -> Labels:
    """Class numbers as names, beside a split whose labels are names."""
    if split.words is not None:
        return split
    is_missing = split.numbers == MISSING
    used = np.unique(split.numbers[~is_missing])  # Not all below: a label may be any number.
    numbers = np.where(is_missing, MISSING, np.searchsorted(used, split.numbers))
    return dataclasses.replace(
        split, numbers=numbers, words=tuple(map(str, used.tolist())), columns=0
    )


def _renumbered(split: Labels, names: Sequence[str]) -> Labels:
    """The numbers of names in `names`; a name that is not there is as a missing one."""
    numbers = {name: number for number, name in enumerate(names)}
    words = split.words or ()
    table = np.array([*(numbers.get(word, MISSING) for word in words), MISSING], np.int64)
    renumbered = table[split.numbers]
    causes = dict(split.causes)
    for row in np.flatnonzero((renumbered == MISSING) & (split.numbers != MISSING)).tolist():
        causes[row] = f"no training image has its label, '{words[split.numbers[row]]}'"
    return Labels(renumbered, causes)


def _say_empty(splits: Mapping[str, Labels], names: Sequence[str], origin: str) -> None:
    """Says which classes have no training image."""
    used = set(splits["train"].numbers.tolist())
    empty = [name for number, name in enumerate(names) if number not in used]
    if empty:
        progress.say(
            f"{origin}: {len(names):,} classes, but no training image is of "
            f"{', '.join(empty[:_NAMED])}{', …' if len(empty) > _NAMED else ''}"
        )
