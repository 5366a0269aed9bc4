"""Parts of TFRecord files: which records of which file a split, a worker or a trial reads.

A split is a sequence of parts; to skip, take or share it out, nothing is read.
"""

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class Shard:
    """A part of a TFRecord file.

    Attributes:
      skip: records to pass over at its beginning.
      take: records to read after that.
      first: the index of its first record in the split.
      whole: whether it is all of the file.
    """

    path: str
    skip: int
    take: int
    first: int = 0
    whole: bool = False


def count(shards: Iterable[Shard]) -> int:
    """The number of records."""
    return sum(shard.take for shard in shards)


def cut(shards: tuple[Shard, ...], start: int, stop: int) -> tuple[Shard, ...]:
    """The records from the `start`-th up to, not including, the `stop`-th."""
    parts, position = [], 0
    for shard in shards:
        low, high = max(start - position, 0), min(stop - position, shard.take)
        if low < high:
            whole = shard.whole and (low, high) == (0, shard.take)
            part = Shard(shard.path, shard.skip + low, high - low, shard.first + low, whole)
            parts.append(part)
        position += shard.take
    return tuple(parts)


def of_worker(shards: tuple[Shard, ...], index: int, workers: int) -> tuple[Shard, ...]:
    """The part of one of several workers.

    The parts of all workers are disjoint and complete, and differ by at most one record.
    """
    if not 0 <= index < workers:
        raise ValueError(f"Expected 0 <= index < workers. Received: {index} of {workers}")
    records = count(shards)
    return cut(shards, records * index // workers, records * (index + 1) // workers)


def common(first: Iterable[Shard], second: Iterable[Shard]) -> int:
    """The number of records that both hold."""
    taken: dict[str, list[Shard]] = {}
    for shard in first:
        taken.setdefault(shard.path, []).append(shard)
    return sum(
        max(0, min(a.skip + a.take, b.skip + b.take) - max(a.skip, b.skip))
        for b in second
        for a in taken.get(b.path, [])
    )
