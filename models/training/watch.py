"""Holds the data of a run against what it began with: it is trained on these, or not at all."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from ...base import configs, files
from ...base.storage import records
from ...data import digests
from ...data.dataset import Dataset, Split
from ...data.digests import SplitDigest
from ...data.pipeline import unchanged
from ..run.folder import Run

_CHANGED = (
    "not what the run began with ({}): restore it and run the same command again, or train again "
    "with --overwrite"
)
# Of a file: size, time of change, time of its entry's change, and which it is.
_State = tuple[int, int, int, int]


@dataclasses.dataclass(frozen=True)
class _Began:
    """What data.json holds: the splits of each dataset, by its name."""

    datasets: dict[str, tuple[SplitDigest, ...]]


class Watch:
    """The data that a run is trained and validated on.

    Args:
      run: whose folder is held.
      splits: that it reads.
      lost: the damaged records in them that are left out, as `salvage.usable` gives them.

    Raises:
      DataError: a shard is not what was prepared, or not what the run began with; names it.
    """

    def __init__(self, run: Run, splits: Sequence[Split], lost: Sequence[str] = ()):
        self._splits, self._lost = list(splits), list(lost)
        self._states = self._states_now()
        run_id, mend = run.load_config().id, "restore it, or train again with --overwrite"
        if files.is_there(run.data):
            self._began = records.read(run.data, _Began, mend, run_id)
            self._require_same()
        else:
            parts = unchanged.by_dataset(self._splits)
            found = {dataset.name: digests.of_dataset(dataset) for dataset, _ in parts}
            unchanged.require_prepared(
                self._splits,
                lost,
                lambda split: digests.differing(split, found[split.dataset.name]),
            )
            self._began = _Began(found)
            records.write(run.data, configs.to_config(self._began), run_id)

    def of(self, dataset: Dataset) -> tuple[SplitDigest, ...]:
        """A dataset as the run began with it."""
        return self._began.datasets[dataset.name]

    def require_same(self) -> None:
        """Refuses files that have changed since; those that nobody touched are not read again.

        Raises:
          DataError: names the file.
        """
        states = self._states_now()
        if states != self._states:
            self._require_same()
            self._states = states

    def _require_same(self) -> None:
        for dataset, parts in unchanged.by_dataset(self._splits):
            before = self._began.datasets.get(dataset.name, ())
            unchanged.require(parts, digests.changed(parts, before), _CHANGED, self._lost)

    def _states_now(self) -> dict[str, _State | None]:
        paths = {shard.path for split in self._splits for shard in split.shards}
        return {path: _state(Path(path)) for path in sorted(paths)}


def _state(path: Path) -> _State | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
