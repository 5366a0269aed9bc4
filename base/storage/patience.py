"""Trying again where a store does not answer: with growing pauses, up to a limit, and said."""

import time
from collections.abc import Callable

from .. import progress
from .store import StoreError

# After this many seconds without an answer it is given up.
LIMIT_S = 600.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0


def patiently(work: Callable[[], None], wait: Callable[[float], object] = time.sleep) -> None:
    """Does some work again until the store takes it; what fails meanwhile is said.

    Args:
      work: done again after a `StoreError`; other errors end it.
      wait: pauses for a number of seconds.

    Raises:
      StoreError: the last one, after `LIMIT_S`.
    """
    begun, pause = time.monotonic(), FIRST_PAUSE_S
    while True:
        try:
            work()
            return
        except StoreError as error:
            failed_s = time.monotonic() - begun
            if failed_s >= LIMIT_S:
                raise StoreError(
                    f"{error}; given up after {progress.duration(failed_s)}: run the same command "
                    "again when the store answers"
                ) from error
            progress.say(f"{error}; trying again in {pause:g} s")
        wait(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)
