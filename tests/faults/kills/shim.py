"""The library of shim.c, which kills a process at a call that changes a file, or fails the call.

And that of clock.c, which shows it another time.
"""

import ctypes
import dataclasses
import errno
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

_SOURCES = [Path(__file__).with_name(name) for name in ("shim.c", "clock.c")]
# As shim.c counts them.
BEFORE, AFTER, HALF = range(3)
# The calls that fail, as shim.c calls them: those for which a file is too large, those for which a
# disk is full, and all.
_WRITING = "write truncate"
_GROWING = f"{_WRITING} open mkdir rename exchange symlink fsync"
_CHANGING = f"{_GROWING} unlink rmdir chmod utime"
_FAIL = {errno.EFBIG: _WRITING, errno.ENOSPC: _GROWING, errno.EDQUOT: _GROWING}


@dataclasses.dataclass(frozen=True)
class Kill:
    """When a process is killed.

    Attributes:
      number: of the call, from 1.
      when: before it, after it, or when half of the bytes are written.
      exchange: whether the file system can exchange two folders.
    """

    number: int
    when: int = BEFORE
    exchange: bool = True


def is_there() -> bool:
    """Whether it can be compiled here."""
    return shutil.which("gcc") is not None


@functools.cache
def environment() -> dict[str, str]:
    """With which a process has the library."""
    library = Path(tempfile.mkdtemp(prefix="digitline-kills-"), "shim.so")
    command = ["gcc", "-shared", "-fPIC", "-O2", "-o", library, *_SOURCES, "-ldl"]
    subprocess.run(command, check=True)
    return {"LD_PRELOAD": str(library)}


def arm(kill: Kill, folder: str, log: str | None = None) -> None:
    """Has this process killed at a call on something in a folder; called in it.

    Its temporary files go to `tmp` in that folder.

    Args:
      kill: number 0 for never.
      folder: absolute.
      log: gets a line for each call.
    """
    tempfile.tempdir = None
    os.environ["TMPDIR"] = os.path.join(folder, "tmp")
    descriptor = -1 if log is None else os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    numbers = kill.number, kill.when, descriptor, not kill.exchange
    ctypes.CDLL(None).kill_at(folder.encode(), *numbers)


def fail(error: int) -> None:
    """Instead of the kill, calls fail from then on, by this number of `errno`."""
    ctypes.CDLL(None).fail_at(error, _FAIL.get(error, _CHANGING).encode())


def lose(folder: str, to: str) -> None:
    """Instead of the kill, a folder is moved away."""
    ctypes.CDLL(None).lose_at(folder.encode(), to.encode())


def set_clock(seconds: int, jumps: bool = False) -> None:
    """From now on this process's clock is ahead; where it jumps, at every other look."""
    ctypes.CDLL(None).set_clock(ctypes.c_long(seconds), jumps)
