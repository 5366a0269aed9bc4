"""What the system refuses of files, as one line: which file, what is wrong, what to do.

Python says it by an `OSError`, TensorFlow by an error of its own with the system's words in it, and
libraries wrap both in others.
"""

import errno
import os
import re
import sys
from typing import Any

from .errors import UserError, first_line
from .process.temporary import TEMPORARY

_AGAIN = "then run the same command again"
_ROOM = f"free some space or use another folder, {_AGAIN}"
_RIGHTS = f"let this user read and write it or use another folder, {_AGAIN}"
# What to do, by the system's number of the trouble.
_ADVICE = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: f"allow larger files (ulimit -f) or use another folder, {_AGAIN}",
    errno.EROFS: f"use another folder, {_AGAIN}",
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EMFILE: f"allow more of them (ulimit -n), {_AGAIN}",
    errno.ENFILE: f"end other programs, {_AGAIN}",
    errno.ENOMEM: f"end other programs, {_AGAIN}",
    errno.ENOENT: "if it was removed meanwhile, put it back or run the same command again",
    errno.EEXIST: "something else is in its place: move it away",
    errno.ENOTDIR: "a file is in the place of a folder: move it away",
    errno.EISDIR: "a folder is in the place of a file: move it away",
    errno.EIO: f"its disk has an error: use another one, {_AGAIN}",
    errno.ESTALE: f"mount its file system again, {_AGAIN}",
}
_NUMBERS = {os.strerror(number): number for number in _ADVICE}
# A disk, a quota or a limit that is used up; and what else a write meets, which names no file.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_OF_WRITES = (*NO_ROOM, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.ESTALE)
# How NumPy has it.
_SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")
# Of these, the file that could not be opened may be whole.
_NOT_THE_FILE = (
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM),
    *(errno.EACCES, errno.EPERM, errno.ESTALE, errno.ETIMEDOUT),
)
_NO_MORE_FILES = (errno.EMFILE, errno.ENFILE)
# A temporary file stands for the one that it was to become.
_TEMPORARY = re.compile(re.escape(TEMPORARY) + r"\d+-")


def user_error(error: Exception) -> UserError | None:
    """An error as the user's, with its line; None if it is none of these: a fault of ours."""
    if isinstance(error, UserError):
        return error
    line = words(error)
    return None if line is None else UserError(line)


def words(error: BaseException) -> str | None:
    """What was refused, in one line; None if it is no such error, nor made of one."""
    cause: BaseException | None = error
    seen = []
    while cause is not None and cause not in seen:
        seen.append(cause)
        line = _words(cause)
        if line is not None:
            return _TEMPORARY.sub("", line)
        cause = cause.__cause__ or cause.__context__
    return None


def with_advice(message: str, number: int | None) -> str:
    """A message with what to do about the system's trouble of this number, if that is known."""
    advice = _ADVICE.get(number or 0)
    return f"{message}; {advice}" if advice else message


def said_of_the_machine(text: str) -> str | None:
    """What another program says, with what to do, if it had no room or no more files; else None."""
    number = _number_in(text)
    is_so = number in (*NO_ROOM, *_NO_MORE_FILES)
    return with_advice(text, number) if is_so else None


def finds_no_room(error: OSError) -> bool:
    """Whether a disk, a quota or a limit on files is used up."""
    return error.errno in NO_ROOM or _SHORT_WRITE.search(str(error)) is not None


def is_of_a_write(error: OSError) -> bool:
    """Whether it may be of a write; one of those does not know its file."""
    return error.errno in _OF_WRITES or finds_no_room(error)


def says_nothing_of_the_file(error: Exception) -> bool:
    """Whether a file that could not be read may be as it should be; of the system or TensorFlow."""
    number = error.errno if isinstance(error, OSError) else _number_in(first_line(error))
    return number in _NOT_THE_FILE


def _words(error: BaseException) -> str | None:
    if isinstance(error, OSError):
        return _of_system(error)
    message = first_line(error)
    number = _number_in(message)
    if isinstance(error, ImportError):
        return with_advice(message, number) if number in _NO_MORE_FILES else None
    tensorflow: Any = sys.modules.get("tensorflow")
    if tensorflow is None or not isinstance(error, tensorflow.errors.OpError):
        return None
    refused = (
        tensorflow.errors.DataLossError,
        tensorflow.errors.PermissionDeniedError,
        tensorflow.errors.ResourceExhaustedError,  # Memory, where it is not the disk.
    )
    if number is None and not isinstance(error, refused):
        return None
    return with_advice(message, number)


def _of_system(error: OSError) -> str | None:
    names = [
        os.fsdecode(name)
        for name in (error.filename, error.filename2)
        if isinstance(name, (str, bytes, os.PathLike))
    ]
    where = f"{' -> '.join(names)}: " if names else ""
    if not names and error.errno == errno.ENOENT and _is_nowhere():
        return "the folder that this was started in was removed; go to another one"
    if error.errno:
        return with_advice(f"{where}{error.strerror}", error.errno)
    if finds_no_room(error):
        return with_advice(f"{where}{os.strerror(errno.ENOSPC)}", errno.ENOSPC)
    return None


def _number_in(text: str) -> int | None:
    """The number of the trouble that a text states in the system's words."""
    return next((_NUMBERS[said] for said in _NUMBERS if said in text), None)


def _is_nowhere() -> bool:
    """Whether the folder that this process works in is gone."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False
