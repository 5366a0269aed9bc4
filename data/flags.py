"""Flags that several commands share."""

from typing import Any

from ..base.command_flags import flag


def max_corrupt_records(group: str) -> Any:
    """The field of --max_corrupt_records, in a dataclass of options.

    Args:
      group: the title under which `--help` shows it.
    """
    return flag(
        0, "Go on without up to this many damaged records; each is named.", group=group, at_least=0
    )
