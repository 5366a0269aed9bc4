"""Whether a finished run is still made of the files that `train` recorded in training.json.

Nothing of it may be exchanged unnoticed before it is evaluated or exported.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ...base import files
from ...base.errors import DataError, UserError
from ...base.tables import short
from ...data.dataset import Dataset, Split
from ...data.digests import changed, of_dataset
from ...data.pipeline import records
from .records import Made

# What may be edited: where the dataset lies.
_FREE = "data_dir"
_WIDTH = 60


def of(model: Path, config: Path, dataset: Dataset) -> Made:
    """What is recorded of a run's files, and of the dataset that it was trained on."""
    return Made(files.sha256(model), files.read_json(config), of_dataset(dataset))


def require_same_files(made: Made, model: Path, config: Path) -> None:
    """Refuses a configuration or a model that is not the run's.

    Raises:
      UserError: names the file and what differs.
    """
    for name, now, then in _differences("", files.read_json(config), made.config):
        if name != _FREE:
            raise UserError(
                f"{config}: {name} is {short(now, _WIDTH)}; it was {short(then, _WIDTH)} when "
                f"{model.name} was trained: restore the file, or train again with --overwrite"
            )
    sha256 = files.sha256(model)
    if sha256 != made.model_sha256:
        raise UserError(
            f"{model}: not the model that this run has trained (sha256 {sha256[:8]}, "
            f"{made.model_sha256[:8]} then): restore the file, or train again with --overwrite"
        )


def require_same_data(made: Made, splits: Sequence[Split], lost: Sequence[str] = ()) -> None:
    """Refuses shards that are not what they were when the run was trained.

    Args:
      splits: that are to be read, all of one dataset.
      lost: the damaged records in them that are left out, as `salvage.usable` gives them.

    Raises:
      DataError: names the file and what differs; of a damaged one, the record.
    """
    for path, cause in changed(splits, made.splits):
        if any(line.startswith(f"{path}, ") for line in lost):
            continue
        for split in splits:
            shards = tuple(shard for shard in split.shards if Path(shard.path) == path)
            damage = records.diagnose(dataclasses.replace(split, shards=shards))
            if damage is not None:
                raise damage
        raise DataError(
            f"{path}: not what the run was trained with ({cause}): restore it, or prepare the "
            "dataset again and train again"
        )


def _differences(name: str, now: Any, then: Any) -> Iterator[tuple[str, str, str]]:
    """The names of what differs in two JSON values, and both in words."""
    if isinstance(now, dict) and isinstance(then, dict):
        for key in {**then, **now}:
            inner = f"{name}.{key}" if name else key
            yield from _differences(inner, now.get(key), then.get(key))
    elif isinstance(now, list) and isinstance(then, list) and len(now) == len(then):
        for index, (one, other) in enumerate(zip(now, then, strict=True)):
            yield from _differences(f"{name}[{index}]", one, other)
    elif now != then:
        yield name, str(now), str(then)
