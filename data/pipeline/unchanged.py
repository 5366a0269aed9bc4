"""Refuses shards that are not what their dataset was prepared with, or what a run began with.

A record in a shard has a checksum of its own; here it is seen that a whole record, or shard, is
another.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ...base.errors import DataError
from .. import digests
from ..dataset import Dataset, Split
from ..metadata import prepare_again
from . import records

# What is more, no page cache keeps: it would be read from the disk once more.
_LARGEST = 4 << 30


def require(
    splits: Sequence[Split], found: Iterable[tuple[Path, str]], what: str, lost: Sequence[str] = ()
) -> None:
    """Refuses the first shard that differs.

    Args:
      splits: that are read, all of one dataset.
      found: the files that differ, and in what.
      what: that they are not, and what to do; `{}` in it stands for what differs.
      lost: the damaged records that are left out, as `salvage.usable` gives them.

    Raises:
      DataError: names the file and what differs; of a damaged one, the record.
    """
    for path, cause in found:
        if any(line.startswith(f"{path}, ") for line in lost):
            continue
        for split in splits:
            shards = tuple(shard for shard in split.shards if Path(shard.path) == path)
            damage = records.diagnose(dataclasses.replace(split, shards=shards))
            if damage is not None:
                raise damage
        raise DataError(f"{path}: {what.format(cause)}")


def require_prepared(
    splits: Sequence[Split],
    lost: Sequence[str] = (),
    differing: Callable[[Split], Iterable[tuple[Path, str]]] = digests.differing_at_ends,
) -> None:
    """Refuses shards that are not as the metadata of their datasets state them.

    Args:
      splits: that are read, of whatever datasets.
      lost: as `require` takes it.
      differing: gives the shards of a split that are others, and in what; by default those of
        another size or with other ends.

    Raises:
      DataError: as `require`.
    """
    _refuse_overlong(splits)
    for dataset, parts in by_dataset(splits):
        found = itertools.chain.from_iterable(map(differing, parts))
        mend = f"copy the file again, or {prepare_again(dataset.name)}"
        require(parts, found, f"not what the dataset was prepared with ({{}}): {mend}", lost)


def _refuse_overlong(splits: Sequence[Split]) -> None:
    """Refuses a record that TensorFlow's reader dies of, in shards without digests: not ours."""
    shards = {  # Each file once: splits are parts of the same.
        Path(shard.path): shard
        for split in splits
        for shard in split.shards
        if Path(shard.path).name not in split.dataset.metadata.files
    }
    if sum(path.stat().st_size for path in shards if path.is_file()) > _LARGEST:
        return
    for error in filter(None, map(records.overlong, shards.values())):
        raise error


def by_dataset(splits: Sequence[Split]) -> list[tuple[Dataset, list[Split]]]:
    """The splits of each dataset."""
    datasets = {split.dataset.directory: split.dataset for split in splits}
    return [
        (dataset, [split for split in splits if split.dataset.directory == directory])
        for directory, dataset in datasets.items()
    ]
