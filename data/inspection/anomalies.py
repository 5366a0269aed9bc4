"""What is in a dataset, and what is wrong with it: one pass over every image.

The splits are read in order, batch by batch, and of an image no more is kept
than 16 bytes: a digest of its pixels and its label. The search for duplicates
then sorts a bounded part of the digests at a time. So a hundred million images
take 1.6 GB and a little.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ...base.errors import DataError
from ..dataset import Split
from ..pipeline.records import decoded
from .samples import Sample, SamplePicker

# Of each kind of finding, so many are listed; all are counted.
LISTED = 1000
# Of a group of equal images, so many of each split are listed.
_LISTED_OF_GROUP = 10
# What is kept of an image: 96 bits of BLAKE2b. Among 10^8 images, two that differ
# share them with a probability of 10^16 / 2 / 2^96, about 6e-14.
_KEY = np.dtype([("high", "<u8"), ("low", "<u4"), ("label", "<i4")])
_DIGEST = np.dtype([("high", "<u8"), ("low", "<u4")])
# Digests sorted at a time.
_PART = 1 << 21


@dataclasses.dataclass(frozen=True)
class Place:
    """Where an image lies: the `index`-th of a split, from 0, with its label."""

    split: str
    index: int
    label: int


@dataclasses.dataclass(frozen=True)
class Group:
    """Images that are equal in every pixel.

    Attributes:
      images: how many they are.
      labels_agree: whether all have one label.
      places: the first few in each split, in order.
    """

    images: int
    labels_agree: bool
    places: tuple[Place, ...]


@dataclasses.dataclass(frozen=True)
class SplitSurvey:
    """What is in a split.

    Attributes:
      examples: number of images.
      label_counts: int64 [K], images of each class; labels out of range are not in it.
      mean, std: of each channel's pixels, 0 to 1; None where there are no images.
      blank: number of images whose pixels are all the same.
      out_of_range: number of labels that are no class.
      blank_places, out_of_range_places: the first `LISTED` of them.
      samples: some images of each class, class by class in turn.
    """

    examples: int
    label_counts: np.ndarray
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    blank: int
    out_of_range: int
    blank_places: tuple[Place, ...]
    out_of_range_places: tuple[Place, ...]
    samples: tuple[Sample, ...]

    @property
    def missing_labels(self) -> list[int]:
        """The classes without an image."""
        return np.flatnonzero(self.label_counts == 0).tolist()


@dataclasses.dataclass(frozen=True)
class Duplicates:
    """Equal images of a dataset.

    Attributes:
      repeated: by split, images that an earlier one of the same split equals.
      leaked: by split, images that another split holds too.
      counts: number of groups by kind: `duplicates` have several images in one
        split, `leaks` have images in several splits, `conflicts` have several labels.
      groups: the first `LISTED` groups of each kind.
    """

    repeated: dict[str, int]
    leaked: dict[str, int]
    counts: dict[str, int]
    groups: dict[str, tuple[Group, ...]]


def survey(
    splits: Sequence[Split],
    samples: int,
    seed: int,
    advance: Callable[[int], None] = lambda images: None,
) -> tuple[dict[str, SplitSurvey], Duplicates]:
    """Looks at every image of some splits.

    Args:
      splits: of one dataset.
      samples: how many images of each split to pick, evenly over the classes.
      seed: of the choice of them.
      advance: called with the number of images after each batch.

    Returns:
      What is in each split, by its name; and the images that are equal.

    Raises:
      DataError: a shard is damaged, or an image is not of the dataset's shape.
    """
    sizes = {split.name: split.examples for split in splits}
    keys = np.empty(sum(sizes.values()), _KEY)
    found, start = {}, 0
    for number, split in enumerate(splits):
        part = keys[start : start + split.examples]
        rng = np.random.default_rng([seed, number])
        found[split.name] = _survey_split(split, part, samples, rng, advance)
        start += split.examples
    return found, _find_duplicates(keys, sizes)


def _survey_split(
    split: Split,
    keys: np.ndarray,
    samples: int,
    rng: np.random.Generator,
    advance: Callable[[int], None],
) -> SplitSurvey:
    """Looks at a split; puts its images' digests and labels into `keys`."""
    dataset = split.dataset
    channels = dataset.image_shape[2]
    label_counts = np.zeros(dataset.num_classes, np.int64)
    levels = np.zeros((channels, 256), np.int64)
    blank, out_of_range = _Found(split.name), _Found(split.name)
    picker = SamplePicker(dataset.num_classes, samples, rng)
    at = 0
    for images, labels in _batches(split) if len(keys) else ():
        keys[at : at + len(images)] = _keys(images, labels)
        for channel in range(channels):
            levels[channel] += np.bincount(images[..., channel].ravel(), minlength=256)
        blank.add((images == images[:, :1, :1]).all(axis=(1, 2, 3)), labels, at)
        valid = (labels >= 0) & (labels < dataset.num_classes)
        out_of_range.add(~valid, labels, at)
        label_counts += np.bincount(labels[valid], minlength=dataset.num_classes)
        picker.offer(images, np.where(valid, labels, -1), at)
        at += len(images)
        advance(len(images))
    mean, std = _moments(levels) if at else (None, None)
    return SplitSurvey(
        examples=at,
        label_counts=label_counts,
        mean=mean,
        std=std,
        blank=blank.count,
        out_of_range=out_of_range.count,
        blank_places=tuple(blank.places),
        out_of_range_places=tuple(out_of_range.places),
        samples=picker.picked(),
    )


def _batches(split: Split) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """A split's images uint8 [n, H, W, C] and labels int64 [n], in order.

    Raises:
      DataError: a shard is damaged, or images are of another shape or type than
        `features.json` says.
    """
    at = 0
    dataset = split.dataset
    for images, labels in decoded(split):
        pixels, numbers = images.numpy(), labels.numpy()
        # Raw bytes have no shape of their own: two images of half the size pass for one.
        expected = (len(numbers), *dataset.image_shape)
        if pixels.shape != expected or pixels.dtype != np.uint8:
            raise DataError(
                f"{dataset.directory}: in the batch of the {split.name} split that begins at image "
                f"{at:,}, features.json promises uint8 {list(expected)}, and the records hold "
                f"{pixels.dtype} {list(pixels.shape)}; make the dataset anew with "
                "digitline prepare --overwrite"
            )
        yield pixels, numbers
        at += len(numbers)


def _keys(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """What is kept of images uint8 [n, H, W, C] and their labels: `_KEY` [n]."""
    size = _DIGEST.itemsize
    digests = b"".join(hashlib.blake2b(image, digest_size=size).digest() for image in images)
    keys = np.empty(len(images), _KEY)
    keys[["high", "low"]] = np.frombuffer(digests, _DIGEST)
    keys["label"] = np.clip(labels, -(2**31), 2**31 - 1)
    return keys


def _moments(levels: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation, 0 to 1, from how often each level occurs: int64 [C, 256]."""
    grey = np.arange(256) / 255
    share = levels / levels.sum(axis=1, keepdims=True)
    mean = share @ grey
    std = np.sqrt((share * (grey - mean[:, None]) ** 2).sum(axis=1))
    return tuple(mean.tolist()), tuple(std.tolist())


class _Found:
    """Counts the images of a split that show something, and lists the first of them."""

    def __init__(self, split: str):
        self._split = split
        self.count, self.places = 0, []

    def add(self, mask: np.ndarray, labels: np.ndarray, start: int) -> None:
        """Takes a batch that begins at index `start`: bool [n], int64 [n]."""
        indices = np.flatnonzero(mask)
        self.count += len(indices)
        for index in indices[: LISTED - len(self.places)].tolist():
            self.places.append(Place(self._split, start + index, int(labels[index])))


def _find_duplicates(keys: np.ndarray, sizes: dict[str, int]) -> Duplicates:
    """Groups the equal images of all splits, whose keys lie one split after another."""
    names, ends = list(sizes), np.cumsum(list(sizes.values()))
    repeated, leaked = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    counts: dict[str, int] = {"duplicates": 0, "leaks": 0, "conflicts": 0}
    groups: dict[str, list[Group]] = {kind: [] for kind in counts}
    for members in _equal(keys):
        labels = keys["label"][members]
        splits = np.searchsorted(ends, members, side="right")
        places = []
        present, images = np.unique(splits, return_counts=True)
        for number, count in zip(present.tolist(), images.tolist(), strict=True):
            name, start = names[number], ends[number] - sizes[names[number]]
            repeated[name] += count - 1
            leaked[name] += count if len(present) > 1 else 0
            for member in members[splits == number][:_LISTED_OF_GROUP]:
                places.append(Place(name, int(member - start), int(keys["label"][member])))
        agree = bool((labels == labels[0]).all())
        kinds = {"duplicates": max(images) > 1, "leaks": len(present) > 1, "conflicts": not agree}
        for kind in (kind for kind, applies in kinds.items() if applies):
            counts[kind] += 1
            if len(groups[kind]) < LISTED:
                groups[kind].append(Group(len(members), agree, tuple(places)))

    def position(group: Group) -> tuple[int, int]:
        return names.index(group.places[0].split), group.places[0].index

    ordered = {kind: tuple(sorted(found, key=position)) for kind, found in groups.items()}
    return Duplicates(repeated, leaked, counts, ordered)


def _equal(keys: np.ndarray) -> Iterator[np.ndarray]:
    """The positions of equal images, group by group: int64 [2 or more], ascending."""
    parts = 1 + len(keys) // _PART
    for part in range(parts):
        # Equal digests are in one part; each part is an equal share of their range.
        low, high = ((number * 2**64 // parts) for number in (part, part + 1))
        where = np.flatnonzero((keys["high"] >= low) & (keys["high"] <= high - 1))
        these = keys[where]
        order = np.lexsort((these["low"], these["high"]))  # Stable: positions stay ascending.
        these = these[order]
        same = (these["high"][1:] == these["high"][:-1]) & (these["low"][1:] == these["low"][:-1])
        edges = np.flatnonzero(np.concatenate([[True], ~same, [True]]))
        lengths = np.diff(edges)
        for start, length in zip(edges[:-1][lengths > 1], lengths[lengths > 1], strict=True):
            yield where[order[start : start + length]]
