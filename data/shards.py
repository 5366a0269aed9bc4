"""Parts of TFRecord files: which records of which file a split, a worker or a trial reads.

A split is a sequence of parts; to skip, take or share it out, nothing is read.
"""

import dataclasses
from collections.abc import Iterable

import numpy as np


@dataclasses.dataclass(frozen=True)
class Shard:
    """A part of a TFRecord file.

    Attributes:
      numbers: of the records to read, in the file, from 0; ascending.
      first: the index of the first of them in the split.
      whole: whether they are all of the file.
    """

    path: str
    numbers: range | tuple[int, ...]
    first: int = 0
    whole: bool = False


def count(shards: Iterable[Shard]) -> int:
    """The number of records."""
    return sum(len(shard.numbers) for shard in shards)


def cut(shards: tuple[Shard, ...], start: int, stop: int) -> tuple[Shard, ...]:
    """The records from the `start`-th up to, not including, the `stop`-th."""
    parts, position = [], 0
    for shard in shards:
        low, high = max(start - position, 0), min(stop - position, len(shard.numbers))
        if low < high:
            whole = shard.whole and (low, high) == (0, len(shard.numbers))
            part = Shard(shard.path, shard.numbers[low:high], shard.first + low, whole)
            parts.append(part)
        position += len(shard.numbers)
    return tuple(parts)


def spread(shards: tuple[Shard, ...], number: int) -> tuple[Shard, ...]:
    """Evenly spaced records, `number` of them or all; they count from 0."""
    records = count(shards)
    number = min(number, records)
    wanted = np.arange(number) * records // max(number, 1)
    parts, position, first = [], 0, 0
    for shard in shards:
        here = wanted[(wanted >= position) & (wanted < position + len(shard.numbers))] - position
        if len(here):
            numbers = tuple(shard.numbers[index] for index in here.tolist())
            whole = shard.whole and len(numbers) == len(shard.numbers)
            parts.append(Shard(shard.path, numbers, first, whole))
        first += len(here)
        position += len(shard.numbers)
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
        len(set(a.numbers).intersection(b.numbers)) for b in second for a in taken.get(b.path, [])
    )


def indices(shards: Iterable[Shard]) -> np.ndarray:
    """The index in the split of each record: int64 [n]."""
    ranges = [np.arange(shard.first, shard.first + len(shard.numbers)) for shard in shards]
    return np.concatenate([np.zeros(0, np.int64), *ranges])
