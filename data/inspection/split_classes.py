"""Which classes the splits of a dataset have images of, and a line for each that lacks some."""

from collections.abc import Mapping, Sequence

import numpy as np

from ...base.errors import DataError
from ..by_class import UNREADABLE, labels_of
from ..dataset import Split

# A line names the first few.
_NAMED = 5


def lacks(
    name: str,
    missing: Sequence[int],
    label_names: Sequence[str],
    trained_on: np.ndarray | None = None,
) -> str:
    """The line about a split that has no image of some classes.

    Args:
      name: of the split.
      missing: the classes by number; of another split than `train`, those that this one has.
      label_names: of all classes.
      trained_on: the training images of each class, where the split is another one.
    """
    words = [
        label_names[label] + ("" if trained_on is None else f" ({trained_on[label]:,} in train)")
        for label in missing[:_NAMED]
    ]
    known = range(len(label_names)) if trained_on is None else np.flatnonzero(trained_on).tolist()
    only = [label_names[label] for label in known if label not in missing]
    return (
        f"{name} has no image of {len(missing):,} of the {len(label_names):,} classes: "
        f"{', '.join(words)}{', …' if len(missing) > _NAMED else ''}"
        + (f"; all are of one class ({only[0]}), so its figures mean nothing" * (len(only) == 1))
    )


def refuse_one_class(
    dataset: str, counts: Mapping[str, Sequence[int]], label_names: Sequence[str]
) -> None:
    """Refuses splits in which there is nothing to tell apart: figures of them mean nothing.

    Args:
      dataset: its name.
      counts: the images of each class by split.
      label_names: of the classes, two or more.

    Raises:
      DataError: a split has images of one class only; says how many, and what to do.
    """
    for split, of_split in counts.items():
        there = np.flatnonzero(np.asarray(of_split)).tolist()
        if len(there) == 1:
            only = label_names[there[0]]
            totals = np.sum([*counts.values()], axis=0)
            others = [name for name, total in zip(label_names, totals, strict=True) if total]
            others = [name for name in others if name != only] or ["another class"]
            more = ", …" if len(others) > _NAMED else ""
            raise DataError(
                f"{dataset}: the {split} split holds only one class ({only}: "
                f"{of_split[there[0]]:,} images) of {len(label_names):,}, so figures of it mean "
                f"nothing; give it images of {', '.join(others[:_NAMED])}{more} too"
                + (
                    f", or leave it out (--{split}_fraction=0 if it is cut off the training split)"
                    * (split != "train")
                )
            )


def present(split: Split) -> set[int] | None:
    """The classes that a split has images of; None where that is not known, since it is damaged.

    No more is read once all have been seen.
    """
    seen: set[int] = set()
    every = set(range(split.dataset.num_classes))
    for shard in split.shards:
        labels = set(labels_of((shard,)).tolist())
        if UNREADABLE in labels:
            return None
        seen |= labels & every
        if seen == every:
            break
    return seen


def notes(training: Split, others: Sequence[Split]) -> tuple[str, ...]:
    """A line for each split that lacks classes: the training split's own first."""
    names, lines = training.dataset.label_names, []
    for split in (training, *others):
        there = present(split)
        missing = [] if there is None else [n for n in range(len(names)) if n not in there]
        counts = None
        if missing and split is not training:
            labels = labels_of(training.shards)
            are_classes = (labels >= 0) & (labels < len(names))
            counts = np.bincount(labels[are_classes], minlength=len(names))
            missing = [label for label in missing if counts[label]]
        if missing:
            lines.append(lacks(split.name, missing, names, counts))
    return tuple(lines)
