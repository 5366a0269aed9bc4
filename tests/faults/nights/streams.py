"""What may be wrong with a command's standard streams, and how it ends then.

Only a result that cannot be written counts: as of other tools, one line and status 1, or no line
and status 141 where nobody reads any more. What is lost of progress and messages changes nothing.
"""

import dataclasses
import os
import re
from collections.abc import Callable, Iterator

from forks import Ended

_OUT, _ERR = 1, 2
UNREAD = 141


@dataclasses.dataclass(frozen=True)
class State:
    """A state of the streams.

    Attributes:
      begin: brings it about, in the process that becomes the command.
      out: what is said of a result that cannot be written; empty where nobody reads it; None where
        it can be written.
      hears: whether standard error is read.
    """

    begin: Callable[[], None]
    out: str | None = None
    hears: bool = True


def close_in() -> None:
    os.close(0)


def close_out() -> None:
    os.close(_OUT)


def close_err() -> None:
    os.close(_ERR)


def close_all() -> None:
    os.closerange(0, 3)


def fill_out() -> None:
    _lead(_OUT, os.open("/dev/full", os.O_WRONLY))


def fill_err() -> None:
    _lead(_ERR, os.open("/dev/full", os.O_WRONLY))


def fill_both() -> None:
    fill_out()
    fill_err()


def leave_out() -> None:
    _lead(_OUT, _unread())


def leave_err() -> None:
    _lead(_ERR, _unread())


def leave_both() -> None:
    """As of `2>&1 | head`."""
    _lead(_OUT, _unread())
    os.dup2(_OUT, _ERR)


def hang_up() -> None:
    """As of a terminal that is gone."""
    ours, theirs = os.openpty()
    for descriptor in range(3):
        os.dup2(theirs, descriptor)
    os.close(theirs)
    os.close(ours)


STATES = {
    "in closed": State(close_in),
    "out closed": State(close_out, out="Bad file descriptor"),
    "err closed": State(close_err, hears=False),
    "all closed": State(close_all, out="Bad file descriptor", hears=False),
    "out full": State(fill_out, out="No space left on device"),
    "err full": State(fill_err, hears=False),
    "both full": State(fill_both, out="No space left on device", hears=False),
    "out unread": State(leave_out, out=""),
    "err unread": State(leave_err, hears=False),
    "both unread": State(leave_both, out="", hears=False),
    "terminal gone": State(hang_up, out="Input/output error", hears=False),
}


def wrong(state: State, usual: Ended, ended: Ended) -> Iterator[str]:
    """What is wrong with how a command ended, which without that state ends as usual."""
    status = usual.status
    if usual.status == 0 and usual.out and state.out is not None:
        status = 1 if state.out else UNREAD
    if ended.late:
        yield "it did not end"
    if ended.status != status:
        yield f"its status is {ended.status}, not {status}: {ended.err[-500:]}"
    if state.out is None and _steady(ended.out) != _steady(usual.out):
        yield f"its result is {ended.out[:300]!r}, not {usual.out[:300]!r}"
    for noise in ("Traceback", "Exception ignored", "Logging error", "Errno"):
        if noise in ended.err:
            yield f"it says: {ended.err[-1000:]}"
    errors = [line for line in ended.err.splitlines() if ": error: " in line]
    said = [line for line in usual.err.splitlines() if ": error: " in line]
    if state.hears and state.out and usual.status == 0 and usual.out:
        said = [line for line in errors if f"standard output: {state.out}" in line]
    if state.hears and (errors != said or len(errors) > 1):
        yield f"its errors are {errors}, not {said}"


def _steady(text: str) -> str:
    """A result without its numbers: seconds are not the same again."""
    return re.sub(r"[\d.,e+-]+", "", text)


def _lead(descriptor: int, to: int) -> None:
    os.dup2(to, descriptor)
    os.close(to)


def _unread() -> int:
    """A pipe that nobody reads."""
    reads, writes = os.pipe()
    os.close(reads)
    return writes
