"""A command's standard streams: each is there, and only its result can fail by one.

One that is closed is opened first: else the next file that the process opens would be in its place,
and what libraries print would go into that file. What is said on standard error may be lost (a full
disk, a terminal that is gone, a reader that has ended): the work goes on. A result that cannot be
written is an error, as it is of other tools; where nobody reads it any more, a silent one.
"""

import contextlib
import io
import os
import select
import sys
from typing import Any, TextIO

# The exit status where nobody reads the result: a shell's, for a process that SIGPIPE ended.
UNREAD = 141


def settle() -> None:
    """Sees to the streams of this process, which is a command, or a part of one.

    What somebody has put in their place, as tests do, stays.
    """
    for descriptor in range(3):
        _open_if_closed(descriptor)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 (to the end)
    if sys.stdout is sys.__stdout__:
        sys.stdout = _lossy(1, sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _lossy(2, sys.stderr)
    sys.unraisablehook = _say_unraised


def show(typed: str, text: str, descriptor: int = 1) -> int:
    """Writes a command's result to standard output, with the end of its line.

    Args:
      typed: the command, as a person types it.
      text: the result.
      descriptor: where standard output leads.

    Returns:
      The exit status that comes of it: 0; 1 where it cannot be written, which is said; `UNREAD`.
    """
    try:
        write(text, descriptor)
    except BrokenPipeError:
        return UNREAD
    except OSError as error:
        print(f"{typed}: error: standard output: {error.strerror}", file=sys.stderr, flush=True)
        return 1
    return 0


def write(text: str, descriptor: int) -> None:
    """Writes a text and the end of its line; raises OSError where that is impossible."""
    # Names of files may hold what is no text.
    content = memoryview(f"{text}\n".encode(errors="backslashreplace"))
    while content:
        try:
            content = content[os.write(descriptor, content) :]
        except BlockingIOError:  # Whoever has the other end has made it so.
            select.select([], [descriptor], [])


class _Lossy(io.FileIO):
    """What cannot be written counts as written."""

    def write(self, b: Any, /) -> int:
        try:
            while (count := super().write(b)) is None:  # As above.
                select.select([], [self], [])
            return count
        except OSError:
            return len(b)


def _lossy(descriptor: int, before: TextIO | None) -> TextIO:
    """A stream to a descriptor, instead of another, which has nothing left to write."""
    if before is not None:
        with contextlib.suppress(OSError):
            before.flush()
    file = io.BufferedWriter(_Lossy(descriptor, "w", closefd=False))
    encoding = before.encoding if before is not None else "utf-8"
    return io.TextIOWrapper(file, encoding, "backslashreplace", line_buffering=True)


def _say_unraised(unraised: "sys.UnraisableHookArgs") -> None:
    """Says faults; that libraries cannot write or delete a file at the end helps nobody to know."""
    if not isinstance(unraised.exc_value, OSError):
        sys.__unraisablehook__(unraised)


def _open_if_closed(descriptor: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:
        # Standard output so that nothing can be written: its result would be lost without a word.
        mode = os.O_WRONLY if descriptor == 2 else os.O_RDONLY
        os.set_inheritable(os.open(os.devnull, mode), True)  # The lowest that is free: it is this.
