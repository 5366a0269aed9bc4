"""Sources that are read in two passes.

The first pass surveys labels and pixels, so that every slice knows what is true of the whole:
the cut into splits, and whether pixels are from 0 to 1.

A slice knows how many of each class come before it, so each worker computes the splits of
its examples without the others. Examples stay in their order.
"""

import collections
import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import numpy as np

from .slices import Executor
from .stratify import SPLITS, Cut

# The number of examples by class name. Those without one, of damaged examples, are counted
# under the empty name.
LabelCounts = dict[str, int]


@dataclasses.dataclass(frozen=True)
class Survey:
    """What the first pass saw in a slice.

    Attributes:
      labels: the examples by class.
      dim, bright: how many images have no pixel over 1, though some over 0, and how many one over
        1. Both count until most are bright.
    """

    labels: LabelCounts
    dim: int = 0
    bright: int = 0


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


def survey(
    slices: Sequence[AnySlice],
    survey_of: Callable[[AnySlice], Survey],
    executor: Executor,
    title: str,
) -> tuple[tuple[AnySlice, ...], list[Survey]]:
    """The first pass.

    Args:
      slices: in order.
      survey_of: looks at a slice; a function that can be pickled.
      executor, title: see `Executor`.

    Returns:
      The slices with their `before`, and what was seen in each.
    """
    work = functools.partial(_survey, survey_of, slices)
    before: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    counted = []
    surveys = executor(work, len(slices), title)
    for part, seen in zip(slices, surveys, strict=True):
        counted.append(dataclasses.replace(part, before=dict(before[part.split])))
        before[part.split].update(seen.labels)
    return tuple(counted), surveys


def totals(slices: Sequence[CountedSlice], surveys: Sequence[Survey], split: str) -> LabelCounts:
    """The examples of a split by label."""
    counts: collections.Counter[str] = collections.Counter()
    for part, seen in zip(slices, surveys, strict=True):
        if part.split == split:
            counts.update(seen.labels)
    return dict(counts)


def _survey(
    survey_of: Callable[[AnySlice], Survey], slices: Sequence[AnySlice], index: int
) -> Survey:
    return survey_of(slices[index])
