"""What must hold of a dataset that is to be trained on and measured with, and what is notable."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeVar

from .anomalies import SplitSurvey
from .duplicates import Duplicates, Group, Place
from .split_classes import lacks

Item = TypeVar("Item")
# A message names the first few.
_NAMED = 5


@dataclasses.dataclass(frozen=True)
class Check:
    """One thing that must hold: whether it does, and what was seen."""

    name: str
    passed: bool
    details: str


@dataclasses.dataclass(frozen=True)
class About:
    """What a dataset says of its images: their shape, classes and type."""

    image_shape: tuple[int, int, int]
    label_names: tuple[str, ...]
    dtype: str


def checks(
    about: About,
    splits: dict[str, SplitSurvey],
    duplicates: Duplicates,
    reference: str,
    lost: Sequence[str],
) -> tuple[Check, ...]:
    """All checks of what the survey saw.

    Args:
      reference: the split that training is to use.
      lost: a line for each damaged record.
    """
    dtype, shape = about.dtype, "x".join(map(str, about.image_shape))
    total = f"{sum(split.examples for split in splits.values()):,}"
    classes = f"{len(about.label_names):,} classes"
    blank_count = sum(split.blank.count for split in splits.values())
    outside_count = sum(split.out_of_range.count for split in splits.values())
    blank = [place for split in splits.values() for place in split.blank.first]
    outside = [place for split in splits.values() for place in split.out_of_range.first]
    missing = splits[reference].missing_labels
    leaks, conflicts = duplicates.groups["leaks"], duplicates.groups["conflicts"]
    damage = f"features.json says that images are {dtype}; pixels are read as uint8"
    if lost:
        damage = f"{len(lost):,} records are damaged: {_some(lost, str)}"
    rows = (
        (
            "records",
            dtype == "uint8" and not lost,
            f"all {total} records hold an image uint8 {shape} and a label",
            damage,
        ),
        (
            "label_range",
            not outside,
            f"every label is one of the {classes}",
            f"{outside_count:,} of {total} labels are none of the {classes}: "
            f"{_some(outside, _place)}; --max_corrupt_records=N leaves out and names their records",
        ),
        (
            "every_class",
            not missing,
            f"{reference} has images of every class",
            lacks(reference, missing, about.label_names),
        ),
        (
            "leakage",
            not leaks,
            "no image is in two splits",
            "images in more than one split, which makes figures on them too good: "
            f"{duplicates.counts['leaks']:,} ({_some(leaks, _equation)})",
        ),
        (
            "conflicting_labels",
            not conflicts,
            "equal images have equal labels",
            f"equal images with different labels: {duplicates.counts['conflicts']:,} "
            f"({_some(conflicts, _equation)})",
        ),
        (
            "blank_images",
            not blank,
            "no image is blank",
            f"{blank_count:,} of {total} images are blank (all their pixels are the same): "
            f"{_some(blank, _place)}",
        ),
    )
    return tuple(Check(name, passed, good if passed else bad) for name, passed, good, bad in rows)


def notes(
    about: About, splits: dict[str, SplitSurvey], duplicates: Duplicates, reference: str
) -> tuple[str, ...]:
    """What is worth knowing and no mistake by itself; the arguments are those of `checks`."""
    lines = []
    trained_on = splits["train"].label_counts if reference == "train" else None
    if set(splits) == {"train"} and splits["train"].label_counts.max(initial=0) < 3:
        lines.append("no class has more than 2 images: none are left for validation and test")
    for name, split in splits.items():
        missing = split.missing_labels
        if trained_on is not None and name != reference:  # Of the others it is said once.
            missing = [label for label in missing if trained_on[label]]
        if not split.examples:
            lines.append(f"{name} holds no images")
        elif missing and name != reference:
            lines.append(lacks(name, missing, about.label_names, trained_on))
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
