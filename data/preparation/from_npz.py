"""A NumPy file (.npz) to a dataset."""

import numpy as np

from ..sources import npz
from ..sources.raw import RawDataset, RawSplit
from ..sources.slices import NUM_SHARDS
from ..sources.stratify import SPLITS, Cut
from . import folder, from_arrays
from .request import Outcome, Request

_VERSION = "1.0.0"


def prepare(request: Request) -> Outcome:
    """Prepares the dataset.

    Raises:
      DataError: the file is not of the form.
      UserError: the dataset cannot be written.
    """
    # Before the file is read: what changes meanwhile is noticed next time.
    recorded = request.recorded_source()
    splits, label_names = npz.read(request.place)
    cut = request.cut(set(splits))
    splits = {**splits, **_cut(splits["train"], label_names, cut)}
    raw = RawDataset(request.prepared_name, _VERSION, splits, label_names, request.origin)
    smallest = min(len(split.labels) for split in splits.values())
    num_shards = request.num_shards or min(NUM_SHARDS, smallest)
    with folder.preparing(request.data_dir, raw.name):
        from_arrays.write(raw, request, num_shards, {"source": recorded})
    return Outcome(request.origin)


def _cut(train: RawSplit, label_names: tuple[str, ...], cut: Cut) -> dict[str, RawSplit]:
    """The training split, cut into splits; those without images are left out."""
    numbers = np.zeros(len(train.labels), np.int8)
    for label, name in enumerate(label_names):
        rows = np.flatnonzero(train.labels == label)
        numbers[rows] = cut.splits(name, len(rows), np.arange(len(rows)))
    return {
        split: RawSplit(train.images[numbers == number], train.labels[numbers == number])
        for number, split in enumerate(SPLITS)
        if number == 0 or (numbers == number).any()
    }
