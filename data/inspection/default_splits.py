"""What of a dataset is trained and validated on where no flag says so."""

import dataclasses

import numpy as np

from ..by_class import labels_of
from ..dataset import Dataset
from .anomalies import SplitSurvey
from .split_classes import lacks


@dataclasses.dataclass(frozen=True)
class DefaultSplits:
    """The training and the validation split.

    Attributes:
      sizes: the number of images of each by its name; empty where there is no training split.
      notes: which classes are not validated, if the validation split is a part of `train`.
    """

    sizes: dict[str, int]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, dataset: Dataset, surveys: dict[str, SplitSurvey]) -> "DefaultSplits":
        """Those of a dataset whose splits were surveyed."""
        if "train" not in surveys:
            return cls({}, ())
        training, validation = map(dataset.split, dataset.default_splits())
        sizes = {split.name: split.examples for split in (training, validation)}
        if validation.name in surveys:  # The checks tell of the splits on disk.
            return cls(sizes, ())
        known = surveys["train"].label_counts > 0
        known[np.intersect1d(labels_of(validation.shards), np.arange(len(known)))] = False
        missing = np.flatnonzero(known).tolist()
        name, counts = f"{validation.name}, to validate on,", surveys["train"].label_counts
        note = lacks(name, missing, dataset.label_names, counts)
        return cls(sizes, (note,) if missing else ())
