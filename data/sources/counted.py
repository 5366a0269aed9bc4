"""Sources that are read in two passes: the first counts labels, so that the cut is exact.

A slice knows how many of each class come before it, so each worker computes the splits of
its examples without the others. Examples stay in their order.
"""

import collections
import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

import numpy as np

from .slices import Executor
from .stratify import SPLITS, Cut

# The number of examples by class name.
LabelCounts = dict[str, int]


@dataclasses.dataclass(frozen=True, kw_only=True)
class CountedSlice:
    """A part of a split; `before` are the examples of the split's earlier slices."""

    split: str
    before: LabelCounts = dataclasses.field(default_factory=dict)


AnySlice = TypeVar("AnySlice", bound=CountedSlice)


@dataclasses.dataclass(frozen=True)
class CountedSource(Generic[AnySlice]):
    """The fields of such a `slices.Source`; `cut` and `totals` are of the training split."""

    label_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    slices: tuple[AnySlice, ...]
    cut: Cut
    totals: LabelCounts

    @property
    def num_slices(self) -> int:
        return len(self.slices)

    def splits_of(
        self, part: AnySlice, labels: Sequence[str], seen: collections.Counter[str]
    ) -> list[str]:
        """The splits of the next examples of a slice; counts them in `seen`."""
        if part.split != "train" or not (self.cut.validation or self.cut.test):
            return [part.split] * len(labels)
        names = np.array(labels)
        numbers = np.zeros(len(names), np.int8)
        for label in map(str, np.unique(names)):
            rows = np.flatnonzero(names == label)
            ranks = seen[label] + np.arange(len(rows))
            numbers[rows] = self.cut.splits(label, self.totals[label], ranks)
            seen[label] += len(rows)
        return [SPLITS[number] for number in numbers]


def count(
    slices: Sequence[AnySlice],
    labels_of: Callable[[AnySlice], Iterable[str]],
    executor: Executor,
    title: str,
) -> tuple[tuple[AnySlice, ...], LabelCounts]:
    """The first pass.

    Args:
      slices: in order.
      labels_of: the labels of a slice's examples; a function that can be pickled.
      executor, title: see `Executor`.

    Returns:
      The slices with their `before`, and the training examples in all.
    """
    work = functools.partial(_count, labels_of, slices)
    totals: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    counted = []
    for part, counts in zip(slices, executor(work, len(slices), title), strict=True):
        counted.append(dataclasses.replace(part, before=dict(totals[part.split])))
        totals[part.split].update(counts)
    return tuple(counted), dict(totals["train"])


def _count(
    labels_of: Callable[[AnySlice], Iterable[str]], slices: Sequence[AnySlice], index: int
) -> LabelCounts:
    return dict(collections.Counter(labels_of(slices[index])))
