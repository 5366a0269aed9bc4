"""Whether a finished run is still made of the files that `train` recorded in training.json.

Nothing of it may be exchanged unnoticed before it is evaluated or exported.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ...base import files
from ...base.catalog import RUN_FREE
from ...base.errors import UserError
from ...base.files import JsonObject
from ...base.tables import short
from ...data.dataset import Split
from ...data.digests import changed
from ...data.pipeline import unchanged
from .records import Made

_WIDTH = 60


def require_same_config(made: Made, model: Path, config: Path, content: JsonObject) -> None:
    """Refuses a configuration that is not the run's.

    Args:
      config: its file, with this content.

    Raises:
      UserError: names the file and what differs.
    """
    for name, now, then in _differences("", content, made.config):
        if name not in RUN_FREE:
            raise UserError(
                f"{config}: {name} is {short(now, _WIDTH)}; it was {short(then, _WIDTH)} when "
                f"{model.name} was trained: restore the file, or train again with --overwrite"
            )


def require_same_model(made: Made, model: Path) -> None:
    """Refuses a model that is not the run's.

    Raises:
      UserError: names the file.
    """
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
    what = (
        "not what the run was trained with ({}): restore it, or prepare the dataset again and "
        "train again"
    )
    unchanged.require(splits, changed(splits, made.splits), what, lost)


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
