"""Sources that are read in two passes.

The first pass surveys labels and pixels, so that every slice knows what is true of the whole:
the cut into splits, and whether pixels are from 0 to 1.

A slice knows how many of each class come before it, so each worker computes the splits of
its examples without the others. Examples stay in their order.
"""

import collections
import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

import numpy as np

from ...base.pixels.scale import Seen
from .slices import Executor
from .stratify import SPLITS, Cut

# The number of examples by class name. Those without one, of damaged examples, are counted
# under the empty name.
LabelCounts = dict[str, int]
# An example's split in the source and its class.
Key = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class Survey:
    """What the first pass saw in a slice.

    Attributes:
      labels: the examples by split and class.
      seen: what pixels show; of so many images that it is clear.
      damage: why the first example without a label has none.
    """

    labels: Mapping[Key, int]
    seen: Seen = dataclasses.field(default_factory=Seen)
    damage: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CountedSlice:
    """A part of a file or a split; `before` are the examples of its earlier slices."""

    split: str
    before: Mapping[Key, int] = dataclasses.field(default_factory=dict)


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

    def splits_of(self, keys: Sequence[Key], seen: collections.Counter[Key]) -> list[str]:
        """The splits of the next examples of a slice; counts them in `seen`."""
        result = [split for split, _ in keys]
        rows: dict[Key, list[int]] = collections.defaultdict(list)
        for row, key in enumerate(keys):
            rows[key].append(row)
        for key, places in rows.items():
            split, label = key
            if split == "train" and (self.cut.validation or self.cut.test):
                ranks = seen[key] + np.arange(len(places))
                numbers = self.cut.splits(label, self.totals[label], ranks)
                for row, number in zip(places, numbers.tolist(), strict=True):
                    result[row] = SPLITS[number]
            seen[key] += len(places)
        return result


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
    before: dict[str, collections.Counter[Key]] = collections.defaultdict(collections.Counter)
    counted = []
    surveys = executor(work, len(slices), title)
    for part, seen in zip(slices, surveys, strict=True):
        counted.append(dataclasses.replace(part, before=dict(before[part.split])))
        before[part.split].update(seen.labels)
    return tuple(counted), surveys


def splits(surveys: Sequence[Survey]) -> set[str]:
    """The splits that have examples."""
    return {split for found in surveys for split, _ in found.labels}


def totals(surveys: Sequence[Survey], split: str) -> LabelCounts:
    """The examples of a split by label."""
    counts: collections.Counter[str] = collections.Counter()
    for found in surveys:
        for (of_split, label), count in found.labels.items():
            counts.update({label: count} if of_split == split else {})
    return dict(counts)


def _survey(
    survey_of: Callable[[AnySlice], Survey], slices: Sequence[AnySlice], index: int
) -> Survey:
    return survey_of(slices[index])
