"""Parts of a split by class: of each class the same share, wherever its records lie.

`train[:10% by class]` is a tenth of each class of `train`, and `train[10%: by class]` is the rest.
TFDS's own slices count records: of files that are sorted by class, the first tenth is of one class.

Which records they are depends on the labels and on the records' numbers only. They are as random
as a seeded permutation, always the same, and a record that is damaged later moves few others.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError

from ..base import tfrecord
from ..base.errors import UsageError
from ..base.tf import tf
from .permutation import permuted
from .shards import Shard

# What tells a term from TFDS's own.
MARK = "by class"
_TERM = re.compile(r"(?P<name>[\w.-]+)\[(?:(?P<start>-?\d+)%)?:(?:(?P<stop>-?\d+)%)? by class\]")
# Of the permutation: another one would move images from training to validation.
_SEED = "by class 0"
# The label of a record that cannot be read, which is found, or left out, where its image is.
UNREADABLE = -1


def parse(term: str) -> tuple[str, int, int]:
    """The split of a term `name[start%:stop% by class]`, and its bounds, 0 to 100.

    Raises:
      UsageError: it is not of this form.
    """
    match = _TERM.fullmatch(term)
    bounds = (int(match["start"] or 0), int(match["stop"] or 100)) if match else ()
    if not match or any(abs(bound) > 100 for bound in bounds):
        raise UsageError(
            f"no split '{term}': a part by class is written in whole percent, such as "
            "train[:10% by class] and train[10%: by class]"
        )
    start, stop = (bound if bound >= 0 else 100 + bound for bound in bounds)  # As of a list.
    return match["name"], start, stop


def cut(shards: Sequence[Shard], labels: np.ndarray, start: int, stop: int) -> tuple[Shard, ...]:
    """The records of a whole split that are in a part of it.

    Args:
      shards: of the split.
      labels: int64 [n], of all its records, in order.
      start, stop: of each class, in percent.
    """
    chosen = np.zeros(len(labels), bool)
    places = permuted(np.arange(len(labels)), len(labels), _SEED)
    _, counts = np.unique(labels, return_counts=True)
    for members in np.split(np.lexsort((places, labels)), np.cumsum(counts)[:-1]):
        chosen[members[_bound(len(members), start) : _bound(len(members), stop)]] = True
    parts, position, first = [], 0, 0
    for shard in shards:
        inside = np.flatnonzero(chosen[position : position + len(shard.numbers)])
        if len(inside):
            numbers = tuple(shard.numbers[number] for number in inside.tolist())
            parts.append(Shard(shard.path, numbers, first))
        position += len(shard.numbers)
        first += len(inside)
    return tuple(parts)


def _bound(count: int, percent: int) -> int:
    """Where a part of a class of `count` images begins or ends.

    Of three or more, there is one before and one behind it.
    """
    bound = (count * percent + 50) // 100
    return min(max(bound, 1), count - 1) if count > 2 and 0 < percent < 100 else bound


def labels_of(shards: Sequence[Shard]) -> np.ndarray:
    """The labels of records, int64 [n]; -1 where one cannot be read."""
    return np.array([label for shard in shards for label in _labels(shard)], np.int64)


def _labels(shard: Shard) -> list[int]:
    contents = tfrecord.contents(Path(shard.path), shard.numbers[-1] + 1)
    labels = list(map(_label, contents))
    return [labels[number] for number in shard.numbers]


def _label(content: bytes | str) -> int:
    if isinstance(content, str):
        return UNREADABLE
    try:
        (label,) = tf.train.Example.FromString(content).features.feature["label"].int64_list.value
    except (ValueError, DecodeError):
        return UNREADABLE
    return label
