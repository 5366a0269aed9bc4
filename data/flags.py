"""Flags that several commands share."""

from typing import Any

from ..base import addresses
from ..base.command_flags import flag

# Where prepared datasets lie unless a flag says otherwise; the variable is TFDS's own.
DATA_DIR = addresses.of_variable("TFDS_DATA_DIR", "datasets")


def max_corrupt_records(group: str) -> Any:
    """The field of --max_corrupt_records, in a dataclass of options.

    Args:
      group: the title under which `--help` shows it.
    """
    return flag(
        0, "Go on without up to this many damaged records; each is named.", group=group, at_least=0
    )


def data_dir(group: str) -> Any:
    """The field of --data_dir, in a dataclass of options; else as `max_corrupt_records`."""
    return flag(
        DATA_DIR,
        "Root folder of prepared datasets. Its default is TFDS_DATA_DIR of the environment, if "
        "that is set. It may be an address such as s3://bucket/folder.",
        group=group,
        remote=True,
    )
