"""Holding back what native code writes straight to standard error."""

import contextlib
import faulthandler
import os
import sys
import tempfile
import threading
from collections.abc import Iterator

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
    with _LOCK:
        yield from _held_back()


def _held_back() -> Iterator[None]:
    sys.stderr.flush()
    saved = os.dup(2)
    # Native code may abort (a processor without AVX): say at least where.
    watching = faulthandler.is_enabled()
    faulthandler.enable(file=saved)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            with interruption.writing_to(saved):
                yield
        except BaseException:
            held.seek(0)
            os.write(saved, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            faulthandler.disable()
            if watching:
                faulthandler.enable()
            os.close(saved)
