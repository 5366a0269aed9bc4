"""The short form of `inspect`: what is worth a warning in what the workers wrote."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from ..dataset import Dataset
from ..inspection import anomalies, duplicates
from ..inspection.anomalies import Places, SplitSurvey
from ..inspection.checks import About, checks, notes
from ..inspection.duplicates import Duplicates, Group, Place
from ..metadata import Survey
from ..sources.slices import Source
from ..sources.stratify import SPLITS
from .shard_writer import WrittenSlice
from .slice_survey import SliceSurvey

# Of a dataset that TFDS wrote, this many images of each split are looked at.
_FIRST = 20_000


def of(written: Sequence[WrittenSlice], source: Source) -> Survey:
    """What follows of the workers' notes."""
    classes = len(source.label_names)
    parts = {
        split: [part.surveys[split] for part in written if split in part.surveys]
        for split in SPLITS
        if any(split in part.surveys for part in written)
    }
    splits = {split: _split(split, surveys, classes) for split, surveys in parts.items()}
    about = About(source.image_shape, source.label_names, "uint8")
    warnings = _warnings(about, splits, _duplicates(parts))
    compared = sum(len(survey.digests) for survey in _all(parts)) // 12
    total = sum(split.examples for split in splits.values())
    if source.image_shape[2] > 1 and all(survey.is_grey for survey in _all(parts)):
        warnings.append(f"all {total:,} images are grey, though in colour: --channels=1 suffices")
    if all(survey.is_dark for survey in _all(parts)):
        warnings.append(
            f"all {total:,} images are nearly black: no pixel is over an eighth of white, as where "
            "pictures of 16 bits hold 12 or fewer"
        )
    if compared < total:
        warnings.append(f"only {compared:,} of {total:,} images were searched for equal ones")
    counts = {name: split.label_counts.tolist() for name, split in splits.items()}
    return Survey(counts, tuple(warnings))


def of_prepared(dataset: Dataset) -> Survey:
    """The same of a dataset that TFDS wrote, by the first images of each split."""
    splits = [dataset.split(name) for name in dataset.split_names]
    surveys, found = anomalies.survey([split.cut(0, _FIRST) for split in splits], 0, 0)
    about = About(dataset.image_shape, dataset.label_names, "uint8")
    warnings = _warnings(about, surveys, found) if "train" in surveys else []
    counts = {name: split.label_counts.tolist() for name, split in surveys.items()}
    if any(split.examples > _FIRST for split in splits):
        warnings.append(f"only the first {_FIRST:,} images of each split were looked at")
        counts = {}
    return Survey(counts, tuple(warnings))


def _warnings(about: About, splits: dict[str, SplitSurvey], found: Duplicates) -> list[str]:
    failed = (check for check in checks(about, splits, found, "train", ()) if not check.passed)
    return [*(check.details for check in failed), *notes(about, splits, found, "train")]


def _all(parts: dict[str, list[SliceSurvey]]) -> Iterator[SliceSurvey]:
    for surveys in parts.values():
        yield from surveys


def _split(name: str, surveys: list[SliceSurvey], classes: int) -> SplitSurvey:
    labels = np.concatenate([np.asarray(survey.labels, np.int64) for survey in surveys])
    blank, start = Places(name), 0
    for survey in surveys:
        mask = np.zeros(len(survey.labels), bool)
        mask[np.asarray(survey.blank, np.int64)] = True
        blank.add(mask, np.asarray(survey.labels), start)
        start += len(survey.labels)
    counts = np.bincount(labels, minlength=classes)
    return SplitSurvey(len(labels), counts, None, None, blank, Places(name), ())


def _duplicates(parts: dict[str, list[SliceSurvey]]) -> Duplicates:
    """Equal images among those that have a digest, by their numbers in the split."""
    keys = {split: [survey.keys for survey in surveys] for split, surveys in parts.items()}
    numbers = {}
    for split, surveys in parts.items():
        starts = np.cumsum([0, *(len(survey.labels) for survey in surveys[:-1])])
        pairs = zip(starts, keys[split], strict=True)
        numbers[split] = np.concatenate([start + np.arange(len(part)) for start, part in pairs])
    sizes = {split: len(of_split) for split, of_split in numbers.items()}
    everything = np.concatenate([part for of_split in keys.values() for part in of_split])
    found = duplicates.find(everything, sizes)

    def renumbered(group: Group) -> Group:
        places = (
            Place(place.split, int(numbers[place.split][place.index]), place.label)
            for place in group.places
        )
        return dataclasses.replace(group, places=tuple(places))

    groups = {kind: tuple(map(renumbered, listed)) for kind, listed in found.groups.items()}
    return dataclasses.replace(found, groups=groups)
