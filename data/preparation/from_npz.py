"""A NumPy file (.npz) to a dataset."""

from pathlib import Path

import numpy as np

from ..sources import npz
from ..sources.raw import RawDataset, RawSplit
from ..sources.stratify import SPLITS, Cut
from . import folder as builders
from .request import Request, make_cut

_VERSION = "1.0.0"
_SHARDS = 8


def prepare(asked: Request, data_dir: Path, overwrite: bool) -> None:
    """Prepares the dataset.

    Args:
      asked: with a `source_file`.
      data_dir: the root of all datasets.
      overwrite: replaces what is there.

    Raises:
      DataError: the file is not of the form.
      UserError: the dataset cannot be written.
    """
    assert asked.source_file is not None
    recorded = asked.source  # Before the file is read: what changes meanwhile is noticed next time.
    splits, label_names = npz.read(asked.source_file)
    cut = make_cut(asked, set(splits))
    splits = {**splits, **_cut(splits["train"], label_names, cut)}
    raw = RawDataset(
        asked.name, _VERSION, splits, label_names, asked.origin, metadata={"source": recorded}
    )
    smallest = min(len(split.labels) for split in splits.values())
    with builders.preparing(data_dir, asked.name):
        builders.write(raw, data_dir, asked.num_shards or min(_SHARDS, smallest), overwrite)


def _cut(train: RawSplit, label_names: tuple[str, ...], cut: Cut) -> dict[str, RawSplit]:
    """The training split, cut as asked for."""
    places = np.zeros(len(train.labels), np.int8)
    for number, name in enumerate(label_names):
        rows = np.flatnonzero(train.labels == number)
        places[rows] = cut.splits(name, len(rows), np.arange(len(rows)))
    found = {}
    for number, split in enumerate(SPLITS):
        if number == 0 or (places == number).any():
            rows = places == number
            found[split] = RawSplit(train.images[rows], train.labels[rows])
    return found
