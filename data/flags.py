"""Flags that several commands share."""

from typing import Any

from absl import flags


def define_max_corrupt_records(**where: Any) -> None:
    """Defines --max_corrupt_records.

    Args:
      where: a flag group of `command.group`.
    """
    flags.DEFINE_integer(
        "max_corrupt_records",
        0,
        "Go on without up to so many damaged records; each is named.",
        lower_bound=0,
        **where,
    )
