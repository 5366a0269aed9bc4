"""A dataset's raw content in memory: what a reader of files or downloads returns."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np


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
    """A dataset's raw content, checked.

    Attributes:
      name: of the dataset.
      version: of the dataset, as TFDS writes it.
      splits: by name.
      label_names: by class number.
      origin: where it came from, in words.
      metadata: what else goes into the dataset's `metadata.json`.
    """

    name: str
    version: str
    splits: Mapping[str, RawSplit]
    label_names: tuple[str, ...]
    origin: str
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)
