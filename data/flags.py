"""Flags that several commands share."""

from typing import Any

from absl import flags

from ..base.command_flags import flag

_MAX_CORRUPT_RECORDS = "Go on without up to this many damaged records; each is named."


def max_corrupt_records_flag(group: str) -> Any:
    """The field of --max_corrupt_records in a dataclass of options."""
    return flag(0, _MAX_CORRUPT_RECORDS, group=group, at_least=0)


def define_max_corrupt_records(**where: Any) -> None:
    """Defines --max_corrupt_records.

    Args:
      where: a flag group of `command.group`.
    """
    flags.DEFINE_integer(
        "max_corrupt_records",
        0,
        _MAX_CORRUPT_RECORDS,
        lower_bound=0,
        **where,
    )
