"""Equal images, found by 16 bytes of each: a digest of its pixels, and its label.

The search sorts a bounded part of the digests at a time. So a hundred million
images take 1.6 GB and a little.
"""

import dataclasses
import hashlib
from collections.abc import Iterator

import numpy as np

# Of each kind of finding, this many are listed; all are counted.
LISTED = 1000
# Of a group of equal images, this many of each split are listed.
_LISTED_OF_GROUP = 10
# What is kept of an image: 96 bits of BLAKE2b. Among 10^8 images, two that differ
# share them with a probability of 10^16 / 2 / 2^96, about 6e-14.
KEY = np.dtype([("high", "<u8"), ("low", "<u4"), ("label", "<i4")])
_DIGEST = np.dtype([("high", "<u8"), ("low", "<u4")])
_DIGESTED = list(_DIGEST.names or ())
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
    """Images that are equal in every pixel; `places` are the first few in each split, in order."""

    images: int
    labels_agree: bool
    places: tuple[Place, ...]


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


def keys_of(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """What is kept of images uint8 [n, H, W, C] and their labels: `KEY` [n]."""
    size = _DIGEST.itemsize
    digests = b"".join(hashlib.blake2b(image, digest_size=size).digest() for image in images)
    keys = np.empty(len(images), KEY)
    keys[["high", "low"]] = np.frombuffer(digests, _DIGEST)
    keys["label"] = np.clip(labels, -(2**31), 2**31 - 1)
    return keys


def find(keys: np.ndarray, sizes: dict[str, int]) -> Duplicates:
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

    ordered = {kind: tuple(sorted(listed, key=position)) for kind, listed in groups.items()}
    return Duplicates(repeated, leaked, counts, ordered)


def _equal(keys: np.ndarray) -> Iterator[np.ndarray]:
    """The positions of equal images, group by group: int64 [2 or more], ascending."""
    parts = 1 + len(keys) // _PART
    for part in range(parts):
        # Equal digests are in one part; each part is an equal share of their range.
        low, high = ((number * 2**64 // parts) for number in (part, part + 1))
        positions = np.flatnonzero((keys["high"] >= low) & (keys["high"] <= high - 1))
        digests = keys[_DIGESTED][positions]
        order = np.lexsort((digests["low"], digests["high"]))  # Stable: they stay ascending.
        digests = digests[order]
        same = digests[1:] == digests[:-1]
        edges = np.flatnonzero(np.concatenate([[True], ~same, [True]]))
        lengths = np.diff(edges)
        for start, length in zip(edges[:-1][lengths > 1], lengths[lengths > 1], strict=True):
            yield positions[order[start : start + length]]
