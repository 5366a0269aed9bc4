"""The library of shim.c, which kills a process at a call that changes a file."""

import ctypes
import dataclasses
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

_SOURCE = Path(__file__).with_name("shim.c")
# As shim.c counts them.
BEFORE, AFTER, HALF = range(3)


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
    command = ["gcc", "-shared", "-fPIC", "-O2", "-o", library, _SOURCE, "-ldl"]
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
