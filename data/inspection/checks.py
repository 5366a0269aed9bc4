"""What must hold of a dataset that is to be trained on and measured with, and what is notable."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ..dataset import Dataset
from .anomalies import Duplicates, Group, Place, SplitSurvey

Item = TypeVar("Item")
# A message names the first few.
_NAMED = 5


@dataclasses.dataclass(frozen=True)
class Check:
    """One thing that must hold: whether it does, and what was seen."""

    name: str
    passed: bool
    details: str


def checks(
    dataset: Dataset,
    splits: dict[str, SplitSurvey],
    duplicates: Duplicates,
    reference: str,
    lost: Sequence[str],
) -> tuple[Check, ...]:
    """All checks.

    Args:
      dataset: that was surveyed.
      splits, duplicates: what the survey saw.
      reference: the split that training is to use.
      lost: a line for each damaged record.
    """
    total = sum(split.examples for split in splits.values())
    classes = f"{dataset.num_classes:,} classes"
    blank = [place for split in splits.values() for place in split.blank_places]
    outside = [place for split in splits.values() for place in split.out_of_range_places]
    missing = [dataset.label_names[label] for label in splits[reference].missing_labels]
    leaks, conflicts = duplicates.groups["leaks"], duplicates.groups["conflicts"]
    return (
        _records(dataset, total, lost),
        Check(
            "label_range",
            not outside,
            f"{sum(split.out_of_range for split in splits.values()):,} of {total:,} labels are "
            f"none of the {classes}: {_some(outside, _place)}"
            if outside
            else f"every label is one of the {classes}",
        ),
        Check(
            "every_class",
            not missing,
            f"{reference} has no image of {len(missing):,} of the {classes}: {_some(missing, str)}"
            if missing
            else f"{reference} has images of every class",
        ),
        Check(
            "leakage",
            not leaks,
            "images in more than one split, which makes figures on them too good: "
            f"{duplicates.counts['leaks']:,} ({_some(leaks, _equation)})"
            if leaks
            else "no image is in two splits",
        ),
        Check(
            "conflicting_labels",
            not conflicts,
            f"equal images with different labels: {duplicates.counts['conflicts']:,} "
            f"({_some(conflicts, _equation)})"
            if conflicts
            else "equal images have equal labels",
        ),
        Check(
            "blank_images",
            not blank,
            f"{sum(split.blank for split in splits.values()):,} of {total:,} images are blank "
            f"(all their pixels are the same): {_some(blank, _place)}"
            if blank
            else "no image is blank",
        ),
    )


def _records(dataset: Dataset, total: int, lost: Sequence[str]) -> Check:
    features: Any = dataset.builder.info.features
    dtype = features["image"].np_dtype
    if lost:
        details = f"{len(lost):,} records are damaged: {_some(lost, str)}"
    elif dtype != "uint8":
        details = f"features.json says that images are {dtype}; pixels are read as uint8"
    else:
        shape = "x".join(map(str, dataset.image_shape))
        details = f"all {total:,} records hold an image uint8 {shape} and a label"
    return Check("records", dtype == "uint8" and not lost, details)


def notes(
    dataset: Dataset, splits: dict[str, SplitSurvey], duplicates: Duplicates, reference: str
) -> tuple[str, ...]:
    """What is worth knowing and no mistake by itself; the arguments are those of `checks`."""
    lines = []
    for name, split in splits.items():
        missing = [dataset.label_names[label] for label in split.missing_labels]
        if not split.examples:
            lines.append(f"{name} holds no images")
        elif missing and name != reference:
            lines.append(
                f"{name} has no image of {len(missing):,} of the {dataset.num_classes:,} classes: "
                f"{_some(missing, str)}"
            )
        repeated, leaked = duplicates.repeated[name], duplicates.leaked[name]
        if repeated:
            lines.append(
                f"{name}: {repeated:,} of {split.examples:,} images equal an earlier one of the "
                "same split, and so count twice"
            )
        if leaked:
            lines.append(
                f"{name}: {leaked:,} of {split.examples:,} images ({leaked / split.examples:.2%}) "
                "are in another split too"
            )
    return tuple(lines)


def _place(place: Place) -> str:
    return f"{place.split} {place.index} (label {place.label})"


def _equation(group: Group) -> str:
    """`train 3 = test 9 (label 7)`: one image of each split, and one of each label."""
    named: dict[tuple[str, int], Place] = {}
    for place in group.places:
        named.setdefault((place.split, place.label), place)
    if not group.labels_agree:
        return " = ".join(map(_place, named.values()))
    places = " = ".join(f"{place.split} {place.index}" for place in named.values())
    return f"{places} (label {group.places[0].label})"


def _some(items: Sequence[Item], show: Callable[[Item], str]) -> str:
    """The first few, and dots where there are more."""
    return ", ".join(map(show, items[:_NAMED])) + (", …" if len(items) > _NAMED else "")
