"""A dataset's raw content in memory: what readers of files and downloads return."""

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping

import numpy as np

from .slices import Example


@dataclasses.dataclass(frozen=True)
class RawSplit:
    """Pixels and labels of one split.

    Attributes:
      images: uint8 [N, H, W, C].
      labels: int64 [N].
    """

    images: np.ndarray
    labels: np.ndarray


@dataclasses.dataclass(frozen=True)
class RawDataset:
    """A dataset's raw content, checked; a `slices.Source`, each slice an equal part of every split.

    Attributes:
      origin: where it came from, in words.
    """

    splits: Mapping[str, RawSplit]
    label_names: tuple[str, ...]
    origin: str
    num_slices: int = 1

    @property
    def fingerprint(self) -> str:
        """Of the content, whatever the number of shards: SHA-256, 16 hex digits."""
        digest = hashlib.sha256(" ".join(self.label_names).encode())
        for name, split in sorted(self.splits.items()):
            digest.update(f"{name} {split.images.shape}".encode())
            for values in (split.images, split.labels):  # Without a copy: they may be gigabytes.
                digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()[:16]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        height, width, channels = self.splits["train"].images.shape[1:]
        return height, width, channels

    def read(self, index: int) -> Iterator[Example]:
        """The examples of a slice, in their order."""
        for name, split in self.splits.items():
            count, slices = len(split.labels), self.num_slices
            part = slice(round(count * index / slices), round(count * (index + 1) / slices))
            labels = split.labels[part].tolist()
            for image, label in zip(split.images[part], labels, strict=True):
                yield Example(name, image, label)
