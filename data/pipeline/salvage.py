"""What is left of damaged TFRecord files, for those who would rather lose a few images.

What can be read of a damaged file is read by `base/tfrecord.py`: TensorFlow's reader stops at the
first damage, and skipping its errors can go on forever.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...base import files, progress, tfrecord
from ...base.errors import DataError, first_line
from ...base.process import temporary
from ...base.tf import tf
from ..dataset import Dataset, Split
from ..shards import Shard
from . import examples, records, unchanged


@dataclasses.dataclass
class Losses:
    """The damaged records that were found, a line for each; one too many is an error."""

    at_most: int
    lines: list[str] = dataclasses.field(default_factory=list)

    def add(self, shard: Shard, record: int, cause: str) -> None:
        """Counts a record; it is a `DataError` if that is one more than may be lost."""
        self.lines.append(f"{shard.path}, record {record}: {cause}")
        if len(self.lines) > self.at_most:
            raise DataError(
                f"more than --max_corrupt_records={self.at_most} records are damaged; the last: "
                f"{self.lines[-1]}"
            )


def usable(
    splits: Sequence[Split], max_corrupt: int, folder: Path
) -> tuple[list[Split], list[str]]:
    """The splits with the damaged records left out.

    A damaged shard is replaced by a copy of its sound records in `folder`.

    Args:
      splits: to check; every record is read once.
      max_corrupt: how many records may be lost in all; if none, no record is read.
      folder: of the copies.

    Returns:
      The splits to read, and a line for each lost record, which is reported too.

    Raises:
      DataError: more are lost than may be; or a shard is not what was prepared.
    """
    if not max_corrupt:
        unchanged.require_prepared(splits)
        return list(splits), []
    losses = Losses(max_corrupt)
    sound = [
        dataclasses.replace(split, shards=_sound_shards(split, folder / str(number), losses))
        for number, split in enumerate(splits)
    ]
    report(losses.lines)
    unchanged.require_prepared(splits, losses.lines)
    return sound, losses.lines


@contextlib.contextmanager
def sound(splits: Sequence[Split], max_corrupt: int) -> Iterator[tuple[list[Split], list[str]]]:
    """What `usable` gives, while the block lasts; the losses are reported again at its end."""
    with temporary.folder() as folder:
        usable_splits, lost = usable(splits, max_corrupt, folder)
        yield usable_splits, lost
    report(lost)


def _sound_shards(split: Split, folder: Path, losses: Losses) -> tuple[Shard, ...]:
    shards: list[Shard] = []
    for number, shard in enumerate(split.shards):
        if records.is_sound(split.dataset, shard):
            shards.append(shard)
            continue
        copy = folder / f"{number:05d}-{Path(shard.path).name}"
        kept = _copy_sound_records(split.dataset, shard, copy, losses)
        if kept:
            shards.append(Shard(str(copy), range(kept), shard.first))
    return tuple(shards)


def _copy_sound_records(dataset: Dataset, shard: Shard, copy: Path, losses: Losses) -> int:
    """Writes a shard's sound records to `copy`; returns how many there are."""
    kept = 0
    files.ensure_folder(copy.parent)
    with files.replacing(copy) as aside, tf.io.TFRecordWriter(str(aside)) as writer:
        for number, content in _contents(shard, losses):
            try:
                examples.parse(dataset, tf.constant([content]))
            except records.ERRORS as error:
                losses.add(shard, number, first_line(error))
                continue
            writer.write(content)
            kept += 1
    return kept


def _contents(shard: Shard, losses: Losses) -> Iterator[tuple[int, bytes]]:
    """(number, content) of each record whose checksums hold."""
    wanted = set(shard.numbers)
    for number, content in enumerate(tfrecord.contents(Path(shard.path), max(wanted) + 1)):
        if number not in wanted:
            continue
        if isinstance(content, str):
            losses.add(shard, number, content)
        else:
            yield number, content


def report(lost: list[str]) -> None:
    """Says what was lost."""
    for line in lost:
        progress.say(f"skipped {line}")
    if lost:
        progress.say(f"{len(lost):,} damaged records are left out")
