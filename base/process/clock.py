"""The clock, which may be wrong: a machine without a battery begins in 1970, and is set later."""

import time
from pathlib import Path

from ..errors import UserError

# What the clock says beyond the time since the machine's start, when this process begins.
_AHEAD_S = time.time() - time.monotonic()
# More than it is slowed down or hurried on within an export, in seconds.
_SET_S = 1.0
# The first year of zip files.
_FIRST_YEAR = 1980


def was_set() -> bool:
    """Whether somebody has set the clock since this process began: then no age is known."""
    return abs(time.time() - time.monotonic() - _AHEAD_S) > _SET_S


def require_for_zip(path: Path) -> None:
    """Refuses a time that a zip file cannot state, as a Keras file is one.

    Raises:
      UserError: names the file that is to be written, and the time.
    """
    if time.localtime().tm_year < _FIRST_YEAR:
        raise UserError(
            f"{path}: the clock of this machine says {time.strftime('%Y-%m-%d %H:%M')}, and the "
            f"file cannot be dated before {_FIRST_YEAR}: set the clock, then run the same command "
            "again"
        )
