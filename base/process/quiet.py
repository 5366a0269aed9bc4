"""Holding back what native code writes straight to standard error."""

import contextlib
import faulthandler
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import IO

from . import interruption

# Of the descriptor: two threads must not put it back in the order in which they took it.
_LOCK = threading.RLock()


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Holds back file descriptor 2; lets it out if the block fails.

    The descriptor is the whole process's: what other threads write meanwhile is held back too.
    """
    if os.environ.get("DIGITLINE_TF_LOG"):
        yield
        return
    with _LOCK, contextlib.ExitStack() as stack:
        descriptors = _descriptors(stack)
        if descriptors is None:
            yield
        else:
            yield from _held_back(*descriptors)


def _descriptors(stack: contextlib.ExitStack) -> tuple[IO[bytes], int] | None:
    """What takes the text, and a copy of the descriptor; None where nothing can be held back."""
    try:
        held, saved = stack.enter_context(_scratch()), os.dup(2)
    except OSError:  # It is closed, or there are no more files.
        return None
    stack.callback(os.close, saved)
    return held, saved


def _held_back(held: IO[bytes], saved: int) -> Iterator[None]:
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()
    # Native code may abort (a processor without AVX): say at least where.
    watching = faulthandler.is_enabled()
    faulthandler.enable(file=saved)
    os.dup2(held.fileno(), 2)
    try:
        with interruption.writing_to(saved):
            yield
    except BaseException:
        held.seek(0)
        with contextlib.suppress(OSError):  # The error itself is what counts.
            os.write(saved, held.read())
        raise
    finally:
        os.dup2(saved, 2)
        faulthandler.disable()
        if watching:
            faulthandler.enable(file=2)  # Not `sys.stderr`, which may be no file.


def _scratch() -> IO[bytes]:
    """A file without a name: in memory, where the system has such, since a disk may be full."""
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("held back"), "w+b")
    return tempfile.TemporaryFile()
